// Package refusal creates the refusals of packages whose causes are sentinels.
package refusal

import (
	"context"
	"errors"

	"github.com/sioware/sioware/wrap"
)

// New returns an error whose client gets code. Its cause, for the log only, is the
// sentinel kind together with behind, if that is not nil: errors.Is finds both.
func New(code string, kind, behind error) *wrap.Error {
	err := kind
	if behind != nil {
		err = &fault{kind, behind}
	}
	return &wrap.Error{Code: code, Err: err}
}

// From returns what the client gets for err: the *wrap.Error in it, code unavailable with
// the sentinel unavailable for the error of a context, and code internal for any other.
func From(err, unavailable error) *wrap.Error {
	var e *wrap.Error
	switch {
	case errors.As(err, &e) && e != nil:
		return e
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return New("unavailable", unavailable, err)
	}
	return &wrap.Error{Err: err}
}

// fault is a sentinel with its cause.
type fault struct{ kind, behind error }

func (f *fault) Error() string { return f.kind.Error() + ": " + f.behind.Error() }

func (f *fault) Unwrap() []error { return []error{f.kind, f.behind} }
