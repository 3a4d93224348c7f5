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
// Time is the server's: clocks of nodes do not matter.
//
// # What it does
//
// Rooms, and what is known of users everywhere, are spread over 64 partitions by their
// names. A partition is five keys in one slot, prefix + "{p<number>}:" and
//   - members, a hash: the record of each user in each room there;
//   - order, a sorted set: their names, by which lists are read;
//   - due, a sorted set: when graces end, and marks are forgotten;
//   - marks, a hash: the version of the last change, devices that were evicted and nodes
//     that are dead, for a day;
//   - seen, a sorted set: when users who are offline were last seen, for a day.
//
// Each change is one script, which also publishes it, on the channel prefix + "events": so
// events have the order of what has happened. Nodes have leases, in five more keys, prefix +
// "{n}:" and nodes, dying, expiry, last or walk. Users, rooms and metadata are kept as they
// are; they may hold any bytes.
//
// Join, Leave, Evict, Get and Count take one round trip each, whatever they change; the
// first Join takes two. List takes one, or two for the room "", as does Scan. A lease is
// renewed three times in its time, by one call for all seats of a node. Each partition is
// swept every sixth of a lease by the node that it falls to, in pipelines.
//
// A user of Redis with an ACL needs the keys prefix*, the channel prefix + "events", and the
// commands EVAL, EVALSHA, SUBSCRIBE and PING, as well as DEL, GET, HDEL, HEXISTS, HGET,
// HMGET, HSET, HSETNX, PUBLISH, SET, TIME, TYPE, ZADD, ZLEXCOUNT, ZRANGE, ZRANGEBYLEX,
// ZRANGEBYSCORE, ZREM, ZREMRANGEBYSCORE and ZSCORE.
//
// # When a node dies
//
// The first of the others that finds a lease ended gives its seats up, a few at a time. If
// it dies over that, another one does. Users with no seat left go offline when their grace
// has passed, counted from the end of the lease, with the cause
// [presence.CauseNodeLost]. That a grace has begun is kept in Redis; which node ends it
// does not matter. If all nodes die, the next one to come does it all, after one more lease.
//
// A node that lives, but was cut off, or stopped, for longer than its lease finds that out,
// takes a new name, and tells Redis of all its seats again. So does one that has lost its
// subscription, since a replica may have taken over that lacks the latest: seats that were
// taken come back, and those that were given up, if Redis believes in them again, go with
// the old name.
//
// # When Redis is away
//
// Methods return an error that wraps [presence.ErrUnavailable] within [Options].Timeout, and
// after three such calls in a row at once, but for one now and then; so do calls where a
// thousand wait for an answer. Seats are held in memory meanwhile, and up to 10,000 that
// were given up; Redis is told when it is back, within a twelfth of a lease. Nobody goes
// offline for that: if no node has renewed a lease for half of its time all are extended,
// and graces do not end before nodes have told of those who are back.
//
// Nothing has to be durable. A Redis that comes back empty is told all by all nodes, within
// a third of a lease; who was in his grace then is forgotten, without a word. Those who
// watch are told by [presence.Event].Lost. A server of a Cluster that does, or a replica that
// takes its place without the latest, is found by the version that a partition had when it was
// last swept.
//
// While a server of a Cluster is away the partitions of the others go on, if it is not the one
// with the leases, and cluster-require-full-coverage is no. Calls that fail in a row for its
// partitions make all others fail for a moment too.
//
// # Limits
//
// All members of a room are in one partition, thus on one server of a Cluster. Keys do not
// expire: what is in them goes when members do, so that an application that is removed for
// good leaves those behind who were there last, until somebody deletes prefix*.
//
// A user in a room is one record, which each change of his reads and writes: that costs Redis
// work in proportion to the devices that he has there, which Options.MaxDevices of package
// presence bounds.
//
// A dead node costs a look at each member, 200 at a time; so does, each ten minutes, a search
// for what should not be there, by one of the nodes.
//
// Redis must not evict keys: maxmemory-policy noeviction. If its clock is set back, graces that
// have begun end later by as much, as do leases of nodes that die; if it is set forward, graces
// end early.
//
// A client without ContextTimeoutEnabled, and one of a Cluster, may take longer than Timeout
// to give a call up. The call then goes on, on a goroutine of its own, until the timeouts of
// the client end it. What comes of it is what comes of calls in order: each has a number, and
// one that arrives late does not undo what came after it.
package redisstore
