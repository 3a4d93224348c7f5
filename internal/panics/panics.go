// Package panics has the error that a recovered panic of other people's code becomes.
package panics

import (
	"errors"
	"fmt"
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
