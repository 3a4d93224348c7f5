// Package sidecar attaches values to objects that have no place for them, such as the
// host's *socket.Socket, without keeping the objects alive.
//
// A [Map] is keyed weakly: when a key becomes unreachable its values go too, so a refused
// socket leaves nothing behind even while its connection stays open. A value must not
// refer to its key, or neither is ever collected.
package sidecar

import (
	"sync"
	"sync/atomic"
	"unsafe"
	"weak"
)

// Map holds at most one *V for each *K. The zero value is ready for use, must not be
// copied after first use, and is safe for concurrent use. Load takes no lock. A value
// outlives its Map if its key does.
//
// All Maps of the process share one table, in which a key has one entry with the values
// of all of them. The cost is in the weak pointer and the cleanup, 2 µs including their
// part of the garbage collection, and most sockets have a value in six Maps.
type Map[K, V any] struct {
	id atomic.Uint32 // stored in the entries; 0 before the first value
}

var ids atomic.Uint32

// Load returns the value of k, or nil.
func (m *Map[K, V]) Load(k *K) *V { return (*V)(unsafe.Pointer(load(erase(k), m.id.Load()))) }

// LoadOrStore returns the value of k, after storing v if there was none. It reports
// whether v was stored. k must not be nil.
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

// Store sets the value of k. k must not be nil.
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

// identify returns the id of m, assigned on the first call. It is not the address of m,
// which could be reused for another Map.
func (m *Map[K, V]) identify() uint32 {
	if id := m.id.Load(); id != 0 {
		return id
	}
	m.id.CompareAndSwap(0, ids.Add(1))
	return m.id.Load()
}

// erased is a key or value whose type follows from where it was found: a key's from its
// address, a value's from the Map that has its id.
type erased = *byte

func erase[T any](p *T) erased { return erased(unsafe.Pointer(p)) }

// entry holds the values of one key in all Maps.
type entry struct {
	addr uintptr // of the key; 0: see shard.grave
	key  weak.Pointer[byte]
	mu   sync.Mutex // held to add values
	items
}

// items are values of one key. There is room for those of a socket in a server with one
// of each package.
type items struct {
	ids    [6]atomic.Uint32 // of the Maps; 0 where there is no value
	values [6]atomic.Pointer[byte]
	next   atomic.Pointer[items]
}

// find returns the value of the Map with this id, or nil.
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

// add adds a value for a Map that has none yet. e.mu is held.
func (e *entry) add(id uint32, v erased) {
	for s := &e.items; ; s = s.next.Load() {
		for i := range s.ids {
			if s.ids[i].Load() == 0 {
				s.values[i].Store(v)
				s.ids[i].Store(id) // visible from here on
				return
			}
		}
		if s.next.Load() == nil {
			s.next.Store(new(items))
		}
	}
}
