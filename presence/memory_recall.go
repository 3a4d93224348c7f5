package presence

import "time"

// memMemory is when a user was last seen, or an eviction.
type memMemory struct {
	key        memKey
	at         time.Time
	eviction   *Eviction
	prev, next *memMemory
}

// memRecall remembers things, and forgets the oldest first. The zero value is empty.
type memRecall struct {
	byKey       map[memKey]*memMemory
	first, last *memMemory // the oldest and the newest
}

func (r *memRecall) get(key memKey) *memMemory { return r.byKey[key] }

// put remembers m in place of an older one with its key, and no more than limit in all.
func (r *memRecall) put(limit int, m *memMemory) {
	r.forget(m.key)
	if len(r.byKey) >= limit {
		r.forget(r.first.key)
	}
	if r.byKey == nil {
		r.byKey = make(map[memKey]*memMemory)
	}
	r.byKey[m.key] = m
	m.prev = r.last
	if r.last == nil {
		r.first = m
	} else {
		r.last.next = m
	}
	r.last = m
}

func (r *memRecall) forget(key memKey) {
	m := r.byKey[key]
	if m == nil {
		return
	}
	delete(r.byKey, key)
	if m.prev == nil {
		r.first = m.next
	} else {
		m.prev.next = m.next
	}
	if m.next == nil {
		r.last = m.prev
	} else {
		m.next.prev = m.prev
	}
}

// expire forgets what is older than before, in the order in which it was put.
func (r *memRecall) expire(before time.Time) {
	for r.first != nil && r.first.at.Before(before) {
		r.forget(r.first.key)
	}
}
