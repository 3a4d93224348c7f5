// Package jwtauth authenticates Socket.IO connections by JSON Web Tokens (RFC
// 7519), for as long as they live.
//
//	auth, err := jwtauth.New[jwtauth.Claims](jwtauth.HMAC(secret), nil)
//	...
//	wrap.UseAll(io, auth.Middleware()) // io.Use covers "/" alone
//	io.On("connection", func(args ...any) {
//		s := args[0].(*socket.Socket)
//		claims, _ := auth.From(s)
//		...
//	})
//
// A client sends its token with each CONNECT: io(url, {auth: {token}}). It is
// verified, an application may look the user up ([Options].Verify), and a [Store]
// may know that it was revoked. While the socket is connected the identity stays
// true: when the token expires the socket is disconnected or made a guest; the
// client is warned in time and may send a fresh token on the same connection; a
// revocation, or a newer login of the same user, puts the socket out on every
// node. Nothing keeps the token: not the handshake, not an error, not a log.
//
// Verification is strict, and cannot be made lax by an option that was left
// empty. Algorithms are bound to the type of the key, so that neither "none" nor
// a public key taken for a secret verifies anything (RFC 8725, section 2.1);
// exp is required; claims have exactly the names that they should have, once;
// critical headers that are not understood, and encodings that are not
// canonical, are refused.
//
// # Where in the chain
//
// [Auth.Middleware] goes to io.Use, to each namespace, or to wrap.UseAll, which
// covers them all. [Auth.Require] and [Auth.Events] stand behind it. In front of
// the connection, wrap.Handler(engine, auth.Handler) also refuses clients by
// HTTP status, and keeps a token that came by header, cookie or URL out of
// the request that the host keeps; without it only the socket's own handshake and
// wrap.Request are cleaned.
//
// # What clients see
//
// A refused CONNECT is a connect_error whose data is {code, message, retryable}:
//
//	token_missing         no token, and guests are not admitted
//	token_invalid         anything wrong with it; what, only the log knows
//	token_expired         good, but expired: get a new one
//	token_revoked         revoked: sign in again
//	replaced              a newer login of the user has taken over
//	too_many_connections  an older login of the user holds on
//	user_disabled         the user is unknown or disabled
//	forbidden             the user may not do this
//	origin_denied         a cookie from a foreign page
//	unavailable           keys, users or store cannot be asked: try again later
//	internal              our fault
//
// While connected:
//
//	"auth:expiring" {ttlMs}      from the server, once per token, before it expires
//	"auth:refresh" token, ack    from the client; the ack gets {ttlMs}, or the
//	                             data of a refusal, after which all is as before
//	"auth:expired" {code, ...}   from the server, under Downgrade and Notify
//	"kicked" {code, ...}         from the server, before it disconnects the socket
//
// A refresh needs a token of the same user and issuer that does not expire
// before the present one; it is refused with forbidden otherwise (always for
// tokens without a subject), and with rate_limited while another one is under way
// or if it comes more often than five times in a row and every five seconds, so
// that tokens should live for 10 seconds at least. "Bearer " in front of the token
// is ignored.
//
// # Limits
//
// Engine.IO 3 has no auth payload for "/": use another source there. A listener of
// the host's OnAny sees auth:refresh, with the token, before any
// middleware can. Tokens are signed, not encrypted ones (no JWE). A token that
// was in a URL has been in the access log of whatever is in front. Changes of a
// user that no token tells of end when the token does, unless [Auth.Revoke] is
// called. A [MemoryStore] forgets with its process.
package jwtauth
