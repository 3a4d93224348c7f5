// Package redisstore keeps the revocations and logins of package jwtauth in Redis,
// for deployments of more than one process.
//
//	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
//	store, err := redisstore.New(client, nil)
//	...
//	defer store.Close(context.Background())
//	auth, err := jwtauth.New[jwtauth.Claims](keys, &jwtauth.Options[jwtauth.Claims]{Store: store})
//
// It needs Redis 6.2 or later, or Valkey, as a single server, with Sentinel, or as
// a Cluster. Time is the server's. A revocation is one key. A user has up to three,
// in one slot: the login, its names (several if tokens are refreshed), and the names
// that were replaced. Every key has an expiry, and lives as long as what is in it.
// Their names hold hashes of IDs, subjects and issuers, so that neither length nor
// odd bytes matter; but what is published, and then gone, holds them as they are. A
// user of Redis with an ACL needs the keys prefix*, the channel prefix + "changes",
// and the commands GET, EVAL, EVALSHA, SUBSCRIBE and PING, as well as those in the
// scripts: DEL, HMGET, HSET, PEXPIREAT, PTTL, PUBLISH, SET, TIME, ZADD, ZRANGE,
// ZREMRANGEBYSCORE and ZSCORE.
//
// # When Redis is away
//
// Admit and Revoke return an error within [Options].Timeout: nobody comes in
// unchecked. An error does not mean that nothing has been stored, since it may be
// the answer that was lost. What is published while a process has no connection is
// lost for it; once it is connected again it tells those who watch that anything
// may have changed. Redis itself must be durable enough: one that restarts empty
// has forgotten all revocations, and which tokens are of one login, and a replica
// that becomes the primary may lack the latest.
//
// # Limits
//
// Admit takes one round trip; two if it changes the login of a user or if, under
// OldestLogin, the token is of another login, or an older one of this; three if both.
// The first reads whether the token is revoked
// by ID, which lies on another node of a Cluster than its user; if it is being
// revoked at that moment, its login may still count, until the next one.
//
// The servers of a Cluster pass on to each other what is published, in no order but that
// of each, and it is lost, unknown to anybody, if two of them have lost sight of each
// other. Who is connected then learns of a revocation only when his token is next
// checked: when it is refreshed, or he connects again.
//
// A client without ContextTimeoutEnabled, and one of a Cluster, may take longer
// than Timeout to give a call up. The call then goes on, on a goroutine of its own,
// until the timeouts of the client end it.
package redisstore
