// Package ratelimit limits what clients of a Socket.IO server do: how often they
// connect, how many connections they have, how many events and bytes they send.
//
//	limit, err := ratelimit.New(ratelimit.PerMinute(60), &ratelimit.Options{
//		Concurrent: 10,
//		Events:     ratelimit.PerSecond(20).Burst(50),
//		Event:      map[string]ratelimit.Limit{"search": ratelimit.PerMinute(30)},
//	})
//	...
//	wrap.UseAll(io, limit.Middleware()) // io.Use covers "/" alone
//	http.Handle("/socket.io/", wrap.Handler(io.ServeHandler(nil), limit.Handler))
//
// Each [Limit] is a token bucket, counted exactly: the algorithm is GCRA in whole numbers,
// and a [MemoryStore] for one process and ratelimit/redisstore for many decide alike.
// Everything counted belongs to a [Key], which is the client's address or the user.
//
// # Where in the chain
//
// [Limiter.Handler] stands in front of the engine, behind whatever rewrites addresses
// and logs, and refuses a client with an HTTP status before there is a connection.
// [Limiter.Middleware] comes early too: each CONNECT is an attempt, whatever becomes of
// it in the middlewares behind. A limiter that counts by user may stand there all the
// same: attempts, connections and bytes are then counted by address, and events by user.
// Handler and Middleware have separate buckets; the first CONNECT of a connection whose
// handshake was counted costs nothing.
//
// If the server is behind a proxy, name it (Options.TrustedProxies), or all clients
// count as one. Do not put another middleware in front that takes the client's address
// from a header: anybody can send one.
//
// # What clients see
//
// A refused handshake has status 429 with Retry-After, RateLimit-Policy and RateLimit,
// and the data below as its body; the status is 403 if its address is denied. A refused
// CONNECT is a connect_error with that data. A refused event does not reach its handlers.
// Its ack is answered with the data and, if Options.Emit is set, the data is also sent
// with the event "rate_limited"; without either, the client is not told. A client that
// goes on regardless is disconnected (Options.Penalty), with the data in the event
// "kicked", and may be banned.
//
//	{code, message, policy, retryable, retryAfterMs?}
//
//	code                  policy
//	rate_limited          connect       too many attempts
//	rate_limited          events        too many events, or too expensive ones
//	rate_limited          event:NAME    too many of this one
//	rate_limited          bytes         too much data
//	rate_limited          ban           refused too often, and not let in for a while
//	too_many_connections  concurrent    too many at one time
//	forbidden                           the address is denied
//	unavailable                         the Store is away, under Closed
//	internal                            our fault
//
// After retryAfterMs the same will be allowed, unless others who share the client's
// key have been faster. If it is missing and retryable is false, it never will be:
// it costs more than the burst.
//
// # When the Store is away
//
// Nobody waits for it for long: a decision takes a second at most if the Store heeds its
// context; redisstore gives up earlier; and a Store that was too slow is not asked again for
// a second. Options.Outage says what counts meanwhile; see [Insured]. Each node also keeps
// in memory what it has let through itself, and refuses by that without asking: of a flood,
// Redis sees no more than what Options.Penalty counts. What is held in memory is bounded,
// whatever clients send; see [MemoryStore]. With a Store shared by many nodes, at most 32
// events of a socket ask it at a time, and 1,024 wait for their turn: more are refused with
// policy events, whatever their limits, and Options.Penalty does not count them.
//
// # Limits
//
// An event has already been decoded when it is refused for its number or cost: wrap.Harden
// bounds what that can take. Bytes are counted on each node alone, and those of packets
// before the first CONNECT are not counted; an attachment that long-polling sends in
// base64 counts as the bytes it stands for, without line breaks, of which there may be any
// number. Acks are not events, and CONNECTs to namespaces that do not exist are not
// attempts; both count as bytes. Handlers of OnAny see an event before it is refused.
// WebTransport sessions do not pass the Handler. Behind a Unix socket clients have no
// address, and all count as one. Clients in one IPv4 network may share an address; count
// what they do by user once they are known, and leave room for the rest. Somebody with
// many addresses has as many buckets: no limit per address stops that. After Update with a
// smaller limit, one attempt may be refused that the new limit would allow.
package ratelimit
