package jwtauth

import (
	"context"
	"errors"
	"log/slog"

	"github.com/sioware/sioware/internal/panics"
	"github.com/sioware/sioware/wrap"
)

// safely runs f, which calls code of others (Options.Verify, Keys, the Store), and turns a
// panic into an error, as package wrap does for middlewares. That includes the panic of an
// error that is asked for its cause, as a nil pointer may: it is asked here.
func safely(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &wrap.Error{Code: "internal", Err: panics.New(p)}
		}
	}()
	return panics.Ask(f())
}

// panicked logs the stack of err, if it is a recovered panic.
func (a *Auth[C]) panicked(ctx context.Context, err error) {
	var p *panics.Error
	if errors.As(err, &p) {
		a.opts.Logger.LogAttrs(ctx, slog.LevelError, "jwtauth: panic while a token was verified",
			slog.String("error", p.Error()), slog.String("stack", string(p.Stack())))
	}
}

// guard runs f, which calls code of others, and logs its panic.
func guard(logger *slog.Logger, what string, f func()) {
	defer func() {
		if p := recover(); p != nil {
			logger.Error("jwtauth: panic in "+what, panics.Attr(p))
		}
	}()
	f()
}
