// Package refusal creates the refusals of packages whose causes are sentinels.
package refusal

import "github.com/sioware/sioware/wrap"

// New returns an error whose client gets code. Its cause, for the log only, is the
// sentinel kind together with behind, if that is not nil: errors.Is finds both.
func New(code string, kind, behind error) *wrap.Error {
	err := kind
	if behind != nil {
		err = &fault{kind, behind}
	}
	return &wrap.Error{Code: code, Err: err}
}

// fault is a sentinel with its cause.
type fault struct{ kind, behind error }

func (f *fault) Error() string { return f.kind.Error() + ": " + f.behind.Error() }

func (f *fault) Unwrap() []error { return []error{f.kind, f.behind} }
