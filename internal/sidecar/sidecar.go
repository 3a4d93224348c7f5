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
	"unsafe"
	"weak"
)

// shards spreads the locks; a power of two.
const shards = 64

// Map holds at most one *V for each *K. The zero value is ready for use, must
// not be copied after first use, and is safe for concurrent use.
//
// Entries are found by the address of the key and then checked by a weak
// pointer to it: an address alone could name a new object whose predecessor has
// been freed but not yet cleaned up, which would hand one client's identity to
// another. (weak.Make on each look-up would need no check, but takes a lock of
// the runtime and twice the time.)
type Map[K, V any] struct {
	shard [shards]shard[K, V]
}

type shard[K, V any] struct {
	mu sync.RWMutex
	m  map[uintptr]entry[K, V]
}

type entry[K, V any] struct {
	key   weak.Pointer[K]
	value *V
}

func (m *Map[K, V]) at(k *K) (*shard[K, V], uintptr) {
	addr := uintptr(unsafe.Pointer(k))
	// Fibonacci hashing: the low bits of an address are its alignment.
	return &m.shard[(uint64(addr)*0x9E3779B97F4A7C15)>>(64-6)], addr
}

// Load returns the value beside k, or nil.
func (m *Map[K, V]) Load(k *K) *V {
	s, addr := m.at(k)
	s.mu.RLock()
	e, ok := s.m[addr]
	s.mu.RUnlock()
	if ok && e.key.Value() == k {
		return e.value
	}
	return nil
}

// LoadOrStore returns the value beside k, and stores v there if there is none.
// It reports whether v was stored. k must not be nil.
func (m *Map[K, V]) LoadOrStore(k *K, v *V) (*V, bool) {
	s, addr := m.at(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.m[addr]; ok && e.key.Value() == k {
		return e.value, false
	}
	if s.m == nil {
		s.m = make(map[uintptr]entry[K, V])
	}
	key := weak.Make(k)
	s.m[addr] = entry[K, V]{key, v}
	runtime.AddCleanup(k, s.drop, dead[K]{addr, key})
	return v, true
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
	if s.m[d.addr].key == d.key {
		delete(s.m, d.addr)
	}
}

// Store sets the value beside k.
func (m *Map[K, V]) Store(k *K, v *V) {
	if _, stored := m.LoadOrStore(k, v); stored {
		return
	}
	s, addr := m.at(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.m[addr]
	e.value = v
	s.m[addr] = e
}

// Len counts the entries, including those whose keys are gone but not yet
// cleaned up.
func (m *Map[K, V]) Len() int {
	n := 0
	for i := range m.shard {
		s := &m.shard[i]
		s.mu.RLock()
		n += len(s.m)
		s.mu.RUnlock()
	}
	return n
}
