package redisstore_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/presence/redisstore"
)

// Seats of nodes that nobody knows go after a lease, once they have been found; and a grace
// that would not end does.
func TestWalk(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := server.Client(t)
	opts := own()
	opts.Lease = time.Second
	a, b := open(t, server.Client(t), opts), open(t, server.Client(t), opts)
	h := watch(b)
	crowd(t, a, "a", 5, 0)
	e := entryOf("", "grace", "1", 100*time.Millisecond)
	join(t, b, e)
	a.Die()
	c.ZRem(t.Context(), a.NodeKeys()[0], a.Epoch())
	leave(t, b, e, false)
	c.Del(t.Context(), b.Keys(redisstore.Partition("", "grace"))[2])
	siotest.Eventually(t, "the node is not known", func() bool {
		_, err := c.ZScore(t.Context(), a.NodeKeys()[1], a.Epoch()).Result()
		return errors.Is(err, redis.Nil)
	})
	if err := b.Walk(t.Context()); err != nil {
		t.Fatal(err)
	}
	siotest.Eventually(t, "all have gone", func() bool {
		return h.kind(presence.Offline, "") == 6 && h.kind(presence.Left, "") == 5
	})
}

// looked calls f once, when a walk has looked through all partitions so many times.
type looked struct {
	redistest.Hook

	pages atomic.Int32
	times int32
	f     func()
}

func (h *looked) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		for _, c := range cmds {
			if args := c.Args(); err == nil && args[1] == redisstore.WalkHash && h.pages.Add(1) == h.times*redisstore.Partitions {
				h.f()
			}
		}
		return err
	}
}

// A node that is closed while another one walks does not get a lease from that. Nobody
// would renew it: until its end the graces in its charge would not end.
func TestWalkClosed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	opts := own()
	c := server.Client(t)
	a, b := open(t, c, opts), open(t, server.Client(t), opts)
	join(t, b, entryOf("", "u", "1", time.Minute))
	if err := a.Walk(t.Context()); err != nil { // Redis has the script then
		t.Fatal(err)
	}
	h := &looked{times: 1, f: func() {
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}}
	c.AddHook(h)
	if err := a.Walk(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.pages.Load() < redisstore.Partitions {
		t.Error("the walk has not been seen")
	}
	if n := c.ZCard(t.Context(), a.NodeKeys()[0]).Val(); n != 0 {
		t.Errorf("%d leases", n)
	}
}

// Nor does a dead node whose seats another one gives up meanwhile.
func TestWalkReaped(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := server.Client(t)
	opts := own()
	a, b, other := open(t, c, opts), open(t, server.Client(t), opts), open(t, server.Client(t), opts)
	join(t, b, entryOf("", "u", "1", time.Minute))
	if err := a.Walk(t.Context()); err != nil { // Redis has the script then
		t.Fatal(err)
	}
	b.Die()
	nodes, dying := a.NodeKeys()[0], a.NodeKeys()[1]
	c.ZRem(t.Context(), nodes, b.Epoch())
	c.ZAdd(t.Context(), dying, redis.Z{Score: 9e15, Member: b.Epoch()})
	reaped := false
	c.AddHook(&looked{times: 2, f: func() {
		if err := other.Reap(t.Context(), b.Epoch()); err != nil {
			t.Error(err)
		}
		reaped = c.ZRem(t.Context(), dying, b.Epoch()).Val() == 1
	}})
	if err := a.Walk(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !reaped {
		t.Error("the second look has not been seen")
	}
	if err := c.ZScore(t.Context(), nodes, b.Epoch()).Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("it has a lease: %v", err)
	}
}
