package redisstore_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/presence/redisstore"
	"github.com/sioware/sioware/presence/storetest"
)

func TestScriptFlush(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, c := open(t, server.Client(t), own()), server.Client(t)
	e := entryOf("r", "u", "1", time.Minute)
	for i, call := range []func() error{
		func() error { return s.Join(t.Context(), e) },
		func() error { return s.Leave(t.Context(), presence.CauseLeft, false, e.Seat) },
		func() error { _, _, err := s.List(t.Context(), "r", "", 1); return err },
		func() error { _, err := s.Evict(t.Context(), "u", presence.CauseKicked, ""); return err },
		func() error { return s.Walk(t.Context()) },
	} {
		if err := c.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if err := call(); err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if r := record(t, s, "r", "u"); r.Last.ID != "1" {
		t.Errorf("%+v", r)
	}
}

// The documentation names all commands that the store uses.
func TestACL(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.NeedReal(t)
	if err := server.Client(t).Do(t.Context(), "ACL", "SETUSER", "app", "on", ">secret", "~sioware:presence:*", "&sioware:presence:events",
		"+eval", "+evalsha", "+subscribe", "+ping", "+del", "+get", "+hdel", "+hexists", "+hget", "+hmget", "+hset", "+hsetnx",
		"+publish", "+set", "+time", "+type", "+zadd", "+zlexcount", "+zrange", "+zrangebylex", "+zrangebyscore", "+zrem",
		"+zremrangebyscore", "+zscore", "+hello").Err(); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Username: "app", Password: "secret", DisableIdentity: true, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	opts := *brisk
	a, b := open(t, client, &opts), open(t, client, &opts)
	h := watch(b)
	crowd(t, a, "a", 5, 0)
	crowd(t, b, "b", 5, 50*time.Millisecond)
	server.Client(t).Set(t.Context(), a.Keys(redisstore.Partition("room", ""))[4], "junk", 0)
	limited := entryOf("", "limited", "1", 0)
	limited.Max = 1
	join(t, b, limited)
	limited.Device = "2"
	join(t, b, limited)
	if n, err := b.Evict(t.Context(), "limited", presence.CauseKicked, ""); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if err := b.Leave(t.Context(), presence.CauseLeft, false, presence.Seat{User: "b1", Device: "b1"}); err != nil {
		t.Error(err)
	}
	a.Die()
	siotest.Eventually(t, "all have gone", func() bool {
		return h.kind(presence.Offline, "") >= 7 && h.kind(presence.Left, "") >= 5
	})
	for _, call := range []func() error{
		func() error { return b.Walk(t.Context()) },
		func() error { _, err := b.Get(t.Context(), "", "a1", "b1"); return err },
		func() error { _, _, err := b.Scan(t.Context(), "", 3); return err },
		func() error { _, err := b.Count(t.Context(), ""); return err },
	} {
		if err := call(); err != nil {
			t.Error(err)
		}
	}
	siotest.Eventually(t, "settled", b.Settled)
}

// Those who have no Redis test by a miniredis, whose Lua is another one.
func TestMini(t *testing.T) {
	t.Setenv("PATH", "")
	t.Setenv("CI", "")
	server := redistest.Start(t)
	if server.Real() {
		t.Fatal("real without a redis-server")
	}
	if !raceEnabled {
		storetest.Run(t, func(t *testing.T) presence.Store { return open(t, server.Client(t), own()) })
	}
	a, b := open(t, server.Client(t), brisk), open(t, server.Client(t), brisk)
	h := watch(b)
	crowd(t, a, "a", 20, 0)
	a.Die()
	siotest.Eventually(t, "all have gone", func() bool { return h.kind(presence.Offline, "") == 20 })
}
