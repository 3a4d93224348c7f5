package redisstore_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/presence/redisstore"
)

// A lost subscription is reported, and all seats are reported again; what Redis believes in
// and does not exist goes.
func TestSubscriptionLost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.NeedReal(t)
	a, b := open(t, server.Client(t), brisk), open(t, server.Client(t), brisk)
	ha, hb := watch(a), watch(b)
	crowd(t, a, "a", many, time.Minute)
	if ha.lost()+hb.lost() != 0 {
		t.Error("lost, though nothing was")
	}
	epoch := a.Epoch()
	c := server.Client(t)
	// As if Redis had forgotten that one has left.
	ghost := entryOf("", "ghost", "1", 0)
	join(t, a, ghost)
	p := redisstore.Partition("", "ghost")
	members, name := a.Keys(p)[0], redisstore.Entity("", "ghost")
	saved := c.HGet(t.Context(), members, name).Val()
	leave(t, a, ghost, true)
	c.HSet(t.Context(), members, name, saved)
	c.ZAdd(t.Context(), a.Keys(p)[1], redis.Z{Member: name})
	if !seated(t, b, "", "ghost") {
		t.Fatal("no ghost")
	}
	if err := c.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err(); err != nil {
		t.Fatal(err)
	}
	siotest.Eventually(t, "it is told", func() bool { return ha.lost() > 0 && hb.lost() > 0 })
	siotest.Eventually(t, "there is no ghost", func() bool { return a.Epoch() != epoch && !seated(t, b, "", "ghost") })
	siotest.Eventually(t, "settled", func() bool { return a.Settled() && present(t, b, "a", many) == many })
	if n := hb.kind(presence.Updated, "") + hb.kind(presence.Joined, "") - many; n != 0 {
		t.Errorf("%d changes too many", n)
	}
}

// A missing message is noticed by the next one.
func TestGap(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, server.Client(t), brisk)
	h := watch(s)
	c := server.Client(t)
	join(t, s, entryOf("", "u", "1", 0))
	siotest.Eventually(t, "online", func() bool { return h.kind(presence.Online, "u") == 1 })
	c.HSet(t.Context(), s.Keys(redisstore.Partition("", "u"))[3], "v", time.Now().Add(time.Second).UnixMicro())
	if h.lost() > 0 {
		t.Error("lost, though nothing was")
	}
	join(t, s, entryOf("", "u", "2", 0))
	siotest.Eventually(t, "told", func() bool { return h.lost() == 1 && h.kind(presence.Updated, "u") == 1 })
	for i, junk := range []string{"", "1", "x", "1:1", "1:20:", "\xff", "9999999999:a"} {
		if err := c.Publish(t.Context(), s.Channel(), junk).Err(); err != nil {
			t.Fatal(err)
		}
		siotest.Eventually(t, "told", func() bool { return h.lost() == i+2 })
	}
}
