package ratelimit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Forgetting keys changes no decision on those that have a bucket of their own: a
// store of 8 keys decides on them like one that forgets none.
func TestEvictionChangesNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { comparesSmall(t, rand.New(rand.NewPCG(seed, 3))) })
		})
	}
}

func comparesSmall(t *testing.T, r *rand.Rand) {
	const max, keys = 8, 60
	limits := []Limit{PerSecond(10).Burst(3), PerSecond(3), Every(50 * time.Millisecond)}
	small, all := NewMemoryStore(max), NewMemoryStore(0)
	// Keys that had to share: the two stores know different things about them, until
	// all tokens have come back in both.
	shared := make(map[string]bool)
	compared, overflowed := 0, 0
	for step := range 20_000 {
		i := r.IntN(keys)
		if r.IntN(3) > 0 {
			i %= 10
		}
		key, l := fmt.Sprint(i), limits[i%len(limits)]
		n := r.Int64N(l.burst + 2)
		a, _, _ := small.take(key, l, 0)
		b, _, _ := all.take(key, l, 0)
		if a.ResetAfter == 0 && b.ResetAfter == 0 {
			delete(shared, key)
		}
		got, own, err := small.take(key, l, n)
		if err != nil {
			t.Fatal(err)
		}
		want, _, _ := all.take(key, l, n)
		switch {
		case !own:
			shared[key] = true
			overflowed++
		case !shared[key]:
			compared++
			if got != want {
				t.Fatalf("step %d: %d of %s: %+v, want %+v", step, n, key, got, want)
			}
		}
		if small.Len() > max {
			t.Fatalf("step %d: %d keys, want at most %d", step, small.Len(), max)
		}
		if r.IntN(2) == 0 {
			<-time.After(time.Duration(r.Int64N(int64(60 * time.Millisecond))))
		}
	}
	if compared < 2000 || overflowed < 200 {
		t.Errorf("%d compared, %d shared: a schedule that says little", compared, overflowed)
	}
}

func TestTakeTellsWhoShares(t *testing.T) {
	t.Parallel()
	m, l := NewMemoryStore(1), PerHour(1)
	for _, tt := range []struct {
		key          string
		allowed, own bool
	}{{"a", true, true}, {"a", false, true}, {"b", true, false}, {"c", false, false}, {"a", false, true}} {
		if v, own, _ := m.take(tt.key, l, 1); own != tt.own || v.Allowed != tt.allowed {
			t.Errorf("%s: own %v, %+v, want own %v, allowed %v", tt.key, own, v, tt.own, tt.allowed)
		}
	}
}

func TestGive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, l := NewMemoryStore(0), PerSecond(1).Burst(5)
		left := func(want int64) {
			t.Helper()
			if v, _, err := m.take("k", l, 0); v.Remaining != want || err != nil {
				t.Errorf("%+v, %v, want %d remaining", v, err, want)
			}
		}
		m.settle("k", l, 3, 0) // nobody has taken
		left(5)
		_, _, _ = m.take("k", l, 5)
		left(0)
		m.settle("k", l, 2, 0)
		left(2)
		if v, _, _ := m.take("k", l, 3); v.Allowed {
			t.Errorf("3 of 2: %+v", v)
		}
		m.settle("k", l, 3, 0)
		left(5)
		m.settle("k", l, 5, 0) // more than there was
		left(5)
		_, _, _ = m.take("k", l, 5)
		<-time.After(4 * time.Second)
		m.settle("k", l, 5, 0) // of which 4 have come back
		left(5)
		if v, _, _ := m.take("k", l, 5); !v.Allowed {
			t.Errorf("all of a full bucket: %+v", v)
		}
		left(0)
		<-time.After(time.Hour)
		for i := range 1000 { // the slot goes to another
			_, _, _ = m.take(fmt.Sprint(i), l, 5)
		}
		m.settle("k", l, 5, 0)
		for i := range 1000 {
			if v, _, _ := m.take(fmt.Sprint(i), l, 1); v.Allowed {
				t.Fatalf("key %d was given what another had taken: %+v", i, v)
			}
		}
		left(5)
	})
}

// What is taken and given back at the same time adds up, while the table grows.
func TestGiveConcurrently(t *testing.T) {
	t.Parallel()
	m, l := NewMemoryStore(0), PerHour(1).Burst(40)
	var wg sync.WaitGroup
	var held atomic.Int64
	for w := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				if v, _, _ := m.take("k", l, 10); v.Allowed {
					if n := held.Add(10); n > 40 {
						t.Errorf("%d of 40 taken", n)
					}
					held.Add(-10)
					m.settle("k", l, 10, 0)
				}
				_, _, _ = m.take(fmt.Sprint(w, i), l, 1)
			}
		})
	}
	wg.Wait()
	if v, err := m.Take(context.Background(), "k", l, 0); v.Remaining != 40 || err != nil {
		t.Errorf("%+v, %v, want all of 40", v, err)
	}
}

// So many limits that they must be a mistake in the configuration share one bucket.
func TestOverflowOfManyLimits(t *testing.T) {
	t.Parallel()
	m := NewMemoryStore(1)
	_, _, _ = m.take("victim", PerHour(1), 1)
	allowed := 0
	for i := range 10 * maxOverflow {
		if v, _, _ := m.take(fmt.Sprint(i), Every(time.Hour+time.Duration(i)), 1); v.Allowed {
			allowed++
		}
	}
	if got := len(m.overflow); got > maxOverflow+1 || allowed != got {
		t.Errorf("%d buckets, %d allowed, want at most %d", got, allowed, maxOverflow+1)
	}
}

// Slots that are given back leave nothing behind.
func TestSlotsAreForgotten(t *testing.T) {
	t.Parallel()
	m := NewMemoryStore(0)
	var releases []func()
	for i := range 1000 {
		for range 2 {
			release, _, err := m.Acquire(context.Background(), fmt.Sprint(i), 2)
			if release == nil || err != nil {
				t.Fatalf("key %d: %v", i, err)
			}
			releases = append(releases, release)
		}
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for _, release := range releases {
				release()
			}
		})
	}
	wg.Wait()
	for i := range m.held {
		if n := len(m.held[i].count); n > 0 {
			t.Errorf("%d keys of which nothing is held", n)
		}
	}
}

// Somebody who has found a slot that goes to another table, or to another key, does
// not charge it. Threads meet there too rarely for a test to rely on.
func TestSlotsThatMoved(t *testing.T) {
	t.Parallel()
	m, l := NewMemoryStore(0), PerHour(1).Burst(3)
	_, _, _ = m.take("k", l, 1)
	h := m.hash("k")
	s := &m.shards[h>>(64-shardBits)]
	old := s.find(h)
	s.rebuild(m.now())
	if wait, _, ok := m.charge(old, h, m.now(), l.rate, 1); ok {
		t.Errorf("a slot of an old table is charged: full in %d", wait)
	}
	e := s.find(h)
	if e == old || e == nil {
		t.Fatal("the key is not in another slot")
	}
	if e.claim(m.now()) {
		t.Error("the slot of a key that waits is taken from it")
	}
	if _, allowed, ok := m.charge(e, h+1, m.now(), l.rate, 1); ok || allowed {
		t.Error("a slot is charged for another key")
	}
	later := m.now() + l.rate.Full()
	if !e.claim(later) {
		t.Error("the slot of a key that is full is not taken")
	}
	if wait, _, ok := m.charge(e, h, later, l.rate, 1); ok {
		t.Errorf("a slot that was taken is charged: full in %d", wait)
	}
}

// banning is a store that knows all keys to be banned, each for another time.
type banning struct{ left time.Duration }

func (b *banning) Take(context.Context, string, Limit, int64) (Verdict, error) {
	b.left -= time.Millisecond
	return Verdict{Allowed: true, ResetAfter: b.left}, nil
}

// TestBansNoOverflow: if the store of a node is full, bans that the node learns of do
// not create shared buckets, one for the limit of each ban.
func TestBansNoOverflow(t *testing.T) {
	t.Parallel()
	p, err := (&Options{Store: &banning{time.Hour}, Penalty: Penalty{After: PerMinute(1), Ban: time.Hour}}).audit(PerMinute(60))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.follow(nil); err != nil {
		t.Fatal(err)
	}
	for _, full := range []bool{false, true} {
		if full {
			p.tier.local = NewMemoryStore(1)
			_, _, _ = p.tier.local.take("full", PerHour(1), 1)
		}
		for i := range 2 * maxOverflow {
			key := fmt.Sprint("ip:", i)
			if v, err := p.ban(t.Context(), key); err != nil || v.Allowed || v.Policy != policyBan {
				t.Fatalf("%+v, %v", v, err)
			}
			if known := !p.knownBan(p.storeKey(kindBan, key)).Allowed; known == full {
				t.Fatalf("full %v: the ban is known: %v", full, known)
			}
		}
	}
	if n := len(p.tier.local.overflow); n != 0 {
		t.Errorf("%d buckets for all", n)
	}
}
