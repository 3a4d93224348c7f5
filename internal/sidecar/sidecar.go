// Package sidecar keeps values beside objects that have no place for them,
// such as the host's *socket.Socket, without keeping the objects alive.
//
// A [Map] is keyed weakly: when a key becomes unreachable its values go too,
// so a refused socket leaves nothing behind even while its connection stays
// open. A value must not refer to its key, or neither is ever collected.
package sidecar

import (
	"sync"
	"sync/atomic"
	"unsafe"
	"weak"
)

// Map holds at most one *V for each *K. The zero value is ready for use, must
// not be copied after first use, and is safe for concurrent use. Load takes no
// lock. What a Map holds beside a key that lives on outlives the Map.
//
// All Maps of the process share one table, in which a key has one entry with the
// values of all of them: what costs is a weak pointer and a cleanup, 2 µs with their
// part of the garbage collection, and most sockets have a value in six Maps.
type Map[K, V any] struct {
	id atomic.Uint32 // in the entries; 0 before the first value
}

var ids atomic.Uint32

// Load returns the value beside k, or nil.
func (m *Map[K, V]) Load(k *K) *V { return (*V)(unsafe.Pointer(load(erase(k), m.id.Load()))) }

// LoadOrStore returns the value beside k, and stores v there if there is none.
// It reports whether v was stored. k must not be nil.
func (m *Map[K, V]) LoadOrStore(k *K, v *V) (*V, bool) {
	e := enter(erase(k))
	e.mu.Lock()
	defer e.mu.Unlock()
	id := m.identify()
	if value := e.find(id); value != nil {
		return (*V)(unsafe.Pointer(value.Load())), false
	}
	e.add(id, erase(v))
	return v, true
}

// Store sets the value beside k. k must not be nil.
func (m *Map[K, V]) Store(k *K, v *V) {
	e := enter(erase(k))
	e.mu.Lock()
	defer e.mu.Unlock()
	id := m.identify()
	if value := e.find(id); value != nil {
		value.Store(erase(v))
		return
	}
	e.add(id, erase(v))
}

// identify returns the id of m, which gets one at the first call. The id is not its
// address, since that could become the one of another.
func (m *Map[K, V]) identify() uint32 {
	if id := m.id.Load(); id != 0 {
		return id
	}
	m.id.CompareAndSwap(0, ids.Add(1))
	return m.id.Load()
}

// erased is a key or a value whose type is known by where it was found: a key by its
// address, a value by the Map that has its id.
type erased = *byte

func erase[T any](p *T) erased { return erased(unsafe.Pointer(p)) }

// entry is what all Maps hold beside one key.
type entry struct {
	addr uintptr // of the key; 0: see shard.grave
	key  weak.Pointer[byte]
	mu   sync.Mutex // of those who add
	items
}

// items are values of one key. There is room for those of a socket in a server with one
// of each package.
type items struct {
	ids    [6]atomic.Uint32 // of the Maps; 0 where there is no value
	values [6]atomic.Pointer[byte]
	next   atomic.Pointer[items]
}

// find returns the value of a Map that has an id, or nil.
func (e *entry) find(id uint32) *atomic.Pointer[byte] {
	for s := &e.items; s != nil; s = s.next.Load() {
		for i := range s.ids {
			if s.ids[i].Load() == id {
				return &s.values[i]
			}
		}
	}
	return nil
}

// add adds the value of a Map that has none. e.mu is held.
func (e *entry) add(id uint32, v erased) {
	for s := &e.items; ; s = s.next.Load() {
		for i := range s.ids {
			if s.ids[i].Load() == 0 {
				s.values[i].Store(v)
				s.ids[i].Store(id) // from now on it is found
				return
			}
		}
		if s.next.Load() == nil {
			s.next.Store(new(items))
		}
	}
}
