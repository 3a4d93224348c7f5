package presence

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// maxQueue is how many changes wait for one function given to Watch.
const maxQueue = 1 << 16

// Watch calls f with each [Change] from now on, on all nodes, until stop is called: of
// users everywhere and in rooms. Calls of one f come one after the other, on a goroutine of
// its own, so one that blocks delays nobody else; if f panics, that is logged, and f is
// called with the next change. If it falls some 65,536 changes behind, these are dropped,
// and it gets one of the Kind [Missed] in their place: it should then ask [Tracker.Status]
// or [Tracker.Members] again. Nothing else makes it miss a change in the end: where the
// Store has lost some, what has changed meanwhile is reported when it answers again, with
// the cause [CauseUnknown] for those who are not there any more. Those who are reported
// again to a Store that had lost everything have not come: that is an [Updated], with their
// current state.
//
// As long as there is a Watch, the Tracker remembers who is where, on all nodes: about 150
// bytes for each member of each room. f may call all methods of t except Close; a call that
// is under way when stop is called ends after stop has returned. After Close, Watch does
// nothing.
func (t *Tracker) Watch(f func(Change)) (stop func()) { return t.audience.join(f) }

// audience holds the functions given to Watch.
type audience struct {
	store  Store
	logger *slog.Logger

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	watchers []*watcher
	view     *view // nil without watchers
}

// watcher is a function given to Watch.
type watcher struct {
	f       func(Change)
	queue   []Change
	running bool
	missed  bool // the queue was dropped
	stopped bool
}

func (a *audience) init(s Store, logger *slog.Logger) {
	a.store, a.logger = s, logger
	a.ctx, a.cancel = context.WithCancel(context.Background())
}

func (a *audience) join(f func(Change)) (stop func()) {
	w := &watcher{f: f}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return func() {}
	}
	a.watchers = append(a.watchers, w)
	if a.view == nil {
		a.view = newView()
		a.look(0)
	}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		w.stopped, w.queue = true, nil
		a.watchers = without(a.watchers, w)
		if len(a.watchers) == 0 {
			a.view = nil
		}
	}
}

// heard reports a change, unless it is known already.
func (a *audience) heard(c Change) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.view != nil && a.view.apply(&c) {
		a.tell(c)
	}
}

// known returns what the view has on a user.
func (a *audience) known(room, user string) (version uint64, member bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.view == nil {
		return 0, false
	}
	e, ok := a.view.members[viewKey{room, user}]
	return e.version, ok
}

// tell adds c to all queues. a.mu is held.
func (a *audience) tell(c Change) {
	for _, w := range a.watchers {
		if len(w.queue) >= maxQueue {
			w.queue, w.missed = nil, true
		}
		w.queue = append(w.queue, c)
		if !w.running {
			w.running = true
			a.tasks.Go(func() { a.serve(w) })
		}
	}
}

// serve calls w until its queue is empty.
func (a *audience) serve(w *watcher) {
	for {
		a.mu.Lock()
		queue := w.queue
		if w.missed {
			queue, w.missed = append([]Change{{Kind: Missed}}, queue...), false
		}
		w.queue = nil
		if len(queue) == 0 {
			w.running = false
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()
		for _, c := range queue {
			if a.over(w) {
				break
			}
			guard(a.logger, "the function given to Watch", func() { w.f(c) })
		}
	}
}

func (a *audience) over(w *watcher) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.closed || w.stopped
}

// close ends what runs, and waits for it.
func (a *audience) close(ctx context.Context) error {
	a.mu.Lock()
	a.closed = true
	for _, w := range a.watchers {
		w.queue = nil
	}
	a.watchers, a.view = nil, nil
	a.mu.Unlock()
	a.cancel()
	idle := make(chan struct{})
	go func() {
		defer close(idle)
		a.tasks.Wait()
	}()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lost is called when the Store may have lost changes; patience is how long members who
// are still there may be missing.
func (a *audience) lost(patience time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.view != nil {
		a.look(max(patience, time.Millisecond))
	}
}

// look compares the view with the Store. With a patience of 0 nothing is known yet, and
// what is found is not reported. a.mu is held.
func (a *audience) look(patience time.Duration) {
	v := a.view
	if v.looking {
		v.again = max(v.again, patience)
		return
	}
	v.looking = true
	a.tasks.Go(func() {
		for {
			a.scan(v, patience)
			a.mu.Lock()
			v.blank = false
			if patience, v.again = v.again, 0; patience == 0 || a.view != v {
				v.looking = false
				a.mu.Unlock()
				return
			}
			a.mu.Unlock()
		}
	})
}

// scan reads all members, and reports what is new.
func (a *audience) scan(v *view, patience time.Duration) {
	a.mu.Lock()
	v.begin()
	a.mu.Unlock()
	for cursor, first := "", true; first || cursor != ""; first = false {
		records, next, err := a.store.Scan(a.ctx, cursor, pageSize)
		for failed := 0; err != nil; failed++ {
			if !a.pause(v, min(100*time.Millisecond<<min(failed, 10), 5*time.Second)) {
				return
			}
			records, next, err = a.store.Scan(a.ctx, cursor, pageSize)
		}
		cursor = next
		a.mu.Lock()
		for _, r := range records {
			if c, changed := v.observe(r); changed && a.view == v {
				a.tell(c)
			}
		}
		a.mu.Unlock()
	}
	if patience > 0 {
		a.settle(v, patience)
	}
}

// settle reports who has gone: those that scan did not find, and that are still not
// there after patience.
func (a *audience) settle(v *view, patience time.Duration) {
	a.mu.Lock()
	absent := v.absent()
	a.mu.Unlock()
	if len(absent) == 0 || !a.pause(v, patience) {
		return
	}
	for room, users := range absent {
		for some := range slices.Chunk(users, maxGet) {
			records, err := a.store.Get(a.ctx, room, some...)
			for err != nil {
				if !a.pause(v, time.Second) {
					return
				}
				records, err = a.store.Get(a.ctx, room, some...)
			}
			a.mu.Lock()
			for _, r := range records {
				if c, gone := v.confirmAbsent(r); gone && a.view == v {
					a.tell(c)
				}
			}
			a.mu.Unlock()
		}
	}
}

// pause waits for d. It returns false if nobody waits for the result any more.
func (a *audience) pause(v *view, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-a.ctx.Done():
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.view == v
}
