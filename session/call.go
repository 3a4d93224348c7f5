package session

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/internal/panics"
)

// maxCalls is how many calls of the store may be under way. One that hangs keeps its
// place, since there is no way to end it.
const maxCalls = 256

// work is work with one session under its lock, or without a lock.
type work struct {
	m    *Manager
	key  string
	lock *lock
	lost bool   // a call that was given up will release the lock
	late func() // what such a call does first, if it saves; may be nil
}

// begin waits for the lock of the session with this key.
func (m *Manager) begin(ctx context.Context, key string) (*work, error) {
	m.busy.enter()
	l, err := m.locks.acquire(ctx, key)
	if err != nil {
		m.busy.leave()
		return nil, refusal(ErrUnavailable, err)
	}
	return &work{m: m, key: key, lock: l}, nil
}

func (w *work) end() {
	if w.lock != nil && !w.lost {
		w.m.locks.release(w.key, w.lock)
	}
	w.m.busy.leave() // a call that was given up is counted separately
}

// call runs f, which calls the store, and stops waiting for it when ctx ends or it
// takes too long: stores ignore contexts. The lock is then held until f has returned,
// or a late save would undo what others have saved since. Others wait for the lock
// until f has taken too long.
func call[T any](ctx context.Context, w *work, f func(ctx context.Context) (T, error)) (t T, err error) {
	if w.m.direct {
		err = w.m.safely(ctx, func() (err error) { t, err = f(ctx); return err })
		return t, err
	}
	deadline := time.Now().Add(w.m.opts.Timeout)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	select {
	case w.m.calls <- struct{}{}:
	case <-ctx.Done():
		return t, refusal(ErrUnavailable, ctx.Err())
	}
	type result struct {
		t   T
		err error
	}
	done := make(chan result, 1)
	var settled atomic.Bool // by whichever comes first
	w.m.busy.enter()
	go func() {
		defer w.m.busy.leave()
		defer func() { <-w.m.calls }()
		var r result
		r.err = w.m.safely(ctx, func() (err error) { r.t, err = f(ctx); return err })
		if settled.CompareAndSwap(false, true) {
			done <- r
			return
		}
		if w.late != nil {
			w.late()
		}
		if w.lock != nil {
			w.m.locks.release(w.key, w.lock)
		}
	}()
	select {
	case r := <-done:
		return r.t, r.err
	case <-ctx.Done():
	}
	if w.lock == nil {
		if !settled.CompareAndSwap(false, true) {
			r := <-done // it has returned after all
			return r.t, r.err
		}
	} else if w.lost = w.m.locks.giveUp(w.lock, &settled, time.Until(deadline)); !w.lost {
		r := <-done
		return r.t, r.err
	}
	return t, refusal(ErrUnavailable, ctx.Err())
}

// safely runs f, which calls the store, and turns a panic into an error.
func (m *Manager) safely(ctx context.Context, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = refusal(ErrUnavailable, m.panicked(ctx, "the store", p))
		}
	}()
	return panics.Ask(f())
}

// panicked makes an error of a panic, whose stack goes to the log. A panic value of the
// store may contain values of a session, so only its type is reported, unless it is a
// runtime error.
func (m *Manager) panicked(ctx context.Context, who string, p any) error {
	fault := fmt.Errorf("%s panicked: %T", who, p)
	if e, ok := p.(runtime.Error); ok {
		fault = fmt.Errorf("%w: %w", fault, e)
	}
	m.opts.Logger.LogAttrs(ctx, slog.LevelError, "session: panic in "+who,
		slog.Any("error", fault), slog.String("stack", string(debug.Stack())))
	return fault
}
