package alarm

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sioware/sioware/internal/panics"
)

const (
	// maxWait limits how long a step of the wall clock, or sleep of the machine, goes
	// unnoticed: the timers of the runtime see neither.
	maxWait = time.Minute

	// patience is how long a due alarm waits for a worker before one more is started. A
	// Run that takes longer counts as stuck.
	patience = 100 * time.Millisecond
)

// Alarm calls a function at a time. Embed it in the struct that it belongs to and
// set Run before the first [Clock.Set]; then leave Run alone. An Alarm belongs to
// one [Clock] and must not be copied.
type Alarm struct {
	// Run is called on a goroutine of the Clock, without its lock: it may set and
	// stop alarms, this one included. It may be called again while an earlier call
	// still runs, if the alarm was set anew in between.
	Run func()

	at   int64 // on the scale of its heap
	pos  int32 // in the heap, plus one; 0 if not armed
	wall bool  // the heap it is in
}

// Clock runs alarms. Its methods may be called concurrently, and never wait for a Run,
// except Close. Make one with [New].
type Clock struct {
	workers int
	start   time.Time // the zero of the monotonic scale

	mu sync.Mutex

	// Times without a monotonic reading, such as those made from Unix seconds, follow the
	// wall clock when it is set; others do not. No lasting order exists between the two
	// kinds, so each has its own heap.
	mono, wall heap

	timer   *time.Timer   // nil before the first alarm
	wake    time.Duration // since start: when timer fires; meaningful if waiting
	waiting bool          // timer is set

	running  int           // workers
	progress time.Duration // since start: when a worker last took an alarm
	closed   bool
	idle     chan struct{} // made by Close, closed when running is 0

	now func() time.Time // of the wall clock; replaced by tests
}

// New returns a Clock that runs up to workers functions at a time, or one if workers is
// less than 1. It has no goroutine while nothing is due.
func New(workers int) *Clock {
	return &Clock{workers: max(workers, 1), start: time.Now(), now: time.Now}
}

// Set arms a for the time at, or moves it there if it is armed. An alarm for a past time
// is due at once. After Close, Set does nothing.
//
// When Set moves an alarm whose Run has not started, Run is not called for the old time.
// It cannot hold back a Run that has been started, even if that has not yet executed its
// first line: Run must check under its owner's lock whether what it is about to do is
// still wanted.
func (c *Clock) Set(a *Alarm, at time.Time) {
	if at == at.Round(0) { //nolint:staticcheck // not Equal: Round takes off the monotonic reading, if there is one
		c.arm(a, true, unixNano(at))
	} else {
		c.arm(a, false, int64(at.Sub(c.start)))
	}
}

// arm is Set on one of the two scales.
func (c *Clock) arm(a *Alarm, wall bool, at int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.heapOf(a).remove(a)
	a.wall, a.at = wall, at
	h := c.heapOf(a)
	h.push(a)
	if h.first() == a {
		c.schedule()
	}
}

// Stop disarms a and reports whether it was armed. If it was not, Run may have been
// started, however recently; see [Clock.Set].
func (c *Clock) Stop(a *Alarm) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.heapOf(a).remove(a) {
		return false
	}
	if c.mono.len()+c.wall.len() == 0 && c.waiting {
		c.waiting = false
		c.timer.Stop()
	}
	// Otherwise the timer is left running: letting it fire once for nothing is cheaper
	// than resetting it at each Stop.
	return true
}

// Len returns how many alarms are armed.
func (c *Clock) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mono.len() + c.wall.len()
}

// Close disarms all alarms and waits until no Run is executing, or until ctx ends, in
// which case it returns the error of ctx. A Run must not call it, or it would wait for
// itself. Close may be called again.
func (c *Clock) Close(ctx context.Context) error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		c.idle = make(chan struct{})
		c.mono.clear()
		c.wall.clear()
		if c.timer != nil {
			c.timer.Stop()
		}
		if c.running == 0 {
			close(c.idle)
		}
	}
	c.mu.Unlock()
	select {
	case <-c.idle:
		return nil
	default:
	}
	select {
	case <-c.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// heapOf returns the heap that a is in, if it is armed.
func (c *Clock) heapOf(a *Alarm) *heap {
	if a.wall {
		return &c.wall
	}
	return &c.mono
}

// elapsed is the time on the monotonic scale.
func (c *Clock) elapsed() time.Duration { return time.Since(c.start) }

// next returns the alarm that is due first, and the time until then.
func (c *Clock) next() (*Alarm, time.Duration) {
	var (
		first *Alarm
		wait  time.Duration
	)
	if a := c.mono.first(); a != nil {
		first, wait = a, sub(a.at, int64(c.elapsed()))
	}
	if a := c.wall.first(); a != nil {
		if w := sub(a.at, unixNano(c.now())); first == nil || w < wait {
			first, wait = a, w
		}
	}
	return first, wait
}

// schedule makes sure that the timer fires in time for what is due next.
func (c *Clock) schedule() {
	a, wait := c.next()
	if a == nil {
		return
	}
	now := c.elapsed()
	wake := now + min(max(wait, 0), maxWait)
	if wait <= 0 && c.running >= c.workers {
		wake = c.progress + patience // see fire
	}
	if c.waiting && c.wake <= wake {
		return // the timer will look again by then
	}
	c.wake, c.waiting = wake, true
	if c.timer == nil {
		c.timer = time.AfterFunc(wake-now, c.fire)
	} else {
		c.timer.Reset(wake - now)
	}
}

// fire is called by the timer, on a goroutine that becomes a worker.
func (c *Clock) fire() {
	c.mu.Lock()
	c.waiting = false
	a, wait := c.next()
	if c.closed || a == nil {
		c.mu.Unlock()
		return
	}
	stuck := c.elapsed()-c.progress >= patience
	if wait > 0 || c.running >= c.workers && !stuck {
		c.schedule()
		c.mu.Unlock()
		return
	}
	c.running++
	c.mu.Unlock()
	c.work()
}

// work runs alarms while any is due.
func (c *Clock) work() {
	for {
		a := c.take()
		if a == nil {
			return
		}
		began := c.elapsed()
		call(a.Run)
		// A worker that was started in place of a stuck one must not increase the number
		// of workers for longer than that.
		if c.elapsed()-began >= patience && c.surplus() {
			return
		}
	}
}

// take removes and returns an alarm that is due, and starts another worker if there is
// work for it. If nothing is due, it signs the caller off.
func (c *Clock) take() *Alarm {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, wait := c.next()
	if a == nil || wait > 0 {
		c.leave()
		c.schedule()
		return nil
	}
	c.heapOf(a).remove(a)
	c.progress = c.elapsed()
	if _, wait := c.next(); wait <= 0 && c.mono.len()+c.wall.len() > 0 && c.running < c.workers {
		c.running++
		go c.work()
	} else {
		c.schedule()
	}
	return a
}

// surplus reports whether there are too many workers, and if so signs the caller off.
func (c *Clock) surplus() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running <= c.workers {
		return false
	}
	c.leave()
	return true
}

// leave signs a worker off.
func (c *Clock) leave() {
	c.running--
	if c.running == 0 && c.closed {
		close(c.idle)
	}
}

// call calls run. A mistake of the application for one client must not end the process or
// stop the alarms of others.
func call(run func()) {
	defer func() {
		if v := recover(); v != nil {
			slog.Default().Error("alarm: Run panicked", panics.Attr(v))
		}
	}()
	run()
}
