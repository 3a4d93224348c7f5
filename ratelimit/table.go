package ratelimit

import (
	"sync"
	"sync/atomic"

	"github.com/sioware/sioware/ratelimit/internal/gcra"
)

const (
	minSlots = 8 // a power of two
	// moved is the time in a slot that is being reused or has gone to another table.
	moved = -1
)

// shard is an open-addressed hash table. Finding a key takes no lock; keys are
// added and removed under mu.
type shard struct {
	table atomic.Pointer[[]slot] // its length is a power of two
	mu    sync.Mutex
	used  int           // slots that are not empty
	keys  *atomic.Int64 // shared by all shards of the store
	max   int64         // how many keys there may be
	_     [24]byte      // a cache line of its own
}

// slot is a key's hash and the time at which its bucket is full. A slot whose hash
// is not 0 is never free again, but may pass to another key once the time has
// passed. Of the two fields, full changes last: see claim.
type slot struct {
	hash atomic.Uint64
	full atomic.Int64
}

// find returns the slot of h, or nil.
func (s *shard) find(h uint64) *slot {
	t := s.table.Load()
	if t == nil {
		return nil
	}
	slots := *t
	for i := h; ; i++ {
		e := &slots[i&uint64(len(slots)-1)]
		switch e.hash.Load() {
		case h:
			return e
		case 0:
			return nil
		}
	}
}

// charge takes n tokens out of the bucket of h, if they are there, and returns how
// many ticks it then needs to be full. ok is false if the slot is no longer that of h.
func (m *MemoryStore) charge(e *slot, h uint64, now int64, r gcra.Rate, n int64) (wait int64, allowed, ok bool) {
	for {
		full := e.full.Load()
		if full == moved || e.hash.Load() != h {
			return 0, false, false
		}
		if full-now > r.Full() {
			now = m.now() // others may have charged it with a later clock
		}
		wait := r.Clamp(full - now)
		if allowed = wait <= r.Room(n); allowed {
			wait += n * r.Interval
		}
		// A time that was clamped is clamped for good, or whoever asks again and again
		// would wait forever. If nothing changes, a time that has passed stays as it is.
		if now+wait == full || wait == 0 {
			if e.full.Load() == full { // and still of h
				return wait, allowed, true
			}
		} else if e.full.CompareAndSwap(full, now+wait) {
			return wait, allowed, true
		}
	}
}

// insert charges h as charge does, and adds a slot for it if there is none. ok is
// false if there is no room.
func (m *MemoryStore) insert(s *shard, h uint64, now int64, r gcra.Rate, n int64) (wait int64, allowed, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.table.Load() == nil {
		t := make([]slot, minSlots)
		s.table.Store(&t)
	}
	wait = n * r.Interval
	for {
		e, free := s.place(h, now)
		if e != nil && !free { // it was added meanwhile
			return m.charge(e, h, now, r, n)
		}
		if e != nil && e.claim(now) {
			e.hash.Store(h)
			e.full.Store(now + wait)
			return wait, true, true
		}
		if e != nil {
			continue // its key was used again
		}
		if t := *s.table.Load(); s.used >= len(t)-len(t)/4 {
			s.rebuild(now)
			continue
		}
		if s.keys.Add(1) > s.max {
			s.keys.Add(-1)
			return 0, false, false
		}
		s.append(*s.table.Load(), h, now+wait)
		return wait, true, true
	}
}

// place returns the slot of h, or one on the way to it that can be reused, or nil.
func (s *shard) place(h uint64, now int64) (e *slot, free bool) {
	slots := *s.table.Load()
	for i := h; ; i++ {
		c := &slots[i&uint64(len(slots)-1)]
		switch c.hash.Load() {
		case h:
			return c, false
		case 0:
			return e, e != nil
		}
		if e == nil && c.full.Load() <= now {
			e = c
		}
	}
}

// claim takes a slot from its key, whose bucket is full, so that forgetting it makes
// no difference. Somebody who has found the slot meanwhile either comes first, and
// then it is not full any more, or sees moved, or sees that it belongs to another
// key, since the hash is stored before the time and read after it.
func (e *slot) claim(now int64) bool {
	full := e.full.Load()
	return full <= now && e.full.CompareAndSwap(full, moved)
}

// append puts h into the first slot that was never used. There is one, as at least
// a quarter of them are unused.
func (s *shard) append(slots []slot, h uint64, full int64) {
	for i := h; ; i++ {
		if e := &slots[i&uint64(len(slots)-1)]; e.hash.Load() == 0 {
			e.full.Store(full)
			e.hash.Store(h)
			s.used++
			return
		}
	}
}

// forget drops the keys whose buckets are full, if that is worth it.
func (s *shard) forget(now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.table.Load()
	if t == nil {
		return
	}
	used, gone := 0, 0
	for i := range *t {
		if e := &(*t)[i]; e.hash.Load() != 0 {
			used++
			if e.full.Load() <= now {
				gone++
			}
		}
	}
	if gone > used/16 {
		s.rebuild(now)
	}
}

// rebuild moves the entries still in use to a new table, of which they fill at most half.
func (s *shard) rebuild(now int64) {
	type entry struct {
		hash uint64
		full int64
	}
	old := *s.table.Load()
	kept := make([]entry, 0, s.used)
	for i := range old {
		e := &old[i]
		if h, full := e.hash.Load(), e.full.Swap(moved); h != 0 && full > now {
			kept = append(kept, entry{h, full})
		}
	}
	size := minSlots
	for size < 2*(len(kept)+1) {
		size *= 2
	}
	slots := make([]slot, size)
	s.keys.Add(int64(len(kept) - s.used))
	s.used = 0
	for _, k := range kept {
		s.append(slots, k.hash, k.full)
	}
	s.table.Store(&slots) // only when complete: a bucket that is not found counts as full
}
