// Package redisstore keeps who is where, for package presence, in Redis, for deployments of
// more than one process.
//
//	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
//	store, err := redisstore.New(client, nil)
//	...
//	online, err := presence.New(user, &presence.Options{Store: store})
//	...
//	defer store.Close(context.Background()) // after online.Close
//
// It needs Redis 5 or later, or Valkey, as a single server, with Sentinel, or as a Cluster.
// Time is the server's: the clocks of nodes do not matter.
//
// # What it does
//
// Rooms, and what is known about users everywhere, are spread over 64 partitions by
// their names. A partition is five keys in one slot, prefix + "{p<number>}:" and
//   - members, a hash: the record of each user in each room there;
//   - order, a sorted set: their names, by which lists are read;
//   - due, a sorted set: when graces end, and marks are forgotten;
//   - marks, a hash: the version of the last change, and for a day the devices that were
//     evicted and the nodes that are dead;
//   - seen, a sorted set: when users who are offline were last seen, for a day.
//
// Each change is one script, which also publishes it, on the channel prefix + "events", so
// events have the order in which things happened. Nodes have leases, in five more keys,
// prefix + "{n}:" and nodes, dying, expiry, last or walk. Users, rooms and metadata are
// kept as they are; they may contain any bytes.
//
// Join, Leave, Evict, Get and Count take one round trip each, whatever they change; the
// first Join takes two. List takes one, or two for the room "", as does Scan. A lease is
// renewed three times in its duration, by one call for all seats of a node. Each partition
// is swept every sixth of a lease, in pipelines, by the node that is in charge of it.
//
// A Redis user with an ACL needs the keys prefix*, the channel prefix + "events", and the
// commands EVAL, EVALSHA, SUBSCRIBE and PING, as well as DEL, GET, HDEL, HEXISTS, HGET,
// HMGET, HSET, HSETNX, PUBLISH, SET, TIME, TYPE, ZADD, ZLEXCOUNT, ZRANGE, ZRANGEBYLEX,
// ZRANGEBYSCORE, ZREM, ZREMRANGEBYSCORE and ZSCORE.
//
// # When a node dies
//
// The first of the other nodes that finds a lease ended gives up the seats under it, a few
// at a time. If that node dies meanwhile, another one takes over. Users with no seat left go
// offline when their grace has passed, counted from the end of the lease, with the cause
// [presence.CauseNodeLost]. That a grace has begun is kept in Redis; it does not matter
// which node ends it. If all nodes die, the next one to start does it all, after one more
// lease.
//
// A live node that was cut off, or stopped, for longer than its lease finds that out, takes
// a new name, and reports all its seats to Redis again. So does one that has lost its
// subscription, since a replica that lacks the latest changes may have taken over: seats
// that were taken come back, and those that were given up, if Redis believes in them again,
// go with the old name.
//
// # When Redis is away
//
// Methods return an error that wraps [presence.ErrUnavailable] within [Options].Timeout,
// and after three such calls in a row at once, except for one call now and then; so they do
// while a thousand calls wait for an answer. Meanwhile seats are held in memory, and up to
// 10,000 that were given up; Redis is told when it is back, within a twelfth of a lease.
// Nobody goes offline because of an outage: if no node has renewed a lease for half of its
// duration all leases are extended, and graces do not end before nodes have reported those
// who are back.
//
// Nothing has to be durable. A Redis that comes back empty is told everything again by all
// nodes, within a third of a lease; users whose grace was running then are forgotten
// silently. Those who watch are notified by [presence.Event].Lost. If a server of a Cluster
// comes back empty, or a replica takes its place without the latest changes, that is
// noticed by the version that a partition had when it was last swept.
//
// While a server of a Cluster is away the partitions of the others go on, if it is not the
// one with the leases, and cluster-require-full-coverage is no. Calls that fail in a row
// for its partitions make all others fail for a moment too.
//
// # Limits
//
// All members of a room are in one partition, and thus on one server of a Cluster. Keys do
// not expire: what is in them goes when members do, so an application that is removed for
// good leaves behind those who were there last, until somebody deletes prefix*.
//
// A user in a room is one record, which each change of that user there reads and writes:
// that costs Redis work in proportion to the user's devices there, which Options.MaxDevices
// of package presence bounds.
//
// A dead node costs a look at each member, 200 at a time; so does a search for what should
// not be there, which one of the nodes makes every ten minutes.
//
// Redis must not evict keys: use maxmemory-policy noeviction. If its clock is set back,
// graces that have begun end later by as much, as do leases of nodes that die; if it is set
// forward, graces end early.
//
// A client without ContextTimeoutEnabled, or one for a Cluster, may take longer than
// Timeout to give up a call. The call then goes on, in a goroutine of its own, until the
// timeouts of the client end it. Its effect is the same as if calls came in order: each has
// a number, and one that arrives late does not undo what came after it.
package redisstore
