package redisstore_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/ratelimit/redisstore"
)

// lease is the shortest one.
const lease = time.Second

var leased = &redisstore.Options{Timeout: 20 * time.Second, Lease: lease}

// frees waits until a slot of key is free, and returns how long it took.
func frees(t *testing.T, s *redisstore.Store, key string, slots int64) time.Duration {
	t.Helper()
	began := time.Now()
	siotest.Eventually(t, "a slot is free", func() bool {
		release, v, err := s.Acquire(t.Context(), key, slots)
		if err != nil {
			t.Fatalf("Acquire: %v", err)
		}
		if v.Allowed {
			t.Cleanup(release)
		}
		return v.Allowed
	})
	return time.Since(began)
}

// while checks that f holds for as long.
func while(t *testing.T, d time.Duration, f func() bool) {
	t.Helper()
	end := time.Now().Add(d)
	siotest.Eventually(t, "the end of the time", func() bool {
		if !f() {
			t.Fatal("it does not stay")
		}
		return time.Now().After(end)
	})
}

// card returns how many slots of key are held.
func card(tb testing.TB, c redis.UniversalClient, s *redisstore.Store, key string) int64 {
	tb.Helper()
	n, err := c.ZCard(tb.Context(), s.SlotsKey(key)).Result()
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

func TestSlotsAreRenewed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, other := open(t, server.Client(t), leased), open(t, server.Client(t), leased)
	release, v := acquire(t, s, "key", 1)
	if !v.Allowed || v.Limit != 1 || v.Remaining != 0 {
		t.Errorf("%+v", v)
	}
	while(t, 3*lease, func() bool {
		_, v := acquire(t, other, "key", 1)
		return !v.Allowed && v.Remaining == 0 && v.RetryAfter == 0 && v.Limit == 1
	})
	release()
	if took := frees(t, other, "key", 1); took > lease {
		t.Logf("free %v after it was given back: by itself?", took)
	}
}

// stuck is a hook by which no slot is given back until it is closed.
type stuck chan struct{}

func (stuck) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (stuck) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (s stuck) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() == "zrem" {
			<-s
		}
		return next(ctx, cmds)
	}
}

// A client that leaves and comes back at once is not refused for its own slot.
func TestSlotsComeBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client, held := server.Client(t), make(stuck)
	client.AddHook(held)
	s := open(t, client, unhurried)
	t.Cleanup(func() { close(held) })
	other := open(t, server.Client(t), unhurried)
	first, _ := acquire(t, s, "key", 2)
	acquire(t, other, "key", 2)
	for range 3 {
		first()
		var v ratelimit.Verdict
		if first, v = acquire(t, s, "key", 2); !v.Allowed || v.Remaining != 0 {
			t.Fatalf("%+v, want the one that was given back", v)
		}
		for _, s := range []*redisstore.Store{s, other} {
			if _, v := acquire(t, s, "key", 2); v.Allowed {
				t.Fatal("more are held than there are")
			}
		}
	}
	if n := card(t, server.Client(t), s, "key"); n != 2 {
		t.Errorf("%d are held", n)
	}
}

// A process that cannot reach Redis any more counts as dead for the others.
func TestSlotsOfTheDead(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr)
	dies := open(t, redistest.Client(t, proxy.Addr), &redisstore.Options{Lease: lease})
	other := open(t, server.Client(t), leased)
	for range 3 {
		siotest.Eventually(t, "a slot", func() bool { release, _, _ := dies.Acquire(t.Context(), "key", 3); return release != nil })
	}
	if _, v := acquire(t, other, "key", 3); v.Allowed {
		t.Fatalf("%+v", v)
	}
	proxy.Cut()
	if took := frees(t, other, "key", 3); took > lease+slack {
		t.Errorf("free after %v", took)
	}
	// It has not died, and takes them again, also beyond what there is.
	proxy.Restore()
	c := server.Client(t)
	siotest.Eventually(t, "it takes them again", func() bool { return card(t, c, other, "key") == 4 })
	if _, v := acquire(t, other, "key", 3); v.Allowed || v.Remaining != 0 {
		t.Errorf("%+v", v)
	}
}

// The answer to an Acquire is lost; the slot is not.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		client func(tb testing.TB, addr string) *redis.Client
	}{{"prompt", redistest.Client}, {"patient", redistest.Patient}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			server.NeedReal(t)
			s := open(t, test.client(t, server.Addr), &redisstore.Options{Timeout: 200 * time.Millisecond, Lease: 6 * time.Second})
			c := server.Client(t)
			works(t, s)
			server.Pause(t) // and what it is sent meanwhile it gets, once it resumes
			for range 2 {
				if release, _, err := s.Acquire(t.Context(), "key", 5); release != nil || err == nil {
					t.Errorf("Acquire: %p, %v", release, err)
				}
			}
			server.Resume(t)
			began := time.Now()
			siotest.Eventually(t, "they are free", func() bool { return card(t, c, s, "key") == 0 })
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("free after %v, which may be by itself", took)
			}
			if held, _ := s.Pending(); held != 0 {
				t.Errorf("%d are held", held)
			}
		})
	}
}

// Many come and go, while slots are renewed: never are there more than there may be,
// and none is left.
func TestSlotsChurn(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := server.Client(t)
	const slots = 5
	var held atomic.Int64
	var stores []*redisstore.Store
	var wg sync.WaitGroup
	end := time.Now().Add(2 * lease)
	for range 2 {
		s := open(t, server.Client(t), leased)
		stores = append(stores, s)
		for range 8 {
			wg.Go(func() {
				for time.Now().Before(end) {
					release, _, err := s.Acquire(t.Context(), "key", slots)
					if err != nil {
						t.Error(err)
						return
					}
					if release == nil {
						continue
					}
					if n := held.Add(1); n > slots {
						t.Errorf("%d of %d", n, slots)
					}
					held.Add(-1)
					release()
				}
			})
		}
	}
	wg.Wait()
	siotest.Eventually(t, "none is left", func() bool { return card(t, c, stores[0], "key") == 0 })
	while(t, lease, func() bool { return card(t, c, stores[0], "key") == 0 })
	for _, s := range stores {
		if held, releases := s.Pending(); held+releases != 0 {
			t.Errorf("%d are held, %d to be given back", held, releases)
		}
	}
}

// Processes may have different leases, and the longest counts for the key.
func TestLeases(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	long, short, c := open(t, server.Client(t), unhurried), open(t, server.Client(t), leased), server.Client(t)
	acquire(t, long, "key", 2)
	acquire(t, short, "key", 2)
	if ttl := c.PTTL(t.Context(), long.SlotsKey("key")).Val(); ttl < redisstore.DefaultLease-slack {
		t.Errorf("the key expires after %v", ttl)
	}
}

// again sends each call twice, as a client does that has lost the answer.
type again struct{ redistest.Hook }

func (again) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" {
			_ = next(ctx, cmd)
		}
		return next(ctx, cmd)
	}
}
func (again) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestSlotIsTakenOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client(t)
	client.AddHook(again{})
	s := open(t, client, unhurried)
	for _, want := range []int64{1, 0} {
		if _, v := acquire(t, s, "key", 2); !v.Allowed || v.Remaining != want {
			t.Errorf("%+v, want %d remaining", v, want)
		}
	}
	if _, v := acquire(t, s, "key", 2); v.Allowed {
		t.Errorf("%+v", v)
	}
}
