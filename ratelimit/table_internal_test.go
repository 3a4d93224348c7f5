package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestTableConserves: no token is lost or made while keys come and go and tokens are put
// back. From buckets that do not refill within the test, exactly the burst is obtained.
func TestTableConserves(t *testing.T) {
	t.Parallel()
	rounds := 20_000
	if testing.Short() {
		rounds = 3000
	}
	for _, max := range []int{0, 5000, 300} {
		t.Run(fmt.Sprint("up to ", max), func(t *testing.T) {
			t.Parallel()
			m := NewMemoryStore(max)
			conserves(t, m, rounds)
			checkTable(t, m, max)
		})
	}
}

// conserves takes and puts back tokens of some keys for so many rounds, while others
// come, go, and are forgotten.
func conserves(t *testing.T, m *MemoryStore, rounds int) {
	const keys, burst = 64, 500
	slow, quick := Every(10*time.Hour/burst).Burst(burst), Every(time.Microsecond)
	var names [keys]string
	var had [keys]atomic.Int64
	for i := range names {
		names[i] = fmt.Sprint("k", i)
		if v, own, err := m.take(names[i], slow, 1); !v.Allowed || !own || err != nil {
			t.Fatalf("%+v, own %v, %v", v, own, err)
		}
		had[i].Add(1)
	}
	var stop atomic.Bool
	var churn, wg sync.WaitGroup
	for g := range uint64(4) {
		churn.Go(func() {
			for r := rand.New(rand.NewPCG(g, 1)); !stop.Load(); {
				_, _, _ = m.take(fmt.Sprint("c", r.IntN(20_000)), quick, 1)
				if r.IntN(100) == 0 {
					m.forget(m.now())
					m.again.Store(0)
				}
			}
		})
	}
	for g := range uint64(8) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(g, 2))
			for range rounds {
				i := r.IntN(keys)
				v, own, err := m.take(names[i], slow, 1)
				switch {
				case err != nil || !own:
					t.Errorf("%s: own %v, %v", names[i], own, err)
					return
				case v.Allowed && r.IntN(3) == 0:
					m.settle(names[i], slow, 1, 0)
				case v.Allowed:
					had[i].Add(1)
				}
				if v, _, _ := m.take(names[i], slow, 0); v.Remaining < 0 || v.ResetAfter <= 0 {
					t.Errorf("%s: %+v", names[i], v)
				}
			}
		})
	}
	wg.Wait()
	stop.Store(true)
	churn.Wait()
	for i, name := range names {
		v, _, _ := m.take(name, slow, 0)
		if n := had[i].Load(); n+v.Remaining != burst {
			t.Errorf("%s: %d had and %d left, of %d", name, n, v.Remaining, burst)
		}
	}
}

// checkTable compares what the tables of m hold with what they say.
func checkTable(t *testing.T, m *MemoryStore, max int) {
	t.Helper()
	total := 0
	for i := range m.shards {
		s := &m.shards[i]
		if s.table.Load() == nil {
			continue
		}
		seen := make(map[uint64]bool)
		for j := range *s.table.Load() {
			h := (*s.table.Load())[j].hash.Load()
			if h != 0 && seen[h] {
				t.Errorf("shard %d: a key is there twice", i)
			}
			if h != 0 {
				seen[h] = true
			}
		}
		if len(seen) != s.used {
			t.Errorf("shard %d has %d keys, and says %d", i, len(seen), s.used)
		}
		total += len(seen)
	}
	if m.Len() != total || max > 0 && total > max {
		t.Errorf("%d keys, and Len says %d, want at most %d", total, m.Len(), max)
	}
}

// TestTableRate: while slots change their owners nobody with a bucket of its own gets
// more than burst + rate * t.
func TestTableRate(t *testing.T) {
	t.Parallel()
	const every, keys = 2 * time.Millisecond, 450
	run := 2 * time.Second
	if testing.Short() {
		run /= 4
	}
	m, l := NewMemoryStore(400), Every(every).Burst(3)
	var had [keys]atomic.Int64
	var shared atomic.Int64
	begin := time.Now()
	var wg sync.WaitGroup
	for g := range uint64(6) {
		wg.Go(func() {
			for r := rand.New(rand.NewPCG(g, 3)); time.Since(begin) < run; {
				i := r.IntN(keys)
				v, own, _ := m.take(fmt.Sprint(i), l, 1)
				if !own {
					shared.Add(1)
				} else if v.Allowed {
					had[i].Add(1)
				}
			}
		})
	}
	wg.Wait()
	most := int64(time.Since(begin)/every) + 3
	for i := range had {
		if n := had[i].Load(); n > most {
			t.Errorf("key %d: %d allowed, want at most %d", i, n, most)
		}
	}
	if shared.Load() == 0 {
		t.Error("nobody shared a bucket: a schedule that says little")
	}
	checkTable(t, m, 400)
}
