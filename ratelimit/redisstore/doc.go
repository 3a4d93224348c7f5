// Package redisstore keeps the buckets and slots of package ratelimit in Redis, for
// deployments of more than one process.
//
//	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
//	store, err := redisstore.New(client, nil)
//	...
//	defer store.Close(context.Background())
//	limiter, err := ratelimit.New(ratelimit.PerMinute(60), &ratelimit.Options{Store: store})
//
// It needs Redis 6.2 or later, or Valkey, as a single server, with Sentinel, or as a
// Cluster. Time is the server's, in whole microseconds, and the algorithm is that of
// [ratelimit.MemoryStore], to a sixteenth of a nanosecond.
//
// A bucket is one key, which expires when it is full. Keys with slots expire a second
// after the last lease. Key names contain hashes of what is limited, so that neither
// length nor odd bytes matter, and nobody can read addresses or users in them. A Redis
// user with an ACL needs the keys prefix*, and the commands EVAL, EVALSHA and ZREM, as
// well as those in the scripts: DEL, GET, PEXPIRE, PEXPIREAT, PTTL, SET, TIME, ZADD,
// ZCARD, ZREMRANGEBYSCORE and ZSCORE.
//
// # When Redis is away
//
// Take and Acquire return an error within [Options].Timeout. After three such calls
// in a row they return [ErrBroken] at once, except for one call after half a second,
// and then ever less often, down to one in about five seconds, until one succeeds; so
// they do while a thousand calls wait for an answer. Package ratelimit then decides
// by its Options.Outage: Insured, Open or Closed. An error does not mean that nothing
// was taken: the answer may have been lost.
//
// Nothing has to be durable. A Redis that restarts empty has full buckets, and
// learns of the slots that are held within a third of the lease. A replica that
// becomes the primary may lack the latest changes of both. Redis should not evict
// keys that expire, since that gives their tokens back: use maxmemory-policy
// noeviction, or enough memory.
//
// # Slots
//
// A slot is a lease. The process that holds it renews it until it is given back, on
// one goroutine for all slots, which the first Acquire starts and [Store.Close] ends.
// If the process dies its slots become free within [Options].Lease, and also if it
// cannot reach Redis for that long; once it can, it takes them again, whoever has got
// them meanwhile, since what they stand for has gone on all the while. Then more may
// be held than there are, until some are given back.
//
// # Limits
//
// The slots of each key take one script call three times in each lease: 10,000 keys
// and the default lease make 2,000 calls a second, in pipelines.
//
// One circuit breaker stands for all of Redis: if one of several nodes of a Cluster
// is away, calls for its keys each fail after the timeout, as long as others succeed.
//
// A slot may stay taken for a lease after it was given back if Redis does not answer at that
// time, and the slots of processes that died for as long as the clock of Redis is set back.
//
// A client without ContextTimeoutEnabled, or one for a Cluster, may take longer than
// Timeout to give up a call. The call then goes on, in a goroutine of its own, until
// the timeouts of the client end it. With ContextTimeoutEnabled, a call whose
// context is canceled, rather than past its deadline, ends at the timeout.
package redisstore
