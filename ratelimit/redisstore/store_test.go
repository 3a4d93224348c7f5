package redisstore_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/ratelimit/redisstore"
	"github.com/sioware/sioware/ratelimit/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for _, test := range []struct {
		name   string
		client redis.UniversalClient
	}{{"prompt", server.Client(t)}, {"patient", redistest.Patient(t, server.Addr)}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) ratelimit.Store { return open(t, test.client, unhurried) })
		})
	}
}

// Those who have no Redis test by a miniredis, whose Lua is another one.
func TestMini(t *testing.T) {
	t.Setenv("PATH", "")
	t.Setenv("CI", "")
	server := redistest.Start(t)
	if server.Real() {
		t.Fatal("real without a redis-server")
	}
	s := open(t, server.Client(t), unhurried)
	law(t, s, 1000)
	l := ratelimit.PerHour(2)
	for _, want := range []bool{true, true, false} {
		if v := take(t, s, "key", l, 1); v.Allowed != want {
			t.Errorf("%+v", v)
		}
	}
	release, _ := acquire(t, s, "key", 1)
	if _, v := acquire(t, s, "key", 1); v.Allowed {
		t.Errorf("%+v", v)
	}
	release()
	frees(t, s, "key", 1)
}

func TestNew(t *testing.T) {
	t.Parallel()
	redistest.New(t, redisstore.New, []redistest.Options[*redisstore.Options]{
		{Name: "no unit", Of: &redisstore.Options{Timeout: 5}, Want: []string{"unit missing"}},
		{Name: "least", Of: &redisstore.Options{Lease: time.Second, Timeout: time.Millisecond}},
		{Name: "short lease", Of: &redisstore.Options{Lease: time.Second - 1}, Want: []string{"Lease"}},
		{
			Name: "all", Of: &redisstore.Options{Prefix: "{a", Timeout: -1, Lease: -1}, None: true,
			Want: []string{"no client", "Prefix", "Timeout", "Lease"},
		},
	}...)
}

// Faults are found without Redis.
func TestMisuse(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Client(t, "127.0.0.1:1"), nil)
	for range 2 * redisstore.Tolerance { // nor does it count as a failure of Redis
		for _, l := range []ratelimit.Limit{{}, ratelimit.Unlimited(), ratelimit.PerSecond(0), ratelimit.PerSecond(-1).Burst(3)} {
			if _, err := s.Take(t.Context(), "key", l, 1); !errors.Is(err, ratelimit.ErrLimit) {
				t.Errorf("%v: %v", l, err)
			}
		}
		if _, err := s.Take(t.Context(), "key", ratelimit.PerSecond(1), -1); !errors.Is(err, ratelimit.ErrCost) {
			t.Errorf("Take: %v", err)
		}
		if release, _, err := s.Acquire(t.Context(), "key", 0); release != nil || !errors.Is(err, ratelimit.ErrLimit) {
			t.Errorf("Acquire: %v", err)
		}
	}
	if _, err := s.Take(t.Context(), "key", ratelimit.PerSecond(1), 1); err == nil || errors.Is(err, redisstore.ErrBroken) {
		t.Errorf("Take: %v", err)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Start(t).Client(t), unhurried)
	release, _ := acquire(t, s, "key", 1)
	for range 2 {
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := s.Take(t.Context(), "key", ratelimit.PerSecond(1), 1); !errors.Is(err, redisstore.ErrClosed) {
		t.Errorf("Take: %v", err)
	}
	if release, _, err := s.Acquire(t.Context(), "key", 1); release != nil || !errors.Is(err, redisstore.ErrClosed) {
		t.Errorf("Acquire: %v", err)
	}
	release()
}

// Two processes that take at one time get no more than one would.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	l := ratelimit.PerHour(1).Burst(200)
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		s := open(t, server.Client(t), unhurried)
		for range 20 {
			wg.Go(func() {
				for range 20 {
					if v, err := s.Take(t.Context(), "key", l, 1); err != nil {
						t.Error(err)
					} else if v.Allowed {
						allowed.Add(1)
					}
				}
			})
		}
	}
	wg.Wait()
	if got := allowed.Load(); got != 200 {
		t.Errorf("%d allowed, want 200", got)
	}
}

// trips counts round trips, but for pipelines, by which connections say hello.
type trips struct {
	redistest.Hook

	n atomic.Int32
}

func (c *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { c.n.Add(1); return next(ctx, cmd) }
}
func (c *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// A call is one round trip, whatever comes of it.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	client, count := redistest.Start(t).Client(t), &trips{}
	s := open(t, client, unhurried)
	l := ratelimit.PerHour(2)
	take(t, s, "key", l, 1)
	acquire(t, s, "key", 1) // the scripts, a connection
	client.AddHook(count)
	for i, call := range []func(){
		func() { take(t, s, "key", l, 1) },
		func() { take(t, s, "key", l, 1) },
		func() { take(t, s, "key", l, 0) },
		func() { take(t, s, "key", l, 3) },
		func() { acquire(t, s, "key", 1) },
		func() { acquire(t, s, "key", 2) },
	} {
		call()
		if n := count.n.Swap(0); n != 1 {
			t.Errorf("call %d: %d round trips", i, n)
		}
	}
}

// Key names do not reveal what is limited, and are placed by their tag.
func TestKeys(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Client(t, "127.0.0.1:1"), &redisstore.Options{Prefix: "p:"})
	names := make(map[string]string)
	for _, key := range []string{"", "a", "alice", "alice ", "{alice}", "a}b{", "\xff\x00", strings.Repeat("a", 1<<16), "slots:"} {
		for _, name := range []string{s.BucketKey(key), s.SlotsKey(key)} {
			if other, ok := names[name]; ok {
				t.Errorf("%.20q and %.20q are %s", key, other, name)
			}
			names[name] = key
			if !regexp.MustCompile(`^p:(slots:)?\{[\w-]{22}\}$`).MatchString(name) {
				t.Errorf("%.20q is %s", key, name)
			}
		}
	}
}

// A key always has an expiry, no later than its bucket takes to fill.
func TestTTL(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, c := open(t, server.Client(t), unhurried), server.Client(t)
	limits := []ratelimit.Limit{
		ratelimit.PerSecond(1), ratelimit.PerSecond(7).Burst(100), ratelimit.PerHour(1e6),
		ratelimit.Every(366 * 24 * time.Hour), ratelimit.Every(time.Millisecond),
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		l := limits[random.IntN(len(limits))]
		before := time.Now()
		v := take(t, s, "key", l, random.Int64N(3))
		ttl := c.PTTL(t.Context(), s.BucketKey("key")).Val()
		took := time.Since(before)
		switch {
		case ttl == -2 && v.ResetAfter <= took+time.Millisecond:
		case ttl < 0, ttl < v.ResetAfter-took-time.Millisecond:
			t.Fatalf("%v: it expires after %v, and is full after %v, asked for %v", l, ttl, v.ResetAfter, took)
		}
	}
}
