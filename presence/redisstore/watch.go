package redisstore

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sioware/sioware/internal/panics"
	"github.com/sioware/sioware/presence"
)

// maxQueue is how many events wait for the watchers before the subscription waits.
const maxQueue = 16_384

// watcher is a function given to Watch.
type watcher struct {
	f       func(presence.Event)
	stopped atomic.Bool
}

// eventQueue holds the events for the watchers, which are called on a goroutine of its own: a
// slow one must not keep a lease from being renewed.
type eventQueue struct {
	wake  chan struct{}             // capacity 1: there are events
	space chan struct{}             // capacity 1: there is room for events
	last  [partitions]atomic.Uint64 // version of the last message; 0 if not known. The Feed sets it.

	mu       sync.Mutex
	watchers []*watcher // copied on write
	queue    []presence.Event
}

func (q *eventQueue) start() {
	q.wake, q.space = make(chan struct{}, 1), make(chan struct{}, 1)
}

// add queues an event, and reports whether there is room for more.
func (q *eventQueue) add(e presence.Event) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.watchers) == 0 {
		return true
	}
	q.queue = append(q.queue, e)
	signal(q.wake)
	return len(q.queue) < maxQueue
}

// take returns the queued events, and whom to report them to.
func (q *eventQueue) take() ([]presence.Event, []*watcher) {
	q.mu.Lock()
	defer q.mu.Unlock()
	queue := q.queue
	q.queue = nil
	signal(q.space)
	return queue, q.watchers
}

// Watch implements [presence.Store]. It waits for the subscription, but no longer than
// [Options].Timeout. If there is none by then, f is told that events may have been lost as
// soon as there is one, as it is whenever the subscription was lost. f is called on a
// goroutine of the Store; a call that is under way when stop is called ends after stop has
// returned. A panic of f is logged. After Close, Watch does nothing.
func (s *Store) Watch(f func(presence.Event)) (stop func()) {
	w := &watcher{f: f}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return func() {}
	}
	s.start()
	feed := s.back.feed
	s.mu.Unlock()
	q := &s.events
	q.mu.Lock()
	q.watchers = append(slices.Clone(q.watchers), w)
	q.mu.Unlock()

	feed.Wait(s.timeout)
	return func() {
		w.stopped.Store(true)
		q.mu.Lock()
		defer q.mu.Unlock()
		if i := slices.Index(q.watchers, w); i >= 0 {
			q.watchers = slices.Delete(slices.Clone(q.watchers), i, i+1)
		}
	}
}

// deliver reports events until ctx ends.
func (s *Store) deliver(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.events.wake:
		}
		queue, watchers := s.events.take()
		for _, e := range queue {
			for _, w := range watchers {
				if ctx.Err() == nil && !w.stopped.Load() {
					s.call(w, e)
				}
			}
		}
	}
}

// call calls w. A panic must end neither the process nor the goroutine.
func (s *Store) call(w *watcher, e presence.Event) {
	defer func() {
		if v := recover(); v != nil {
			s.logger.Error("redisstore: the function given to Watch panicked", panics.Attr(v))
		}
	}()
	w.f(e)
}

// subscribed is called after each subscription. What was published before it may be lost:
// the known evictions of devices that have not given up their seats yet are reported again.
// Before the first subscription there may have been other evictions, which Redis reports
// when the seats are taken again. Later subscriptions may be due to a Redis that has taken
// over, and lacks the latest changes: then it also believes in seats that were given up.
func (s *Store) subscribed(first bool) {
	s.events.forget()
	s.mu.Lock()
	for _, d := range s.seats.devices {
		if d.evicted != nil {
			again := *d.evicted
			s.events.add(presence.Event{Eviction: &again})
		}
	}
	s.mu.Unlock()
	if !first {
		s.events.add(presence.Event{Lost: s.lease})
		s.needHeal("the subscription was lost")
		return
	}
	s.doubt(partitions)
}

// doubt has the seats in a partition taken again; partitions stands for all of them.
func (s *Store) doubt(p int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.seats.devices {
		for _, h := range d.seats {
			if p == partitions || p == h.partition {
				s.seats.doubt(h)
			}
		}
	}
	if len(s.seats.dirty) > 0 {
		s.nudge()
	}
}

// onMessage reports what a message holds. One that cannot be read counts as lost: it may
// be of another version of this package.
func (s *Store) onMessage(ctx context.Context, payload string) {
	m, err := decode(payload)
	if err != nil {
		s.logger.ErrorContext(ctx, "redisstore: malformed message on the channel", "channel", s.channel(), "error", err)
		s.enqueue(ctx, presence.Event{Lost: s.lease})
		return
	}
	last := s.events.last[m.partition].Load()
	switch {
	case last != 0 && last != m.before:
		s.events.forget()
		s.enqueue(ctx, presence.Event{Lost: s.lease})
		if m.before < last {
			s.needHeal("Redis has lost a partition, or the latest of it")
		}
	case m.lost: // the versions do not show it: this node knows of no earlier message
		s.doubt(m.partition)
	}
	s.events.last[m.partition].Store(m.version)
	if m.change != nil {
		s.enqueue(ctx, presence.Event{Change: m.change})
	}
	for i := range m.evictions {
		s.mu.Lock()
		s.seats.evict(m.room, m.evictions[i])
		s.mu.Unlock()
		s.enqueue(ctx, presence.Event{Eviction: &m.evictions[i]})
	}
}

// forget is called when messages may have been lost: the watchers are notified once, not
// for each partition.
func (q *eventQueue) forget() {
	for p := range q.last {
		q.last[p].Store(0)
	}
}

// enqueue reports an event that came from others, and then waits while too many are queued.
func (s *Store) enqueue(ctx context.Context, e presence.Event) {
	for more := s.events.add(e); !more; more = s.events.fits() {
		select {
		case <-s.events.space:
		case <-ctx.Done():
			return
		}
	}
}

// fits reports whether there is room for more.
func (q *eventQueue) fits() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.queue) < maxQueue
}
