package redisstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/ratelimit/redisstore"
	"github.com/sioware/sioware/ratelimit/storetest"
)

func TestScriptFlush(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, c := open(t, server.Client(t), unhurried), server.Client(t)
	l := ratelimit.PerHour(3)
	for i := range 4 {
		if err := c.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if v := take(t, s, "key", l, 1); v.Allowed != (i < 3) {
			t.Errorf("call %d: %+v", i, v)
		}
		if err := c.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if _, v := acquire(t, s, "key", 3); v.Allowed != (i < 3) {
			t.Errorf("call %d: %+v", i, v)
		}
	}
}

// What others have put under our keys counts as nothing, and does not stay.
func TestJunk(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, c := open(t, server.Client(t), unhurried), server.Client(t)
	l := ratelimit.PerHour(2)
	far := strings.Repeat("9", 400) + ":1"
	soon := time.Now().Add(30 * time.Minute).UnixMicro()
	for i, junk := range []func(key string) error{
		func(key string) error { return c.RPush(t.Context(), key, "a").Err() },
		func(key string) error { return c.HSet(t.Context(), key, "a", "b").Err() },
		func(key string) error { return c.SAdd(t.Context(), key, "a").Err() },
		func(key string) error { return c.Set(t.Context(), key, "", 0).Err() },
		func(key string) error { return c.Set(t.Context(), key, "soon", 0).Err() },
		func(key string) error { return c.Set(t.Context(), key, "1e300:5", 0).Err() },
		func(key string) error { return c.Set(t.Context(), key, fmt.Sprint(soon, ":16000"), 0).Err() },
		func(key string) error { return c.Set(t.Context(), key, "5:-1", 0).Err() },
		func(key string) error { return c.Set(t.Context(), key, "1:2:3", 0).Err() },
		func(key string) error { return c.Set(t.Context(), key, " 1:2", 0).Err() },
		func(key string) error { return c.Set(t.Context(), key, "1:2", 0).Err() }, // a time long ago
	} {
		key := fmt.Sprint("key ", i)
		if err := errors.Join(junk(s.BucketKey(key)), junk(s.SlotsKey(key))); err != nil {
			t.Fatal(err)
		}
		if v := take(t, s, key, l, 0); v.Remaining != 2 {
			t.Errorf("junk %d: %+v", i, v)
		}
		for j, want := range []bool{true, true, false} {
			if v := take(t, s, key, l, 1); v.Allowed != want {
				t.Errorf("junk %d, call %d: %+v", i, j, v)
			}
		}
		if _, v := acquire(t, s, key, 1); !v.Allowed {
			t.Errorf("junk %d: %+v", i, v)
		}
		for _, k := range []string{s.BucketKey(key), s.SlotsKey(key)} {
			if ttl := c.PTTL(t.Context(), k).Val(); ttl <= 0 || ttl > time.Hour+time.Second {
				t.Errorf("junk %d: %s expires after %v", i, k, ttl)
			}
		}
	}
	// A time that never comes is cut to what the limit allows.
	if err := c.Set(t.Context(), s.BucketKey("far"), far, 0).Err(); err != nil {
		t.Fatal(err)
	}
	if v := take(t, s, "far", l, 1); v.Allowed || v.ResetAfter != time.Hour {
		t.Errorf("%+v", v)
	}
	if ttl := c.PTTL(t.Context(), s.BucketKey("far")).Val(); ttl <= 0 || ttl > time.Hour+time.Second {
		t.Errorf("it expires after %v", ttl)
	}
}

// A bucket or slots that would stay forever are given an expiry.
func TestPersist(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, c := open(t, server.Client(t), unhurried), server.Client(t)
	l := ratelimit.PerHour(2)
	take(t, s, "key", l, 2)
	acquire(t, s, "key", 1)
	for _, call := range []func(){
		func() { take(t, s, "key", l, 0) },
		func() { take(t, s, "key", l, 1) },
		func() { take(t, s, "key", l, 3) },
		func() { acquire(t, s, "key", 2) },
	} {
		for _, k := range []string{s.BucketKey("key"), s.SlotsKey("key")} {
			if err := c.Persist(t.Context(), k).Err(); err != nil {
				t.Fatal(err)
			}
		}
		call()
		bucket, slots := c.PTTL(t.Context(), s.BucketKey("key")).Val(), c.PTTL(t.Context(), s.SlotsKey("key")).Val()
		if bucket <= 0 && slots <= 0 || max(bucket, slots) > time.Hour+time.Second {
			t.Errorf("they expire after %v and %v", bucket, slots)
		}
	}
}

// The documentation names all commands that the store uses.
func TestACL(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.NeedReal(t)
	admin := server.Client(t)
	rules := []any{"ACL", "SETUSER", "limiter", "on", ">secret", "resetkeys", "~" + redisstore.DefaultPrefix + "*", "-@all"}
	for _, c := range strings.Fields("eval evalsha zrem del get pexpire pexpireat pttl set time zadd zcard zremrangebyscore zscore") {
		rules = append(rules, "+"+c)
	}
	if err := admin.Do(t.Context(), rules...).Err(); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Username: "limiter", Password: "secret", ContextTimeoutEnabled: true})
	defer func() { _ = client.Close() }()
	s := open(t, client, &redisstore.Options{Timeout: 20 * time.Second, Lease: time.Second})
	works(t, s)
	if err := admin.RPush(t.Context(), s.SlotsKey("junk"), "a").Err(); err != nil {
		t.Fatal(err)
	}
	acquire(t, s, "junk", 1)
	take(t, s, "key", ratelimit.PerHour(1), 1)
	if err := admin.Persist(t.Context(), s.BucketKey("key")).Err(); err != nil {
		t.Fatal(err)
	}
	take(t, s, "key", ratelimit.PerHour(1), 1)
	siotest.Eventually(t, "slots are given back", func() bool { return admin.Exists(t.Context(), s.SlotsKey("works")).Val() == 0 })
	if log, err := admin.ACLLog(t.Context(), 10).Result(); err != nil || len(log) > 0 {
		t.Errorf("denied: %+v, %v", log, err)
	}
}

// The names of keys and the pipelines suit a Cluster, which refuses scripts with keys of
// different slots.
func TestCluster(t *testing.T) {
	t.Parallel()
	client := redistest.StartCluster(t, 3).Client(t)
	t.Run("all", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) ratelimit.Store { return open(t, client, unhurried) })
	})
	s := open(t, client, leased)
	for i := range 100 {
		acquire(t, s, fmt.Sprint("key ", i), 1)
	}
	while(t, 2*lease, func() bool { return card(t, client, s, "key 0") == 1 && card(t, client, s, "key 99") == 1 })
	if err := client.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	while(t, 2*lease, func() bool { return card(t, client, s, "key 0") == 1 && card(t, client, s, "key 99") == 1 })
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if n := card(t, client, s, "key 0") + card(t, client, s, "key 99"); n != 0 {
		t.Errorf("%d slots are left", n)
	}
}
