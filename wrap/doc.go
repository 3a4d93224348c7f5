// Package wrap lets existing net/http middleware run on the handshake of a Socket.IO
// server built on github.com/zishang520/socket.io/v2 (the host), and makes connection and
// packet middleware safe and easy to write.
//
//	io := socket.NewServer(nil, wrap.Harden(nil))
//	wrap.UseAll(io, wrap.Func(func(ctx context.Context, s *socket.Socket) error {
//		user, err := users.Find(ctx, wrap.Request(s).Header.Get("X-User"))
//		if err != nil {
//			return &wrap.Error{Code: "forbidden", Err: err}
//		}
//		context.AfterFunc(wrap.Context(s), func() { users.Left(user) })
//		return nil
//	}))
//	http.Handle("/socket.io/", wrap.Handler(io.ServeHandler(nil), wrap.Origin(), secureHeaders, sessions))
//
// # What it does
//
// [Handler] runs func(http.Handler) http.Handler middleware on the request that opens an
// Engine.IO session, and on no other. [Engine] and [Every] do so inside the engine,
// [Namespace] when a socket joins a namespace. [Func] turns a function that returns an
// error into a connection middleware, [Packet] one that sees each event into a packet
// middleware. [Guard] protects a middleware that was written for the bare host, and
// [Kick] disconnects a socket and tells its client why. [Context] and [Request] belong to
// one socket and end with it. [UseAll] covers every namespace, [Require] and [Origin]
// close two open doors, and [Harden], [Parser] and Handler work around faults of the
// host, v2.5.0, that lose packets or end the process.
//
// # Where in the chain
//
// Handler goes directly around io.ServeHandler(nil). CORS and whatever else each response
// needs goes around Handler. [Origin] comes first among Handler's middlewares, since
// those behind it may trust cookies. In io.Use, [Require] comes first, then [Namespace],
// then the rest; use [UseAll] instead of io.Use for a rule that holds in all namespaces.
// Harden the options before NewServer. A function of this package that makes a middleware
// panics if it is given nil.
//
// # What clients see
//
// A refused handshake is an HTTP response as the middleware wrote it. Official clients
// report it as connect_error ("xhr poll error", "websocket error") and retry with a
// growing delay. A socket refused in a namespace gets connect_error with the message and
// data of [Error], and does not retry by itself:
//
//	socket.on("connect_error", (err) => {
//		if (err.data?.retryable) setTimeout(() => socket.connect(), err.data.retryAfterMs ?? 1000);
//	});
//
// With Engine.IO 3 (socket.io-client 2) the data arrives as the argument of "error". A
// refused event is reported through its ack, and a socket ended by [Kick] through the
// event "kicked", whose argument is that data. The codes that this package sends are
// forbidden, origin_denied, unavailable, internal and http_<status>.
//
// # Limits
//
// WebTransport sessions run no HTTP middleware: in v2.5.0 they reach the engine past all
// of it. Require refuses them. Over TLS, browsers poll over HTTP/2 and open WebSockets
// over HTTP/1.1: net/http has no WebSocket over HTTP/2 (RFC 8441). Engine.IO 3 joins "/"
// within the handshake, so a chain that refuses after calling next takes back a socket
// whose "connection" handlers have already run. A panic in an event handler of the
// application still ends the process: wrap runs before handlers, not around them.
// Handlers added by OnAny in a "connection" handler may miss events that a client sends
// at once.
package wrap
