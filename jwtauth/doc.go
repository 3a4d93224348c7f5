// Package jwtauth authenticates Socket.IO connections with JSON Web Tokens (RFC
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
// A client sends its token with each CONNECT: io(url, {auth: {token}}). The token is
// verified, the application may look the user up ([Options].Verify), and a [Store]
// may know that it has been revoked. The identity stays true while the socket is
// connected: when the token expires, the socket is disconnected or made a guest; the
// client is warned in time and may send a fresh token on the same connection; a
// revocation, or a newer login of the same user, disconnects the socket on every
// node. Nothing keeps the token: not the handshake, not an error, not a log.
//
// Verification is strict, and an option left empty cannot make it lax. Algorithms
// are bound to the type of the key, so that neither "none" nor a public key used
// as a secret verifies anything (RFC 8725, section 2.1); exp is required; claims
// must have exactly the expected names, each once; critical headers that are not
// understood, and encodings that are not canonical, are refused.
//
// # Where in the chain
//
// Pass [Auth.Middleware] to io.Use, to each namespace's Use, or to wrap.UseAll,
// which covers all namespaces. [Auth.Require] and [Auth.Events] go behind it. In
// front of the connection, wrap.Handler(engine, auth.Handler) also refuses
// clients with an HTTP status, and keeps a token that came in a header, cookie or
// URL out of the request that the host keeps; without it, only the socket's own
// handshake and wrap.Request are cleaned.
//
// # What clients see
//
// A refused CONNECT is a connect_error whose data is {code, message, retryable}:
//
//	token_missing         no token, and guests are not admitted
//	token_invalid         anything wrong with it; only the log says what
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
//	                             data of a refusal, which changes nothing
//	"auth:expired" {code, ...}   from the server, under Downgrade and Notify
//	"kicked" {code, ...}         from the server, before it disconnects the socket
//
// A refresh needs a token of the same user and issuer that does not expire before
// the present one. Otherwise it is refused with forbidden, as it always is for
// tokens without a subject; it is refused with rate_limited while another refresh is
// under way, or beyond five in a row and then one every five seconds, so tokens
// should live for at least 10 seconds. A "Bearer " in front of the token is ignored.
//
// # Limits
//
// Engine.IO 3 has no auth payload for "/": use another source there. A listener
// added with the host's OnAny sees auth:refresh, with the token, before any
// middleware can. Tokens must be signed, not encrypted (no JWE). A token that was
// in a URL has been in the access log of whatever is in front. Changes to a user
// that no token reflects take effect when the token expires, unless [Auth.Revoke]
// is called. A [MemoryStore] is lost with its process.
package jwtauth
