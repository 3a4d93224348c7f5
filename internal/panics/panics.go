// Package panics provides the error that a recovered panic of foreign code becomes.
package panics

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// Error is a recovered panic.
type Error struct {
	value any
	stack []byte
}

// New returns an Error for value, which recover has returned, with the stack of the
// caller: call it where recover is called.
func New(value any) *Error { return &Error{value, debug.Stack()} }

func (e *Error) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// Stack returns the stack of the panic; package logging asks for it.
func (e *Error) Stack() []byte { return e.stack }

// Attr returns the attributes "panic" and "stack" for value, which recover has returned.
// Call it where recover is called.
func Attr(value any) slog.Attr {
	return slog.Group("", slog.String("panic", fmt.Sprint(value)), slog.String("stack", string(debug.Stack())))
}

// Ask returns err, an error of the application. It panics if err does so when asked for
// its identity or its cause, as a nil pointer may. Call it where panics are recovered:
// later, in errors.Is or errors.As, the panic would end the process.
func Ask(err error) error {
	if err != nil {
		_ = errors.Is(err, errNone)
		_ = errors.As(err, new(*Error))
	}
	return err
}

var errNone = errors.New("none that anybody returns")
