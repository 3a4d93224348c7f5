// Package panics has the error that a recovered panic of other people's code becomes.
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

// New returns an Error of what recover has returned. Call it where that was.
func New(value any) *Error { return &Error{value, debug.Stack()} }

func (e *Error) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// Stack returns where it was; package logging asks for it.
func (e *Error) Stack() []byte { return e.stack }

// Attr is what a log says of a value that recover has returned: "panic" and "stack".
// Call it where that was.
func Attr(value any) slog.Attr {
	return slog.Group("", slog.String("panic", fmt.Sprint(value)), slog.String("stack", string(debug.Stack())))
}

// Ask returns err, the application's, and panics if that does when it is asked what it is, or
// for its cause, as a nil pointer may: call it where that is recovered, since later, where
// errors.Is and errors.As look at it, it would end the process.
func Ask(err error) error {
	if err != nil {
		_ = errors.Is(err, errNone)
		_ = errors.As(err, new(*Error))
	}
	return err
}

var errNone = errors.New("none that anybody returns")
