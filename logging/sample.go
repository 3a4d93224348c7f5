package logging

import (
	"hash/maphash"
	"sync/atomic"
	"time"
)

// buckets is how many counters a sampler has. Clients make up names, so names share them.
const buckets = 512

// maxHashed is how much of a name is hashed.
const maxHashed = 256

// sampler decides which events are recorded. It takes no lock.
type sampler struct {
	first, every uint64
	seed         maphash.Seed // so that no client can tell which names share a counter
	table        [buckets]bucket
}

// bucket counts the events of a second.
type bucket struct {
	state   atomic.Uint64 // the second, and the number of events in it: 32 bits each
	dropped atomic.Int64  // events that were left out since the last record
}

func newSampler(first, every int) *sampler {
	return &sampler{first: uint64(first), every: uint64(every), seed: maphash.MakeSeed()}
}

// take reports whether an event that arrived at the given time after started is to be
// recorded, and how many with its counter were left out since the last one that was.
func (s *sampler) take(name string, at time.Duration) (write bool, dropped int64) {
	const count = 1<<32 - 1
	b := &s.table[maphash.String(s.seed, name[:min(len(name), maxHashed)])%buckets]
	second := (uint64(at/time.Second) + 1) << 32
	var n uint64
	for {
		old := b.state.Load()
		n = 1
		if old&^count == second {
			n = min(old&count+1, count)
		}
		if b.state.CompareAndSwap(old, second|n) {
			break
		}
	}
	if n <= s.first || (n-s.first)%s.every == 0 {
		return true, b.dropped.Swap(0)
	}
	b.dropped.Add(1)
	return false, 0
}
