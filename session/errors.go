package session

import (
	"errors"

	refused "github.com/sioware/sioware/internal/refusal"
	"github.com/sioware/sioware/wrap"
)

// What can go wrong with a session, for use with errors.Is. The comment after
// each error is the code that the client is told.
var (
	ErrMissing       = errors.New("session: no session")                               // session_missing
	ErrGone          = errors.New("session: the session has ended")                    // session_expired
	ErrOrigin        = errors.New("session: origin denied")                            // origin_denied
	ErrForbidden     = errors.New("session: forbidden")                                // forbidden
	ErrUnavailable   = errors.New("session: the store does not answer")                // unavailable
	ErrReadOnlyStore = errors.New("session: the store keeps sessions only in cookies") // internal
)

// codes maps each error to the code that the client is told.
var codes = map[error]string{
	ErrMissing:       "session_missing",
	ErrGone:          "session_expired",
	ErrOrigin:        "origin_denied",
	ErrForbidden:     "forbidden",
	ErrUnavailable:   "unavailable",
	ErrReadOnlyStore: "internal",
}

// refusal returns the error that the client gets for kind, one of the sentinels
// above. The cause, if any, is for the log alone.
func refusal(kind, cause error) *wrap.Error { return refused.New(codes[kind], kind, cause) }

// isGone reports whether err says that the session has ended.
func isGone(err error) bool { return errors.Is(err, ErrGone) }

// renewed reports whether err says that the session has ended because it has a new ID,
// and the client is to come back with its new cookie.
func renewed(err error) bool {
	var e *wrap.Error
	return isGone(err) && errors.As(err, &e) && e.RetryAfter > 0
}

// asError returns what the client gets for err.
func asError(err error) *wrap.Error {
	return refused.From(err, ErrUnavailable)
}
