// Package sidecar keeps values beside objects that have no place for them,
// such as the host's *socket.Socket, without keeping the objects alive.
//
// A [Map] is keyed weakly: when a key becomes unreachable its value goes too,
// so a refused socket leaves nothing behind even while its connection stays
// open. The value must not refer to its key, or neither is ever collected.
package sidecar

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
	"weak"
)

// Map holds at most one *V for each *K. The zero value is ready for use, must
// not be copied after first use, and is safe for concurrent use. Load takes no
// lock.
//
// Entries are found by the address of the key and then checked by a weak
// pointer to it: an address alone could name a new object whose predecessor has
// been freed but not yet cleaned up, which would hand one client's identity to
// another. (weak.Make on each look-up would need no check, but takes a lock of
// the runtime and twice the time.)
type Map[K, V any] struct {
	shards [1 << shardBits]shard[K, V]
}

const (
	shardBits = 6
	minSlots  = 8 // a power of two
)

// shard is an open-addressed hash table. Readers follow table; writers hold mu.
type shard[K, V any] struct {
	table atomic.Pointer[[]atomic.Pointer[entry[K, V]]] // its length is a power of two
	mu    sync.Mutex
	live  int // entries
	used  int // slots that are not nil: entries and graves
	grave entry[K, V]
}

// entry is immutable but for its value. One with addr 0, as that of its shard, is a grave:
// it keeps the entries behind it within reach.
type entry[K, V any] struct {
	addr  uintptr
	key   weak.Pointer[K]
	value atomic.Pointer[V]
}

// hash spreads addresses, whose low bits are their alignment, by Fibonacci
// hashing.
func hash(addr uintptr) uint64 { return uint64(addr) * 0x9E3779B97F4A7C15 }

// at returns the shard of k and the address of k.
func (m *Map[K, V]) at(k *K) (*shard[K, V], uintptr) {
	addr := uintptr(unsafe.Pointer(k))
	return &m.shards[hash(addr)>>(64-shardBits)], addr
}

// Load returns the value beside k, or nil.
func (m *Map[K, V]) Load(k *K) *V {
	s, addr := m.at(k)
	t := s.table.Load()
	if t == nil {
		return nil
	}
	slots := *t
	for i := hash(addr) >> 20; ; i++ {
		e := slots[i&uint64(len(slots)-1)].Load()
		if e == nil {
			return nil
		}
		if e.addr == addr {
			if e.key.Value() == k {
				return e.value.Load()
			}
			return nil // of a key that is gone; a new one takes its slot
		}
	}
}

// LoadOrStore returns the value beside k, and stores v there if there is none.
// It reports whether v was stored. k must not be nil.
func (m *Map[K, V]) LoadOrStore(k *K, v *V) (*V, bool) {
	e, stored := m.put(k, v)
	return e.value.Load(), stored
}

// Store sets the value beside k. k must not be nil.
func (m *Map[K, V]) Store(k *K, v *V) {
	if e, stored := m.put(k, v); !stored {
		e.value.Store(v)
	}
}

// Len counts the entries, including those whose keys are gone but not yet
// cleaned up.
func (m *Map[K, V]) Len() int {
	n := 0
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		n += s.live
		s.mu.Unlock()
	}
	return n
}

// put returns the entry of k, made with v if there is none.
func (m *Map[K, V]) put(k *K, v *V) (e *entry[K, V], stored bool) {
	s, addr := m.at(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := s.find(addr)
	old := slot.Load()
	if old != nil && old.key.Value() == k {
		return old, false
	}
	e = &entry[K, V]{addr: addr, key: weak.Make(k)}
	e.value.Store(v)
	slot.Store(e)
	if old == nil {
		s.live++
		s.used++
	}
	runtime.AddCleanup(k, s.drop, dead[K]{addr, e.key})
	return e, true
}

// dead names an entry whose key has been collected.
type dead[K any] struct {
	addr uintptr
	key  weak.Pointer[K]
}

// drop removes d's entry, unless the address has a new owner already.
func (s *shard[K, V]) drop(d dead[K]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := s.find(d.addr)
	if e := slot.Load(); e != nil && e.key == d.key {
		slot.Store(&s.grave)
		s.live--
	}
}

// find returns the slot of addr, or a nil one where it belongs. s.mu is held.
func (s *shard[K, V]) find(addr uintptr) *atomic.Pointer[entry[K, V]] {
	t := s.table.Load()
	if t == nil || (s.used+1)*4 > len(*t)*3 {
		t = s.rehash()
	}
	slots := *t
	for i := hash(addr) >> 20; ; i++ {
		slot := &slots[i&uint64(len(slots)-1)]
		if e := slot.Load(); e == nil || e.addr == addr {
			return slot
		}
	}
}

// rehash makes a table with room for as many entries again, without graves.
func (s *shard[K, V]) rehash() *[]atomic.Pointer[entry[K, V]] {
	n := minSlots
	for n < 2*(s.live+1) {
		n *= 2
	}
	slots := make([]atomic.Pointer[entry[K, V]], n)
	s.used = s.live
	if t := s.table.Load(); t != nil {
		for i := range *t {
			e := (*t)[i].Load()
			if e == nil || e.addr == 0 {
				continue
			}
			for j := hash(e.addr) >> 20; ; j++ {
				if slot := &slots[j&uint64(n-1)]; slot.Load() == nil {
					slot.Store(e)
					break
				}
			}
		}
	}
	s.table.Store(&slots)
	return &slots
}
