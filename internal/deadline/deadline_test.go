package deadline_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/internal/deadline"
)

type key struct{}

var errWhy = errors.New("why")

// The same as with package context, whether somebody waits first or not.
func TestContext(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		end  func(c *deadline.Context, cancel context.CancelCauseFunc)
		want error
		why  error
	}{
		"nothing":        {func(*deadline.Context, context.CancelCauseFunc) {}, nil, nil},
		"time":           {func(*deadline.Context, context.CancelCauseFunc) { time.Sleep(time.Second) }, context.DeadlineExceeded, context.DeadlineExceeded},
		"almost":         {func(*deadline.Context, context.CancelCauseFunc) { time.Sleep(time.Second - 1) }, nil, nil},
		"end":            {func(c *deadline.Context, _ context.CancelCauseFunc) { c.End(); c.End() }, context.Canceled, context.Canceled},
		"parent":         {func(_ *deadline.Context, cancel context.CancelCauseFunc) { cancel(errWhy) }, context.Canceled, errWhy},
		"end, then time": {func(c *deadline.Context, _ context.CancelCauseFunc) { c.End(); _ = c.Err(); time.Sleep(time.Hour) }, context.Canceled, context.Canceled},
		"time, then parent": {func(c *deadline.Context, cancel context.CancelCauseFunc) {
			time.Sleep(time.Hour)
			_ = c.Err()
			cancel(errWhy)
		}, context.DeadlineExceeded, context.DeadlineExceeded},
		"parent, then time": {func(c *deadline.Context, cancel context.CancelCauseFunc) {
			cancel(errWhy)
			_ = c.Err()
			time.Sleep(time.Hour)
		}, context.Canceled, errWhy},
		"end, then time, unasked": {func(c *deadline.Context, _ context.CancelCauseFunc) { c.End(); time.Sleep(time.Hour) }, context.Canceled, context.Canceled},
		"end, then parent":        {func(c *deadline.Context, cancel context.CancelCauseFunc) { c.End(); cancel(errWhy) }, context.Canceled, context.Canceled},
		"time, then end":          {func(c *deadline.Context, _ context.CancelCauseFunc) { time.Sleep(time.Hour); c.End() }, context.DeadlineExceeded, context.DeadlineExceeded},
		"parent, then end":        {func(c *deadline.Context, cancel context.CancelCauseFunc) { cancel(errWhy); c.End() }, context.Canceled, errWhy},
	} {
		for _, waits := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, name))
				defer cancel(nil)
				c := deadline.After(parent, time.Second)
				defer c.End()
				told := make(chan struct{}, 1)
				if waits {
					context.AfterFunc(c, func() { told <- struct{}{} })
				}
				test.end(c, cancel)
				synctest.Wait()
				done := false
				for range 2 { // it stays as it is
					if !errors.Is(c.Err(), test.want) || !errors.Is(context.Cause(c), test.why) {
						t.Errorf("%s, waits %t: %v, cause %v", name, waits, c.Err(), context.Cause(c))
					}
					select {
					case <-c.Done():
						done = true
					default:
					}
				}
				if done != (test.want != nil) || (len(told) > 0) != (done && waits) {
					t.Errorf("%s, waits %t: done %t, told %d", name, waits, done, len(told))
				}
				if c.Value(key{}) != name {
					t.Errorf("%s: value %v", name, c.Value(key{}))
				}
			})
		}
	}
}

// The earlier deadline counts.
func TestDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sooner := deadline.After(t.Context(), time.Minute)
		defer sooner.End()
		c := deadline.After(sooner, time.Hour)
		defer c.End()
		if at, ok := c.Deadline(); !ok || !at.Equal(time.Now().Add(time.Minute)) {
			t.Error(at, ok)
		}
		time.Sleep(time.Minute)
		if !errors.Is(c.Err(), context.DeadlineExceeded) {
			t.Error(c.Err())
		}
		later := deadline.After(t.Context(), time.Minute)
		defer later.End()
		if at, ok := later.Deadline(); !ok || !at.Equal(time.Now().Add(time.Minute)) {
			t.Error(at, ok)
		}
	})
}

// Children of package context wait without a goroutine.
func TestChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := deadline.After(t.Context(), time.Second)
		before := runtime.NumGoroutine()
		for range 10 {
			child, cancel := context.WithTimeout(context.WithValue(c, key{}, 1), time.Hour)
			defer cancel()
			defer func() {
				if !errors.Is(child.Err(), context.Canceled) || child.Value(key{}) != 1 {
					t.Error(child.Err())
				}
			}()
		}
		if n := runtime.NumGoroutine(); n != before {
			t.Errorf("%d goroutines more", n-before)
		}
		c.End()
		synctest.Wait()
	})
}

func BenchmarkAfter(b *testing.B) {
	parent, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.Run("deadline", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c := deadline.After(parent, time.Second)
			if c.Err() != nil {
				b.Fatal(c.Err())
			}
			c.End()
		}
	})
	b.Run("context", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c, cancel := context.WithTimeout(parent, time.Second)
			if c.Err() != nil {
				b.Fatal(c.Err())
			}
			cancel()
		}
	})
}
