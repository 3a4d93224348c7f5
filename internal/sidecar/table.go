package sidecar

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
	"weak"
)

const (
	shardBits = 6
	minSlots  = 8 // a power of two
)

// shards hold the entries of all keys.
//
// Entries are found by the address of the key and then verified with a weak pointer to
// it: an address alone could be that of a new object whose predecessor has been freed but
// not yet cleaned up, which would hand one client's identity to another. (Calling
// weak.Make for each look-up would make the check unnecessary, but takes a lock of the
// runtime and twice the time.)
var shards [1 << shardBits]shard

// shard is an open-addressed hash table. Readers follow table; writers hold mu.
type shard struct {
	table atomic.Pointer[[]atomic.Pointer[entry]] // its length is a power of two
	mu    sync.Mutex
	live  int   // entries
	used  int   // non-nil slots: entries and graves
	grave entry // a deleted slot, with addr 0; keeps the entries behind it reachable
}

// hash spreads addresses, whose low bits are determined by alignment, using Fibonacci
// hashing.
func hash(addr uintptr) uint64 { return uint64(addr) * 0x9E3779B97F4A7C15 }

func shardOf(addr uintptr) *shard { return &shards[hash(addr)>>(64-shardBits)] }

// load returns the value of k in the Map with this id, or nil.
func load(k erased, id uint32) erased {
	addr := uintptr(unsafe.Pointer(k))
	t := shardOf(addr).table.Load()
	if t == nil || id == 0 { // 0 would match a slot to which another Map is adding its value
		return nil
	}
	slots := *t
	for i := hash(addr) >> 20; ; i++ {
		e := slots[i&uint64(len(slots)-1)].Load()
		if e == nil {
			return nil
		}
		if e.addr != addr {
			continue
		}
		if e.key.Value() != k {
			return nil // of a key that is gone; a new one takes its slot
		}
		if value := e.find(id); value != nil {
			return value.Load()
		}
		return nil
	}
}

// enter returns the entry of k, creating it if there is none.
func enter(k erased) *entry {
	addr := uintptr(unsafe.Pointer(k))
	s := shardOf(addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := s.find(addr)
	old := slot.Load()
	if old != nil && old.key.Value() == k {
		return old
	}
	e := &entry{addr: addr, key: weak.Make(k)}
	slot.Store(e)
	if old == nil {
		s.live++
		s.used++
	}
	runtime.AddCleanup(k, drop, e)
	return e
}

// drop removes the entry of a key that has been collected, unless the address already has
// a new owner.
func drop(e *entry) {
	s := shardOf(e.addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	if slot := s.find(e.addr); slot.Load() == e {
		slot.Store(&s.grave)
		s.live--
	}
}

// find returns the slot of addr, or the nil slot where it belongs. s.mu is held.
func (s *shard) find(addr uintptr) *atomic.Pointer[entry] {
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

// rehash makes a table with room for twice the entries, without graves.
func (s *shard) rehash() *[]atomic.Pointer[entry] {
	n := minSlots
	for n < 2*(s.live+1) {
		n *= 2
	}
	slots := make([]atomic.Pointer[entry], n)
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
