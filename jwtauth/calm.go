package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/sioware/sioware/wrap"
)

// calm runs f, which calls what others have written (Options.Verify, Keys, the Store),
// and turns a panic into an error, as package wrap does for middlewares.
func calm(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &wrap.Error{Code: "internal", Err: &panicError{p, debug.Stack()}}
		}
	}()
	return f()
}

// panicError is a recovered panic.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// Stack returns where it was; package logging asks for it.
func (p *panicError) Stack() []byte { return p.stack }

// panicked logs the stack of err, if it is a recovered panic.
func (a *Auth[C]) panicked(ctx context.Context, err error) {
	var p *panicError
	if errors.As(err, &p) {
		a.opts.Logger.LogAttrs(ctx, slog.LevelError, "jwtauth: panic while a token was verified",
			slog.String("error", p.Error()), slog.String("stack", string(p.stack)))
	}
}
