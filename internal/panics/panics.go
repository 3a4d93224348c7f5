// Package panics has the error that a recovered panic of other people's code becomes.
package panics

import (
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
