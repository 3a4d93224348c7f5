package jwtauth

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// quiet is the least time between two log entries about an outage.
const quiet = 10 * time.Second

// started is the time that others are measured from, on the monotonic clock.
var started = time.Now()

// hushed returns err as it is handed to package wrap, which logs everything that is
// unavailable and has a cause at level Error. Anybody with a forged token hits an outage
// of keys or Store, at each CONNECT: only an outage that has not been logged for a while
// keeps its cause. A client that has left is not an outage.
func (a *Auth[C]) hushed(ctx context.Context, err error) error {
	e := asError(err)
	if e.Code != codes[ErrUnavailable] || e.Err == nil {
		return err
	}
	if !errors.Is(ctx.Err(), context.Canceled) && a.outage(ctx, e.Err) {
		return err
	}
	bare := *e
	bare.Err = nil
	return &bare
}

// outage logs an outage unless one was logged recently, and reports whether it did.
func (a *Auth[C]) outage(ctx context.Context, cause error) bool {
	now, last := int64(time.Since(started)), a.logged.Load()
	if last != 0 && now-last <= int64(quiet) || !a.logged.CompareAndSwap(last, now) {
		return false
	}
	a.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "jwtauth: unavailable", slog.Any("error", cause))
	return true
}
