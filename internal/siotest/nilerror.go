package siotest

// NilError returns an error as applications return them by mistake: a nil pointer, which
// panics when asked for its text or its cause.
func NilError() error { return (*nilError)(nil) }

type nilError struct{ err error }

func (e *nilError) Error() string { return e.err.Error() }
func (e *nilError) Unwrap() error { return e.err }
