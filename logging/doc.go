// Package logging records what becomes of the connections of a Socket.IO server, with
// log/slog: who came, who was refused by what and why, and how each connection ended.
//
//	logs, err := logging.New(slog.Default(), nil)
//	...
//	wrap.UseAll(io, logs.Middleware()) // io.Use covers "/" alone
//	h := io.ServeHandler(nil)
//	logs.Engine(io.Engine())
//	http.Handle("/socket.io/", wrap.Handler(h, logs.Handler))
//
// A connection has one record when it is established and one when it ends, and the latter
// says enough about the time between that events need no records of their own. No secrets
// are in them; see [Redact].
//
// # Where in the chain
//
// First: [Logger.Middleware] and [Logger.Handler] see what the middlewares behind them
// do, and nothing of those before. Who refused a socket is known for all middlewares that
// package wrap runs, which are those of its sibling packages, and for others that are
// named with wrap.Named.
//
// The id of a connection (conn.id) is made up here. All of its sockets share it, as does
// the handshake if it has passed the Handler. The engine's own id opens the session and
// is never written; with Engine.IO 3 it is part of the host's id of a socket, so
// conn.socket is left out there.
//
// # What the records say
//
//	message              level                     attributes, beside conn
//	handshake accepted   Debug                     status, took
//	handshake refused    Warn, Error from 500      status, by, code, error, stack, took
//	handshake abandoned  Options.Level             status, took
//	engine refused       Warn; Options.Level if    status, by, code, error
//	                     it names a session
//	request              Options.Level, Warn if    method, path, addr, status, bytes,
//	                     aborted, Error from 500   code, error, stack, took
//	socket connected     Options.Level             took
//	socket refused       Warn; Error for internal  by, code, message, error, stack, took
//	                     and unavailable
//	socket abandoned     Options.Level             reason, took
//	socket disconnected  Options.Level             reason, class, code, error, duration,
//	                                               transports, events_in, events_out,
//	                                               bytes_in, bytes_out, errors, limited,
//	                                               unlogged, last
//	socket fault         Error                     code, error, stack
//	event                Sample.Level; Warn if     event, args, ack, code, error, stack,
//	                     refused, Error for ours   handled, dropped
//
// conn is a group of id, namespace, socket, addr, transport, protocol and recovered; a
// request has none. It is followed by user and what Options.Attrs returns, and, in the
// records of new sockets, handshakes and requests, by user_agent, origin and referer, the
// last without its query. Empty attributes are left out. A handshake or socket is
// abandoned if its client left before anything was decided. message is what the client
// was told; error is the cause, which the client was not told. took is how long the
// decision took, duration how long the socket was connected.
//
// A handshake that a middleware answers in the engine's place is refused, even with
// status 200.
//
// A request or handshake has code "aborted" if its handler panicked with
// http.ErrAbortHandler, as httputil.ReverseProxy does when the answer breaks off: the
// client got no answer, or part of one. status is then left out unless the handler has
// set one. If it was the client that left, a request is logged at Options.Level, and a
// handshake is abandoned.
//
// reason is the host's reason, and class says who ended the connection: see [Class]. The
// host also says "forced close" when it could not decode a packet; class is then
// protocol. If a connection was lost (class network, timeout or protocol), or the socket
// was ended by wrap.Kick, which is where code and error come from, last lists the last
// events that the client sent and how long before the end. They are listed as they
// arrived, including refused ones and ones of which only the name could be decoded.
// limited counts the events that were refused as rate_limited, errors those refused
// otherwise. unlogged counts those that [Sample] left out; dropped, in the record of an
// event, counts those left out since the last record with the same counter.
//
// The first panic of Options.User, of Options.Attrs and of each method of the Observer is
// recorded at level Error, as "logging: function of the application panicked", with
// function, error and stack.
//
// The [Observer] is told what the records say, whatever the levels are:
// logging/prommetrics turns that into metrics.
//
// What package wrap would write about a socket or request to the default slog logger, it
// does not write if a Logger follows them. A fault that shows only in an event is
// recorded even if Options.Events is nil.
//
// # Limits
//
// Observing each event has a cost: with Options.Events or an Observer, a server at full
// speed handles a quarter fewer of them. Without, they are counted before they are
// decoded.
//
// Bytes are those of a namespace's packets as Engine.IO carries them, after the CONNECT:
// without pings, HTTP and WebSocket overhead, and before compression. With a parser other
// than the stock one, bytes are counted only while the connection is in a single
// namespace, received events only with Options.Events or an Observer, sent events not at
// all, and there is no last; what is not counted is left out. Acks are not events.
// Failures of handlers are not seen, since the host does not report them: log there with
// the logger of [Logger.From]. An event that is refused by a packet middleware that
// package wrap does not run, one of socket.Use, counts as accepted.
//
// There is no record of sockets whose connection ended before the first middleware, of
// those of a connection that wrap.Func closes after too many attempts, of those that the
// host restores without running middlewares (wrap.Harden makes it run them), and of those
// in a namespace that does not exist.
//
// A socket that is kicked, or whose connection is lost, while the host is connecting it
// counts as abandoned, although its "connection" handlers may run. A refusal by a
// middleware that package wrap does not run is sure to be seen only with the stock
// parser. If a client sends CONNECT again before the answer to the first, both may be
// reported as refused for the same reason. With Engine.IO 3 a client of a namespace is
// also in "/", and has two records.
// WebTransport sessions do not pass the Handler.
//
// A secret that is split by a line end may show in part. Refused events are not sampled
// unless they were rate_limited: limit earlier in the chain what may be refused often.
//
// Each record is one call of the slog.Handler. Nothing is queued here, and a slow handler
// holds up the client that the record is about. A client that comes and goes makes two
// records each time, as often as it is admitted; with the Logger before package
// ratelimit, a client refused there makes one. To prevent even that is the job of a
// firewall.
package logging
