package ratelimit

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/ratelimit/internal/gcra"
)

// DefaultMaxKeys is how many keys a [MemoryStore] holds by default.
const DefaultMaxKeys = 1 << 20

// MemoryStore is a [Store] and a [SlotStore] in memory, for one process. Create one
// with [NewMemoryStore]. It is safe for concurrent use, and has no goroutine.
//
// A key takes 22 to 64 bytes, however long it is: what is kept is a 64-bit hash, by a
// function that differs in each process so that nobody can search for two keys with one
// hash, and the time at which the bucket will be full. Only a key whose bucket is full is
// ever forgotten, when its place is needed, which changes no decision. When the store
// holds as many keys as it may (up to a sixteenth of which may be full buckets), all
// further ones share one bucket for each [Limit], until there is room; a Take of 0 tokens
// reports it as full. So a flood of new keys neither takes memory
// nor makes the store forget a key that is over its limit. Time is that of the
// process's monotonic clock.
type MemoryStore struct {
	started time.Time
	seed    maphash.Seed
	shards  [shards]shard
	keys    atomic.Int64
	again   atomic.Int64 // when to look again for keys to forget

	mu       sync.Mutex
	overflow map[Limit]*slot // shared by keys that found no room; at most maxOverflow

	held [heldShards]held
}

const (
	shardBits   = 8
	shards      = 1 << shardBits
	heldShards  = 64
	maxOverflow = 64
	// pause is for how long a full store does not look for keys to forget.
	pause = int64(100*time.Millisecond) * gcra.Nanosecond
)

var _ SlotStore = (*MemoryStore)(nil)

// NewMemoryStore returns a store for up to about maxKeys keys, or [DefaultMaxKeys] if
// that is 0 or less.
func NewMemoryStore(maxKeys int) *MemoryStore {
	if maxKeys <= 0 {
		maxKeys = DefaultMaxKeys
	}
	m := &MemoryStore{
		started:  time.Now(),
		seed:     maphash.MakeSeed(),
		overflow: make(map[Limit]*slot),
	}
	for i := range m.shards {
		m.shards[i].keys, m.shards[i].max = &m.keys, int64(maxKeys)
	}
	return m
}

// now returns the time in ticks. It begins at 1, since 0 stands for an absent slot.
func (m *MemoryStore) now() int64 { return 1 + int64(time.Since(m.started))*gcra.Nanosecond }

// hash never returns 0, which stands for no key.
func (m *MemoryStore) hash(key string) uint64 { return max(1, maphash.String(m.seed, key)) }

// Take implements [Store]. It does not look at ctx, and takes no lock if the key is known.
func (m *MemoryStore) Take(_ context.Context, key string, l Limit, n int64) (v Verdict, err error) {
	v, _, err = m.take(key, l, n)
	return v, err
}

// take is Take. It also reports whether the key has a bucket of its own.
func (m *MemoryStore) take(key string, l Limit, n int64) (v Verdict, own bool, err error) {
	wait, allowed, own, err := m.decide(key, l, n)
	if err != nil {
		return Verdict{}, false, err
	}
	v.Allowed = allowed
	v.Limit = l.burst
	v.Remaining = l.rate.Remaining(wait)
	v.ResetAfter = gcra.Duration(wait)
	if !allowed {
		v.RetryAfter = l.rate.Until(wait, n)
	}
	return v, own, nil
}

// decide is take without the Verdict: wait is how many ticks the bucket needs to be full.
// The clock, which is half the cost of a hit, is read after the slot has been found: the
// other way round costs a twentieth more (BenchmarkMemory).
func (m *MemoryStore) decide(key string, l Limit, n int64) (wait int64, allowed, own bool, err error) {
	if l.rate.Interval == 0 {
		return 0, false, false, l.Check()
	}
	if n < 0 {
		return 0, false, false, fmt.Errorf("%w: %d", ErrCost, n)
	}
	h := m.hash(key)
	s := &m.shards[h>>(64-shardBits)]
	e := s.find(h)
	now := m.now()
	if e != nil {
		if wait, allowed, ok := m.charge(e, h, now, l.rate, n); ok {
			return wait, allowed, true, nil
		}
	} else if n == 0 {
		return 0, true, true, nil
	}
	if n == 0 || n > l.burst {
		// Nothing needs to be kept for a key that is not there.
		return m.look(s, h, l.rate), n == 0, true, nil
	}
	wait, allowed, own = m.enter(s, h, now, l.rate, n)
	if !own {
		wait, allowed, _ = m.charge(m.overflowing(l), 0, now, l.rate, n) // it stays where it is
	}
	return wait, allowed, own, nil
}

// enter is insert, but makes room if it can.
func (m *MemoryStore) enter(s *shard, h uint64, now int64, r gcra.Rate, n int64) (wait int64, allowed, ok bool) {
	wait, allowed, ok = m.insert(s, h, now, r, n)
	if !ok && m.forget(now) {
		wait, allowed, ok = m.insert(s, h, now, r, n)
	}
	return wait, allowed, ok
}

// note takes a token out of key's own bucket, if there is room for one. It never creates a
// shared bucket, so l need not be one of a few limits.
func (m *MemoryStore) note(key string, l Limit) {
	h := m.hash(key)
	m.enter(&m.shards[h>>(64-shardBits)], h, m.now(), l.rate, 1)
}

// find returns the slot of the key with this hash, or nil.
func (m *MemoryStore) find(h uint64) *slot { return m.shards[h>>(64-shardBits)].find(h) }

// settle puts back n tokens that take has taken out of key's own bucket, but lets it
// be full no sooner than at full, in ticks.
func (m *MemoryStore) settle(key string, l Limit, n, full int64) {
	h := m.hash(key)
	s := &m.shards[h>>(64-shardBits)]
	s.mu.Lock() // keeps the slot where it is
	defer s.mu.Unlock()
	e := s.find(h)
	for e != nil {
		old := e.full.Load()
		if e.full.CompareAndSwap(old, max(0, old-n*l.rate.Interval, full)) {
			return
		}
	}
}

// look returns how many ticks the bucket of h needs to be full.
func (m *MemoryStore) look(s *shard, h uint64, r gcra.Rate) (wait int64) {
	s.mu.Lock() // keeps the slots where they are
	defer s.mu.Unlock()
	if e := s.find(h); e != nil {
		wait, _, _ = m.charge(e, h, m.now(), r, 0)
	}
	return wait
}

// overflowing returns the bucket that keys without room share under l.
func (m *MemoryStore) overflowing(l Limit) *slot {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.overflow[l]
	if e == nil {
		if len(m.overflow) >= maxOverflow {
			l = Limit{} // limits come from the configuration: so many are a mistake there
			if e = m.overflow[l]; e != nil {
				return e
			}
		}
		e = new(slot)
		m.overflow[l] = e
	}
	return e
}

// forget makes room, if it can. A full store does not try at every new key: an
// attacker can make thousands of them come each second.
func (m *MemoryStore) forget(now int64) bool {
	again := m.again.Load()
	if now < again || !m.again.CompareAndSwap(again, now+pause) {
		return false
	}
	for i := range m.shards {
		m.shards[i].forget(now)
	}
	return true
}

// Len returns how many keys are held, those whose bucket is full again included.
func (m *MemoryStore) Len() int { return int(m.keys.Load()) }

// held counts the slots that are held, by hash of the key.
type held struct {
	mu    sync.Mutex
	count map[uint64]int64
}

// Acquire implements [SlotStore]. It does not look at ctx. It remembers as many
// keys as have slots that are held.
func (m *MemoryStore) Acquire(_ context.Context, key string, max int64) (release func(), v Verdict, err error) {
	if max < 1 {
		return nil, Verdict{}, fmt.Errorf("%w: %d slots", ErrLimit, max)
	}
	hash := m.hash(key)
	h := &m.held[hash%heldShards]
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count[hash] >= max {
		return nil, Verdict{Limit: max}, nil
	}
	if h.count == nil {
		h.count = make(map[uint64]int64)
	}
	h.count[hash]++
	release = sync.OnceFunc(func() { h.release(hash) })
	return release, Verdict{Allowed: true, Limit: max, Remaining: max - h.count[hash]}, nil
}

func (h *held) release(hash uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count[hash]--; h.count[hash] == 0 {
		delete(h.count, hash)
	}
}
