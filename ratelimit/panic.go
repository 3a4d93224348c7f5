package ratelimit

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/sioware/sioware/internal/panics"
)

// safely runs f, which calls the Store, and turns a panic into an error: on a handshake
// nobody else does. That includes the panic of an error that is asked for its cause, as a
// nil pointer may: it is asked here.
func (t *tier) safely(ctx context.Context, f func(ctx context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			panicked(ctx, t.logger, "the Store", v)
			err = fmt.Errorf("%w: %v", errPanic, v)
		}
	}()
	return panics.Ask(f(ctx))
}

// panicked logs that code of the application panicked, and where.
func panicked(ctx context.Context, logger *slog.Logger, what string, v any) {
	logger.LogAttrs(ctx, slog.LevelError, "ratelimit: panic in "+what, panics.Attr(v))
}

// guard runs f, which calls code of others, and logs its panic.
func guard(logger *slog.Logger, what string, f func()) {
	defer func() {
		if v := recover(); v != nil {
			panicked(context.Background(), logger, what, v)
		}
	}()
	f()
}
