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
// Each [Limit] is a token bucket, counted exactly: the law is GCRA in whole numbers,
// and a [MemoryStore] for one process and ratelimit/redisstore for many decide alike.
// All that is counted belongs to a [Key], which is the client's address or the user.
//
// # Where in the chain
//
// [Limiter.Handler] stands in front of the engine, after what rewrites addresses and
// logs, and refuses a client by HTTP status before there is a connection.
// [Limiter.Middleware] comes early too: each CONNECT is an attempt, whatever becomes of
// it in the middlewares behind. A limiter that counts by user may stand there all the
// same: attempts, connections and bytes are then counted by address, and events by user.
// Handler and Middleware have buckets of their own; the first CONNECT of a connection
// whose handshake was counted costs nothing.
//
// Behind a proxy say which (Options.TrustedProxies), or all clients are one. Do not put
// another middleware in front that takes the client's address from a header: anybody
// can send one.
//
// # What clients see
//
// A refused handshake has status 429 with Retry-After, RateLimit-Policy and RateLimit,
// and the data below as its body; 403 if its address is denied. A refused CONNECT is a
// connect_error with that data. A refused event does not reach its handlers; its ack is
// answered with the data, and if Options.Emit says so it comes with the event
// "rate_limited" as well: without either the client is not told. A client that goes on is
// put out (Options.Penalty), with the data in the event "kicked", and may be banned.
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
// After retryAfterMs the same will be allowed, unless the client's others have been
// faster. Without it, and retryable false, it never will be: it costs more than the
// burst.
//
// # When the Store is away
//
// Nobody waits for it: a decision takes a second at most if the Store heeds its context,
// redisstore gives up earlier, and one that was too slow is not asked for a second.
// Options.Outage says what counts meanwhile; see [Insured]. Each node also has what it
// has let through itself in memory, and refuses by that without asking: of a flood Redis
// hears no more than what Options.Penalty counts. What is held in memory is bounded,
// whatever clients send; see [MemoryStore]. With a Store of many nodes at most 32 events
// of a socket ask it at one time, and 1,024 wait for that: more are refused with policy
// events, whatever their limits, and Options.Penalty does not count them.
//
// # Limits
//
// An event has been decoded when it is refused for its number or cost: wrap.Harden
// bounds what that can be. Bytes are counted on each node alone, and not those of
// packets before the first CONNECT; of an attachment that long-polling has in base64
// those that it stands for, and no line breaks, of which there may be any number. Acks
// are no events, and CONNECTs to namespaces that do not exist no attempts; both have
// bytes. Handlers of OnAny see an event before it is refused. WebTransport sessions do
// not pass the Handler. Behind a Unix socket no client has an address, and all are one.
// Clients in one IPv4 network may share an address; count by user what they do once they
// are known, and leave room for the rest. Somebody with many addresses has as many
// buckets: no limit per address stops that. After Update with a smaller limit one
// attempt may be refused that the new limit would allow.
package ratelimit
