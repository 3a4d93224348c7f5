package ratelimit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/ratelimit/storetest"
)

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) ratelimit.Store { return ratelimit.NewMemoryStore(0) })
}

// take takes from m, which does not fail for what is valid.
func take(t testing.TB, m *ratelimit.MemoryStore, key string, l ratelimit.Limit, n int64) ratelimit.Verdict {
	t.Helper()
	v, err := m.Take(context.Background(), key, l, n)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestMemoryTimes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, l := ratelimit.NewMemoryStore(0), ratelimit.PerSecond(3) // 333,333,333 and 6/16 ns
		for i, tt := range []struct {
			after time.Duration
			n     int64
			want  ratelimit.Verdict
		}{
			{0, 0, ratelimit.Verdict{Allowed: true, Limit: 3, Remaining: 3}},
			{0, 1, ratelimit.Verdict{Allowed: true, Limit: 3, Remaining: 2, ResetAfter: 333_333_334}},
			{0, 2, ratelimit.Verdict{Allowed: true, Limit: 3, Remaining: 0, ResetAfter: 1_000_000_001}},
			{0, 1, ratelimit.Verdict{Limit: 3, RetryAfter: 333_333_334, ResetAfter: 1_000_000_001}},
			{0, 3, ratelimit.Verdict{Limit: 3, RetryAfter: 1_000_000_001, ResetAfter: 1_000_000_001}},
			{0, 4, ratelimit.Verdict{Limit: 3, RetryAfter: ratelimit.Never, ResetAfter: 1_000_000_001}},
			{333_333_333, 1, ratelimit.Verdict{Limit: 3, RetryAfter: 1, ResetAfter: 666_666_668}},
			{1, 1, ratelimit.Verdict{Allowed: true, Limit: 3, ResetAfter: 1_000_000_000}},
			{1e9 - 1, 0, ratelimit.Verdict{Allowed: true, Limit: 3, Remaining: 2, ResetAfter: 1}},
			{0, 3, ratelimit.Verdict{Limit: 3, Remaining: 2, RetryAfter: 1, ResetAfter: 1}},
			{1, 0, ratelimit.Verdict{Allowed: true, Limit: 3, Remaining: 3}},
			{365 * 24 * time.Hour, 3, ratelimit.Verdict{Allowed: true, Limit: 3, ResetAfter: 1_000_000_001}},
			{0, 1, ratelimit.Verdict{Limit: 3, RetryAfter: 333_333_334, ResetAfter: 1_000_000_001}},
		} {
			<-time.After(tt.after)
			if v := take(t, m, "k", l, tt.n); v != tt.want {
				t.Errorf("%d: %+v, want %+v", i, v, tt.want)
			}
		}
	})
}

// A limit that was made smaller frees those whom the larger one had locked out, at
// the time that it says.
func TestMemorySmallerLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := ratelimit.NewMemoryStore(0)
		take(t, m, "k", ratelimit.PerHour(1).Burst(10), 10)
		l := ratelimit.Every(20 * time.Millisecond)
		v := take(t, m, "k", l, 1)
		if want := (ratelimit.Verdict{Limit: 1, RetryAfter: 20 * time.Millisecond, ResetAfter: 20 * time.Millisecond}); v != want {
			t.Errorf("%+v, want %+v", v, want)
		}
		<-time.After(v.RetryAfter - 1)
		if v := take(t, m, "k", l, 1); v.Allowed || v.RetryAfter != 1 {
			t.Errorf("too early: %+v", v)
		}
		<-time.After(1)
		if v := take(t, m, "k", l, 1); !v.Allowed {
			t.Errorf("after RetryAfter: %+v", v)
		}
	})
}

func TestMemoryOverflow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const max = 1000
		m, l := ratelimit.NewMemoryStore(max), ratelimit.PerHour(2)
		exhaust := func(key string) (allowed int) {
			for range 3 {
				if take(t, m, key, l, 1).Allowed {
					allowed++
				}
			}
			return allowed
		}
		for round := range 3 {
			name := func(i int) string { return fmt.Sprint(round, "-", i) }
			for i := range max { // 0 is the victim
				if got := exhaust(name(i)); got != 2 {
					t.Fatalf("round %d, key %d: %d allowed, want 2", round, i, got)
				}
			}
			allowed := 0
			for i := range 100 {
				allowed += exhaust(name(max + i))
				<-time.After(200 * time.Millisecond) // so that it looks for room each time
			}
			if allowed != 2 {
				t.Errorf("round %d: %d allowed by the shared bucket, want 2", round, allowed)
			}
			if v := take(t, m, name(max+200), ratelimit.PerHour(3), 1); !v.Allowed || v.Remaining != 2 {
				t.Errorf("round %d: under another limit: %+v", round, v)
			}
			if v := take(t, m, name(max+201), ratelimit.PerHour(3), 1); !v.Allowed || v.Remaining != 1 {
				t.Errorf("round %d: a second key under another limit: %+v", round, v)
			}
			for i := range max {
				if v := take(t, m, name(i), l, 1); v.Allowed {
					t.Fatalf("round %d: key %d: %+v", round, i, v)
				}
			}
			if got := m.Len(); got != max {
				t.Errorf("round %d: %d keys, want %d", round, got, max)
			}
			<-time.After(time.Hour)
		}
	})
}

// Tables grow with the keys that are over their limit, and only with them.
func TestMemoryGrowth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const keys = 20_000
		m, l := ratelimit.NewMemoryStore(0), ratelimit.Every(time.Minute)
		for round := range 8 {
			for _, allowed := range []bool{true, false} {
				for i := range keys {
					if v := take(t, m, fmt.Sprint(round, "-", i), l, 1); v.Allowed != allowed {
						t.Fatalf("round %d, key %d: %+v", round, i, v)
					}
				}
			}
			// Not more than a table has room for when it grows.
			if got := m.Len(); got < keys || got > 3*keys {
				t.Errorf("round %d: %d keys, want %d to %d", round, got, keys, 3*keys)
			}
			<-time.After(time.Minute)
		}
		// Keys that nobody asks for again do not stay for ever.
		for i := range 5 * keys {
			take(t, m, fmt.Sprint("last-", i), ratelimit.Every(time.Nanosecond), 1)
			if i%10 == 0 {
				<-time.After(1)
			}
		}
		if got := m.Len(); got > keys {
			t.Errorf("%d keys in the end", got)
		}
	})
}

// A full store all of whose buckets have refilled is as good as a new one.
func TestMemoryShrink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const max = 5000
		m, l := ratelimit.NewMemoryStore(max), ratelimit.Every(time.Minute)
		least := max
		for round := range 4 {
			for i := range max {
				if v := take(t, m, fmt.Sprint(round, "-", i), l, 1); !v.Allowed {
					t.Fatalf("round %d, key %d: %+v", round, i, v)
				}
				if n := m.Len(); n > max {
					t.Fatalf("%d keys, want at most %d", n, max)
				} else if round > 0 {
					least = min(least, n)
				}
			}
			<-time.After(time.Minute)
		}
		if least > max/4 {
			t.Errorf("never fewer than %d keys", least)
		}
	})
}

// No token is lost or comes twice while tables grow, and slots of keys whose bucket is
// full go to others.
func TestMemoryConcurrent(t *testing.T) {
	t.Parallel()
	const keys, burst, workers = 4000, 3, 8
	m := ratelimit.NewMemoryStore(0)
	kept, brief := ratelimit.PerHour(1).Burst(burst), ratelimit.Every(time.Microsecond)
	var allowed [keys]atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for range 2 { // each worker asks each key twice, in an order of its own
				for _, i := range r.Perm(keys) {
					if take(t, m, fmt.Sprint("kept-", i), kept, 1).Allowed {
						allowed[i].Add(1)
					}
					take(t, m, fmt.Sprint("brief-", r.IntN(keys*10)), brief, 1)
					take(t, m, fmt.Sprint("kept-", r.IntN(keys)), kept, r.Int64N(2)*(burst+1)) // peeks, and what is never allowed
				}
			}
		})
	}
	wg.Wait()
	for i := range allowed {
		if got := allowed[i].Load(); got != burst {
			t.Errorf("key %d: %d allowed, want %d", i, got, burst)
		}
	}
}

// The cap holds while many come at once, and whoever had a bucket keeps it.
func TestMemoryConcurrentOverflow(t *testing.T) {
	t.Parallel()
	const max, workers = 500, 8
	m, l := ratelimit.NewMemoryStore(max), ratelimit.Every(time.Hour)
	for i := range max / 2 {
		take(t, m, fmt.Sprint("old-", i), l, 1)
	}
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range 2000 {
				if take(t, m, fmt.Sprint("new-", (i+w*250)%2000), l, 1).Allowed {
					allowed.Add(1)
				}
				if take(t, m, fmt.Sprint("old-", i%(max/2)), l, 1).Allowed {
					t.Error("a key that is over its limit was forgotten")
					return
				}
			}
		})
	}
	wg.Wait()
	// One for each that found room, and one for all the others.
	if got, want := allowed.Load(), int64(m.Len()-max/2+1); got != want || m.Len() != max {
		t.Errorf("%d allowed, want %d; %d keys, want %d", got, want, m.Len(), max)
	}
}

func TestMemoryDefault(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, -1} {
		m := ratelimit.NewMemoryStore(n)
		if got := m.Len(); got != 0 {
			t.Errorf("%d keys in a new store", got)
		}
		if v := take(t, m, "k", ratelimit.PerHour(1), 1); !v.Allowed || m.Len() != 1 {
			t.Errorf("%+v, %d keys", v, m.Len())
		}
	}
}

// What takes nothing leaves nothing behind.
func TestMemoryKeepsOnlyWhatWasTaken(t *testing.T) {
	t.Parallel()
	m, l := ratelimit.NewMemoryStore(0), ratelimit.PerHour(1)
	for i := range 100 {
		take(t, m, fmt.Sprint(i), l, 0)
		take(t, m, fmt.Sprint(i), l, 2)
		if _, err := m.Take(context.Background(), fmt.Sprint(i), l, -1); err == nil {
			t.Error("no error")
		}
		if _, err := m.Take(context.Background(), fmt.Sprint(i), ratelimit.Unlimited(), 1); err == nil {
			t.Error("no error")
		}
	}
	if got := m.Len(); got != 0 {
		t.Errorf("%d keys", got)
	}
}
