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
// A connection has one record when it is there and one when it is over, and this one
// says what there was between: so much that events need no records of their own. No
// secret is in them; see [Redact].
//
// # Where in the chain
//
// First: [Logger.Middleware] and [Logger.Handler] see what those behind them do, and
// nothing of those before. By whom a socket was refused is known of all middlewares that
// package wrap runs, which are those of the packages beside this one, and of others that
// have a name by wrap.Named.
//
// The id of a connection (conn.id) is made up here. All of its sockets share it, and the
// handshake does if it has passed the Handler. The engine's own id opens the session, and
// is never written; with Engine.IO 3 it is part of the host's id of a socket, so there
// conn.socket is left out.
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
// request has none. user and what Options.Attrs returns follow it, and in the records of
// who comes, and of requests, user_agent, origin and referer, the last without its
// query. What is empty is left out. A handshake or socket is abandoned if its client
// left before anything was decided. message is what the client was told, error is the
// cause, which it was not. took is how long it took to decide, duration how long the
// socket was connected.
//
// A handshake that a middleware answers in the engine's place is refused, be it with 200.
//
// A request or handshake has code "aborted" if its handler has panicked with
// http.ErrAbortHandler, as httputil.ReverseProxy does when the answer breaks off: the client
// has got no answer, or a part of it. status is then left out unless the handler has set one.
// If it is the client that has left, a request has Options.Level, and a handshake is
// abandoned.
//
// reason is the host's word, and class says whose doing it was: see [Class]. The host
// says "forced close" also if it could not read what came: then class is protocol. If a
// connection was lost (class network, timeout or protocol), or the socket was put out by
// wrap.Kick, which is where code and error come from, last has the last events that the
// client had sent, and how long before the end: as they came, so that those are among
// them that were refused, or of which nobody could read more than the name. limited
// counts the events that were refused as rate_limited, and errors others that were.
// unlogged counts those that [Sample] has left out, and dropped, in the record of an
// event, those with the same counter since the last one.
//
// Where Options.User, Options.Attrs or a method of the Observer panics, the first time is
// recorded with level Error, as "logging: function of the application panicked", with
// function, error and stack.
//
// The same goes to the [Observer], whatever the levels are: logging/prommetrics makes
// metrics of it.
//
// What package wrap writes to the default slog logger of a socket and of a request, it
// does not if a Logger follows them: a fault that is only seen by an event is recorded
// even if Options.Events is nil.
//
// # Limits
//
// To be told of each event costs: with Options.Events or an Observer a server at full
// speed takes a quarter less of them. Without, they are counted before they are read.
//
// Bytes are those of the packets of a namespace as Engine.IO carries them, from behind the
// CONNECT: not those of pings, of HTTP or of WebSocket, nor what compression saves. With a
// parser that is not the stock one bytes are counted only while the connection is in one
// namespace, events that come only with Options.Events or an Observer, those that are sent
// not at all, and there is no last: what is not counted is left out. Acks are no events.
// Handlers that fail are not seen, since the host does not say: log there with the logger
// of [Logger.From]. An event that a packet middleware refuses which package wrap does not
// run, one of socket.Use, counts as one that went well.
//
// These have no record: sockets whose connection has ended before the first middleware;
// those of a connection that wrap.Func closes, as it has tried too often; those that the
// host restores without asking middlewares (wrap.Harden has them asked); and those of a
// namespace that does not exist.
//
// A socket whose connection goes while the host is connecting it counts as abandoned,
// though its "connection" handlers may run. What a plain middleware of others refuses is
// seen with the stock parser. A client that sends CONNECT again before it has the answer
// to the first may have both told as refused for the same reason. With Engine.IO 3 a
// client of a namespace is in "/" too, and has two records. WebTransport sessions do not
// pass the Handler.
//
// A secret that a line end tears apart is seen in parts. Events that were refused are not
// sampled: who may be refused often is to be limited before.
//
// Each record is one call of the slog.Handler: nothing is queued here, and one that is
// slow holds up the client that it is about. A client that comes and goes makes two
// records each time, as many as it is let: stand before package ratelimit, and one that
// is refused there makes one. Who may not even make that belongs to a firewall.
package logging
