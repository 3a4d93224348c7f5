// Package redisstore keeps the revocations and logins of package jwtauth in Redis,
// for deployments of more than one process.
//
//	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
//	store, err := redisstore.New(client, nil)
//	...
//	defer store.Close(context.Background())
//	auth, err := jwtauth.New[jwtauth.Claims](keys, &jwtauth.Options[jwtauth.Claims]{Store: store})
//
// It needs Redis 6.2 or later, or Valkey, as a single server, with Sentinel, or as a
// Cluster. Time is the server's. A revocation is one key. A user has up to three, in
// one slot: the login, its names (several if tokens are refreshed), and the names
// that were replaced. Every key has an expiry, and lives as long as what is in it.
// Key names contain hashes of IDs, subjects and issuers, so that neither length nor
// odd bytes matter; but what is published, which is not kept, contains them as they
// are. A Redis user with an ACL needs the keys prefix*, the channel prefix +
// "changes", and the commands GET, EVAL, EVALSHA, SUBSCRIBE and PING, as well as
// those in the scripts: DEL, HMGET, HSET, PEXPIREAT, PTTL, PUBLISH, SET, TIME, ZADD,
// ZRANGE, ZREMRANGEBYSCORE and ZSCORE.
//
// # When Redis is away
//
// Admit and Revoke return an error within [Options].Timeout: nobody gets in
// unchecked. An error does not mean that nothing was stored: the answer may have
// been lost. What is published while a process has no connection is lost to it;
// once it is connected again it tells those who watch that anything may have
// changed. Redis itself must be durable enough: one that restarts empty has
// forgotten all revocations, and which tokens belong to one login; and a replica
// that becomes the primary may lack the latest changes.
//
// # Limits
//
// Admit takes one round trip; two if it changes the login of a user or if, under
// OldestLogin, the token belongs to another login, or is an older one of this login;
// three if both. The first reads whether the token is revoked by ID. That key may lie
// on another node of a Cluster than those of the user: if the token is being revoked
// at that moment, its login may still count, until the next one.
//
// The servers of a Cluster pass on what is published to each other, in order only for
// each server, and if two of them have lost contact it is lost, without anybody knowing.
// A connected user then learns of a revocation only when the token is next checked: at a
// refresh, or at the next connection.
//
// A client without ContextTimeoutEnabled, or one for a Cluster, may take longer
// than Timeout to give up a call. The call then goes on, in a goroutine of its own,
// until the timeouts of the client end it.
package redisstore
