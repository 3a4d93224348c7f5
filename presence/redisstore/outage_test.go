package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/presence/redisstore"
)

// shard fails the calls for some partitions, like a Cluster one of whose masters is away.
type shard struct {
	redistest.Hook

	away atomic.Bool
}

// of reports whether a partition is on the shard: every third one is.
func (*shard) of(p int) bool { return p%3 == 1 }

func (h *shard) fails(c redis.Cmder) bool {
	for _, a := range c.Args() {
		key, _ := a.(string)
		var p int
		if _, rest, ok := strings.Cut(key, "{p"); ok {
			if n, _ := fmt.Sscanf(rest, "%d}", &p); n == 1 && h.of(p) {
				return true
			}
		}
	}
	return false
}

func (h *shard) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if !h.away.Load() {
			return next(ctx, cmds)
		}
		var there []redis.Cmder
		var failed error
		for _, c := range cmds {
			if h.fails(c) {
				failed = errors.New("CLUSTERDOWN a shard is away")
				c.SetErr(failed)
			} else {
				there = append(there, c)
			}
		}
		if len(there) > 0 {
			if err := next(ctx, there); err != nil {
				return err
			}
		}
		return failed
	}
}

// spread returns a user for each partition.
func spread(name string) (users [redisstore.Partitions]string) {
	for i, n := 0, 0; n < len(users); i++ {
		user := fmt.Sprint(name, i)
		if p := redisstore.Partition("", user); users[p] == "" {
			users[p] = user
			n++
		}
	}
	return users
}

// While a part of Redis is away, graces end in the other parts, and these learn what they
// could not be told before; the rest does when that part is back.
func TestShardAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr)
	client := redistest.Client(t, proxy.Addr)
	h := new(shard)
	client.AddHook(h)
	a, b := open(t, client, brisk), open(t, server.Client(t), unhurried) // which is no node
	const grace = 100 * time.Millisecond
	gone, stay, come := spread("gone"), spread("stay"), spread("come")
	for p := range redisstore.Partitions {
		join(t, a, entryOf("", gone[p], "1", grace))
		join(t, a, entryOf("", stay[p], "1", grace))
	}
	proxy.Cut()
	for p := range redisstore.Partitions {
		if err := a.Join(t.Context(), entryOf("", come[p], "1", grace)); !errors.Is(err, presence.ErrUnavailable) {
			t.Fatalf("Join: %v", err)
		}
		if err := a.Leave(t.Context(), presence.CauseLost, false, entryOf("", gone[p], "1", 0).Seat); !errors.Is(err, presence.ErrUnavailable) {
			t.Fatalf("Leave: %v", err)
		}
	}
	h.away.Store(true)
	proxy.Restore()
	away := 0
	for p := range redisstore.Partitions {
		if h.of(p) {
			away++
			continue
		}
		siotest.Eventually(t, "who has come is known", func() bool { return seated(t, b, "", come[p]) })
		siotest.Eventually(t, "who has gone is offline", func() bool {
			all, err := b.Get(t.Context(), "", gone[p])
			return err == nil && all[0].Version == 0
		})
	}
	siotest.Eventually(t, "no more waits than must", func() bool { return a.Pending() == away })
	h.away.Store(false)
	siotest.Eventually(t, "settled", a.Settled)
	for p := range redisstore.Partitions {
		siotest.Eventually(t, "who has gone is offline", func() bool {
			all, err := b.Get(t.Context(), "", gone[p])
			return err == nil && all[0].Version == 0
		})
		if !seated(t, b, "", come[p]) || !seated(t, b, "", stay[p]) {
			t.Errorf("partition %d: somebody is not there", p)
		}
	}
}

// late makes calls in pipelines fail and, if it keeps them, carries them out on request.
type late struct {
	redistest.Hook

	mu   sync.Mutex
	on   bool
	kept []func() error
}

func (h *late) set(on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.on = on
}

// arrive carries out what was kept.
func (h *late) arrive(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	kept := h.kept
	h.mu.Unlock()
	if len(kept) == 0 {
		t.Error("nothing was kept")
	}
	for _, f := range kept {
		if err := f(); err != nil && !redis.HasErrorPrefix(err, "NOSCRIPT") { // of the background's
			t.Error(err)
		}
	}
}

func (h *late) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.mu.Lock()
		on := h.on
		h.mu.Unlock()
		if !on {
			return next(ctx, cmds)
		}
		var again []redis.Cmder
		for _, c := range cmds {
			again = append(again, redis.NewCmd(context.Background(), c.Args()...))
			c.SetErr(io.ErrUnexpectedEOF)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.kept = append(h.kept, func() error { return next(context.Background(), again) })
		return io.ErrUnexpectedEOF
	}
}

// Devices of this process that Redis does not know are evicted too, but no others; and
// they are not there in the end, though the calls for them come late.
func TestEvictUnknown(t *testing.T) {
	t.Parallel()
	for _, arrives := range []bool{false, true} {
		t.Run(fmt.Sprint(arrives), func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			proxy := redistest.NewProxy(t, server.Addr)
			client := redistest.Client(t, proxy.Addr)
			calls := new(late)
			client.AddHook(calls)
			opts := *unhurried
			opts.Lease = 30 * time.Second // it is not told at once
			a, b := open(t, client, &opts), open(t, server.Client(t), unhurried)
			h := watch(a)
			join(t, a, entryOf("", "alice", "known", time.Minute))
			if arrives {
				calls.set(true)
			} else {
				proxy.Cut()
			}
			for _, e := range []presence.Entry{
				entryOf("", "alice", "new", time.Minute), entryOf("", "alice", "spared", time.Minute), entryOf("", "bob", "1", time.Minute),
			} {
				if err := a.Join(t.Context(), e); !errors.Is(err, presence.ErrUnavailable) {
					t.Fatalf("Join: %v", err)
				}
			}
			calls.set(false)
			proxy.Restore()
			n := 0
			siotest.Eventually(t, "it answers", func() bool {
				var err error
				n, err = a.Evict(t.Context(), "alice", presence.CauseKicked, "why", "spared")
				return err == nil
			})
			if n != 2 {
				t.Errorf("%d were evicted", n)
			}
			siotest.Eventually(t, "it is told", func() bool {
				return h.evicted("known", presence.CauseKicked) > 0 && h.evicted("new", presence.CauseKicked) > 0
			})
			if n := h.evicted("spared", presence.CauseKicked) + h.evicted("1", presence.CauseKicked); n != 0 {
				t.Errorf("%d others were told", n)
			}
			var ev *presence.Eviction
			if err := a.Join(t.Context(), entryOf("room", "alice", "new", 0)); !errors.As(err, &ev) || ev.Reason != "why" {
				t.Errorf("Join: %v", err)
			}
			leave(t, a, entryOf("", "alice", "new", 0), true)
			if arrives {
				calls.arrive(t)
			}
			for user, want := range map[string]string{"alice": "spared", "bob": "1"} {
				siotest.Eventually(t, user+" is there", func() bool {
					r := record(t, b, "", user)
					return a.Settled() && len(r.Devices) == 1 && r.Devices[0].ID == want
				})
			}
		})
	}
}

// Graces do not end at the moment when a part of Redis is back, before it has been told who
// came back meanwhile.
func TestShardAwayGrace(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	node := func() (*redisstore.Store, *shard) {
		h, client := new(shard), server.Client(t)
		client.AddHook(h)
		return open(t, client, &redisstore.Options{Timeout: 2 * time.Second, Lease: 6 * time.Second}), h
	}
	a, here := node()
	other, there := node()
	join(t, other, entryOf("", "other", "1", 0)) // a part of the sweeps falls to it
	events := watch(other)
	const grace = 2 * time.Second
	back := spread("back")
	each := func(f func(user string)) {
		for p, user := range back {
			if here.of(p) {
				f(user)
			}
		}
	}
	each(func(user string) { join(t, a, entryOf("", user, "1", grace)) })
	each(func(user string) { leave(t, a, entryOf("", user, "1", 0), false) })
	here.away.Store(true)
	there.away.Store(true)
	each(func(user string) {
		if err := a.Join(t.Context(), entryOf("", user, "1", grace)); !errors.Is(err, presence.ErrUnavailable) {
			t.Fatalf("Join: %v", err)
		}
	})
	<-time.After(grace + grace/4)
	there.away.Store(false) // it may sweep, and is not the one that knows who is back
	<-time.After(600 * time.Millisecond)
	here.away.Store(false)
	siotest.Eventually(t, "settled", a.Settled)
	if n := events.kind(presence.Offline, ""); n > 0 {
		t.Errorf("%d users went offline, though they were back", n)
	}
}

// When a node closes while a part of Redis is away, the other parts learn of it.
func TestShardAwayClose(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client(t)
	h := new(shard)
	client.AddHook(h)
	a, b := open(t, client, unhurried), open(t, server.Client(t), unhurried)
	const n = 2500 // more than one call gives up
	crowd(t, a, "a", n, 0)
	there := 0
	for i := range n {
		if !h.of(redisstore.Partition("", fmt.Sprint("a", i))) {
			there++
		}
	}
	events := watch(b)
	h.away.Store(true)
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	siotest.Eventually(t, "those of the others go", func() bool { return events.kind(presence.Offline, "") == there })
	h.away.Store(false)
}
