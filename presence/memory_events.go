package presence

import (
	"slices"
	"sync"
	"sync/atomic"
)

// memQueue has events reported by whoever adds them, or by another caller who is already
// reporting: so events are reported one after the other, nobody waits, and there is no
// goroutine.
type memQueue struct {
	watchers atomic.Pointer[[]*memWatcher] // nil or not empty; changed under mu

	mu      sync.Mutex
	queue   []Event
	head    int // the first that has not been reported
	telling bool
	closed  bool
}

type memWatcher struct {
	f       func(Event)
	stopped atomic.Bool
}

// watched reports whether there is anybody to report an event to.
func (q *memQueue) watched() bool { return q.watchers.Load() != nil }

// add queues an event, which is reported when deliver is called.
func (q *memQueue) add(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.watched() {
		q.queue = append(q.queue, e)
	}
}

// deliver reports what is queued, unless another call is doing so. Nothing is locked
// during calls of watchers.
func (q *memQueue) deliver() {
	if !q.watched() {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.telling {
		return
	}
	q.telling = true
	defer func() { q.telling = false }() // also if f panics: the next call goes on
	for q.head < len(q.queue) {
		e := q.queue[q.head]
		q.queue[q.head] = Event{}
		q.head++
		q.tell(e)
		if q.head >= 1024 && q.head >= len(q.queue)/2 { // others may add forever
			q.queue, q.head = append([]Event(nil), q.queue[q.head:]...), 0
		}
	}
	q.head, q.queue = 0, q.queue[:0]
	if q.closed {
		q.watchers.Store(nil)
	}
}

// tell reports e without holding the lock.
func (q *memQueue) tell(e Event) {
	q.mu.Unlock()
	defer q.mu.Lock()
	if all := q.watchers.Load(); all != nil {
		for _, w := range *all {
			if !w.stopped.Load() {
				w.f(e)
			}
		}
	}
}

func (q *memQueue) watch(f func(Event)) (stop func()) {
	w := &memWatcher{f: f}
	q.change(func(all []*memWatcher) []*memWatcher {
		if q.closed {
			return all
		}
		return append(all, w)
	})
	return func() {
		if w.stopped.CompareAndSwap(false, true) {
			q.change(func(all []*memWatcher) []*memWatcher {
				return slices.DeleteFunc(all, func(other *memWatcher) bool { return other == w })
			})
		}
	}
}

// change replaces the watchers with what f makes of a copy of them.
func (q *memQueue) change(f func([]*memWatcher) []*memWatcher) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []*memWatcher
	if old := q.watchers.Load(); old != nil {
		all = slices.Clone(*old)
	}
	q.set(f(all))
}

func (q *memQueue) set(all []*memWatcher) {
	if len(all) > 0 {
		q.watchers.Store(&all)
		return
	}
	q.watchers.Store(nil)
	if !q.telling {
		q.queue, q.head = nil, 0
	}
}

// close ends the reporting, once what is queued has been reported.
func (q *memQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if !q.telling {
		q.set(nil)
	}
}
