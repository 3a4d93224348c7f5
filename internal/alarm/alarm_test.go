package alarm

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// sleep lets time pass in a bubble.
func sleep(d time.Duration) { <-time.After(d) }

// done closes c, which must not have to wait.
func done(t *testing.T, c *Clock) {
	t.Helper()
	if err := c.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, start := New(1), time.Now()
		defer done(t, c)
		// Alarms on both scales share one order.
		const n = 1000
		var fired []int
		for _, i := range rand.Perm(n) {
			in := time.Duration(i) * time.Second
			a := &Alarm{Run: func() {
				fired = append(fired, i)
				if got := time.Since(start); got != in {
					t.Errorf("alarm %d after %v", i, got)
				}
			}}
			if i%2 == 0 {
				c.Set(a, start.Add(in))
			} else {
				c.arm(a, false, int64(in))
			}
		}
		if got := c.Len(); got != n {
			t.Errorf("Len: %d", got)
		}
		sleep(n * time.Second)
		synctest.Wait()
		if len(fired) != n || !slices.IsSorted(fired) {
			t.Errorf("%d alarms fired, in order: %t", len(fired), slices.IsSorted(fired))
		}
		if got := c.Len(); got != 0 {
			t.Errorf("Len in the end: %d", got)
		}
	})
}

func TestSetAndStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := New(2)
		defer done(t, c)
		var fired atomic.Int32
		a := &Alarm{Run: func() { fired.Add(1) }}
		expect := func(after time.Duration, want int32) {
			t.Helper()
			sleep(after)
			synctest.Wait()
			if got := fired.Load(); got != want {
				t.Errorf("fired %d times, want %d", got, want)
			}
		}
		if c.Stop(a) {
			t.Error("Stop of an alarm that was never set: true")
		}
		c.Set(a, time.Now().Add(time.Second))
		if !c.Stop(a) || c.Stop(a) {
			t.Error("Stop twice: not true and false")
		}
		expect(time.Minute, 0)

		c.Set(a, time.Now().Add(time.Second))
		c.Set(a, time.Now().Add(time.Hour)) // later
		expect(2*time.Second, 0)
		c.Set(a, time.Now().Add(time.Second)) // sooner
		expect(2*time.Second, 1)
		if c.Stop(a) {
			t.Error("Stop after Run: true")
		}
		expect(2*time.Hour, 1)
		c.Set(a, time.Time{}) // long ago, and again
		expect(0, 2)
		c.Set(a, time.Unix(1<<60, 0)) // never
		expect(time.Hour, 2)
	})
}

func TestRearmInRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := New(1)
		defer done(t, c)
		var a Alarm
		n := 0
		a.Run = func() {
			if n++; n < 5 {
				c.Set(&a, time.Now().Add(time.Second))
			}
		}
		c.Set(&a, time.Now())
		sleep(time.Minute)
		synctest.Wait()
		if n != 5 {
			t.Errorf("ran %d times", n)
		}
	})
}

// Alarms that are due, but wait for a worker, can still be stopped and moved.
func TestStopWhileDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := New(1)
		defer done(t, c)
		var ran atomic.Int32
		stopped := &Alarm{Run: func() { t.Error("a stopped alarm ran") }}
		moved := &Alarm{Run: func() { ran.Add(1) }}
		now := time.Now()
		c.Set(&Alarm{Run: func() {
			if !c.Stop(stopped) {
				t.Error("Stop: false")
			}
			c.Set(moved, now.Add(time.Hour))
		}}, now)
		c.Set(stopped, now.Add(1))
		c.Set(moved, now.Add(1))
		sleep(time.Minute)
		synctest.Wait()
		if ran.Load() != 0 {
			t.Error("a moved alarm ran for its old time")
		}
		sleep(time.Hour)
		synctest.Wait()
		if ran.Load() != 1 {
			t.Error("a moved alarm did not run for its new time")
		}
	})
}

func TestWallClockStep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := New(1)
		defer done(t, c)
		var step atomic.Int64
		c.now = func() time.Time { return time.Now().Add(time.Duration(step.Load())) }
		var wall, mono atomic.Int32
		c.Set(&Alarm{Run: func() { wall.Add(1) }}, time.Now().Add(3*time.Hour))
		// The time of a bubble has no monotonic reading.
		c.arm(&Alarm{Run: func() { mono.Add(1) }}, false, int64(3*time.Hour))
		expect := func(w, m int32) {
			t.Helper()
			synctest.Wait()
			if wall.Load() != w || mono.Load() != m {
				t.Errorf("wall %d, monotonic %d; want %d, %d", wall.Load(), mono.Load(), w, m)
			}
		}
		sleep(time.Hour)
		step.Store(int64(-time.Hour)) // set back: the alarm on the wall clock is late
		sleep(2 * time.Hour)
		expect(0, 1)
		step.Store(int64(time.Hour)) // set forward: noticed within a minute
		sleep(maxWait)
		expect(1, 1)
	})
}

func TestWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const workers, n = 8, 10000
		c := New(workers)
		defer done(t, c)
		var running, most, total atomic.Int32
		at := time.Now().Add(time.Hour)
		before := runtime.NumGoroutine()
		for range n {
			c.Set(&Alarm{Run: func() {
				now := running.Add(1)
				for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
				}
				sleep(time.Millisecond)
				running.Add(-1)
				total.Add(1)
			}}, at)
		}
		if got := runtime.NumGoroutine() - before; got > 100 {
			t.Errorf("%d goroutines while nothing is due", got)
		}
		sleep(2*time.Hour - time.Second)
		synctest.Wait()
		if total.Load() != n || most.Load() != workers {
			t.Errorf("%d ran, at most %d at a time", total.Load(), most.Load())
		}
	})
}

func TestBlockedWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := New(2)
		release := make(chan struct{})
		now := time.Now()
		for range 5 {
			c.Set(&Alarm{Run: func() { <-release }}, now)
		}
		var ran atomic.Int32
		for range 1000 {
			c.Set(&Alarm{Run: func() { ran.Add(1) }}, now.Add(1))
		}
		sleep(5 * patience)
		synctest.Wait()
		if got := ran.Load(); got != 1000 {
			t.Errorf("%d of 1000 ran beside 5 that block", got)
		}
		// If all workers are blocked and nothing was due for long, the next alarm does
		// not wait.
		sleep(time.Hour)
		c.Set(&Alarm{Run: func() { ran.Add(1) }}, time.Now())
		synctest.Wait()
		if got := ran.Load(); got != 1001 {
			t.Error("an alarm waits for workers that are blocked for long")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close while Run blocks: %v", err)
		}
		close(release)
		done(t, c)
		if c.running != 0 {
			t.Errorf("%d workers in the end", c.running)
		}
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := New(2)
		a := &Alarm{Run: func() { t.Error("ran after Close") }}
		c.Set(a, time.Now().Add(time.Second))
		done(t, c)
		if c.Len() != 0 || c.Stop(a) {
			t.Error("armed after Close")
		}
		c.Set(a, time.Now())
		sleep(time.Minute)
		done(t, c)
	})
	c := New(0) // outside of a bubble, where time has its monotonic reading
	ran := make(chan struct{})
	var a Alarm
	a.Run = func() { close(ran) }
	c.Set(&a, time.Now().Add(time.Millisecond))
	if a.wall {
		t.Error("a time with a monotonic reading follows the wall clock")
	}
	<-ran
	done(t, c)
	if err := New(0).Close(t.Context()); err != nil {
		t.Errorf("Close of an unused clock: %v", err)
	}
}

func TestPanic(t *testing.T) {
	var log bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(old)
	synctest.Test(t, func(t *testing.T) {
		c := New(1)
		defer done(t, c)
		ran := false
		c.Set(&Alarm{Run: func() { panic("on purpose") }}, time.Now())
		c.Set(&Alarm{Run: func() { ran = true }}, time.Now().Add(1))
		sleep(time.Second)
		synctest.Wait()
		if !ran {
			t.Error("a panic stops the other alarms")
		}
	})
	if !strings.Contains(log.String(), "on purpose") || !strings.Contains(log.String(), "alarm_test.go") {
		t.Errorf("log: %s", log.String())
	}
}

// Each alarm runs once for each Set that is not undone, whoever sets and stops it.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	c := New(4)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				var ran atomic.Int32
				finished := make(chan struct{})
				a := &Alarm{Run: func() {
					if ran.Add(1) == 1 {
						close(finished)
					}
				}}
				c.Set(a, time.Now().Add(time.Duration(rand.IntN(int(time.Millisecond)))))
				if rand.IntN(2) == 0 && c.Stop(a) {
					continue
				}
				<-finished
				if ran.Load() != 1 {
					t.Error("ran twice")
				}
			}
		})
	}
	wg.Wait()
	done(t, c)
	if c.Len() != 0 {
		t.Errorf("Len: %d", c.Len())
	}
}
