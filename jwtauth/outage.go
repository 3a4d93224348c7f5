package jwtauth

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// quiet is how often at most an outage is logged.
const quiet = 10 * time.Second

// begin is a time that others are measured from, by the monotonic clock.
var begin = time.Now()

// hushed returns err as it is handed to package wrap, which logs at level Error whatever
// is unavailable and has a cause. That keys or the Store are away shows to anybody with
// a forged token, at each CONNECT: only what the log has not had for a while keeps its
// cause. A client that has left is no outage.
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

// outage logs an outage, and reports whether it was time for that.
func (a *Auth[C]) outage(ctx context.Context, cause error) bool {
	now, last := int64(time.Since(begin)), a.logged.Load()
	if last != 0 && now-last <= int64(quiet) || !a.logged.CompareAndSwap(last, now) {
		return false
	}
	a.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "jwtauth: unavailable", slog.Any("error", cause))
	return true
}
