package presence

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/sioware/sioware/internal/panics"
)

// panicked logs that code of the application panicked, and where.
func panicked(logger *slog.Logger, what string, v any, more ...any) {
	logger.Error("presence: "+what+" panicked", append(more, panics.Attr(v))...)
}

// guard runs f, which calls code of others, and logs its panic.
func guard(logger *slog.Logger, what string, f func()) {
	defer func() {
		if v := recover(); v != nil {
			panicked(logger, what, v)
		}
	}()
	f()
}

// guardedStore is a Store of the application whose panics, and errors that panic, end neither
// the process nor the goroutine that calls it: they count as no answer. Nobody else recovers
// where departures are reported, and where Watch scans the Store.
type guardedStore struct {
	Store
	logger *slog.Logger
	panics atomic.Uint64
}

// recovered, when deferred, turns a panic into an error.
func (c *guardedStore) recovered(err *error) {
	v := recover()
	if v == nil {
		return
	}
	*err = fmt.Errorf("%w: panic: %v", ErrUnavailable, v)
	if n := c.panics.Add(1); n&(n-1) == 0 { // ever less often
		panicked(c.logger, "the Store", v, "times", n)
	}
}

func (c *guardedStore) Join(ctx context.Context, e Entry) (err error) {
	defer c.recovered(&err)
	return panics.Ask(c.Store.Join(ctx, e))
}

func (c *guardedStore) Leave(ctx context.Context, cause Cause, now bool, seats ...Seat) (err error) {
	defer c.recovered(&err)
	return panics.Ask(c.Store.Leave(ctx, cause, now, seats...))
}

func (c *guardedStore) Evict(ctx context.Context, user string, cause Cause, reason string, except ...string) (n int, err error) {
	defer c.recovered(&err)
	n, err = c.Store.Evict(ctx, user, cause, reason, except...)
	return n, panics.Ask(err)
}

func (c *guardedStore) Get(ctx context.Context, room string, users ...string) (all []Record, err error) {
	defer c.recovered(&err)
	all, err = c.Store.Get(ctx, room, users...)
	return all, panics.Ask(err)
}

func (c *guardedStore) List(ctx context.Context, room, cursor string, n int) (page []Record, next string, err error) {
	defer c.recovered(&err)
	page, next, err = c.Store.List(ctx, room, cursor, n)
	return page, next, panics.Ask(err)
}

func (c *guardedStore) Scan(ctx context.Context, cursor string, n int) (page []Record, next string, err error) {
	defer c.recovered(&err)
	page, next, err = c.Store.Scan(ctx, cursor, n)
	return page, next, panics.Ask(err)
}

func (c *guardedStore) Count(ctx context.Context, room string) (n int, err error) {
	defer c.recovered(&err)
	n, err = c.Store.Count(ctx, room)
	return n, panics.Ask(err)
}
