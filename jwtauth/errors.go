package jwtauth

import (
	"errors"

	refused "github.com/sioware/sioware/internal/refusal"
	"github.com/sioware/sioware/wrap"
)

// What can be wrong with a token, for use with errors.Is. The comment after
// each error is the code that the client is told.
var (
	ErrMissing     = errors.New("jwtauth: no token")                        // token_missing
	ErrInvalid     = errors.New("jwtauth: token invalid")                   // token_invalid
	ErrExpired     = errors.New("jwtauth: token expired")                   // token_expired
	ErrRevoked     = errors.New("jwtauth: token revoked")                   // token_revoked
	ErrReplaced    = errors.New("jwtauth: replaced by a newer login")       // replaced
	ErrOccupied    = errors.New("jwtauth: the user is logged in elsewhere") // too_many_connections
	ErrDisabled    = errors.New("jwtauth: user unknown or disabled")        // user_disabled
	ErrForbidden   = errors.New("jwtauth: forbidden")                       // forbidden
	ErrUnavailable = errors.New("jwtauth: cannot verify now")               // unavailable
)

// codes maps each error to the code that the client is told.
var codes = map[error]string{
	ErrMissing:     "token_missing",
	ErrInvalid:     "token_invalid",
	ErrExpired:     "token_expired",
	ErrRevoked:     "token_revoked",
	ErrReplaced:    "replaced",
	ErrOccupied:    "too_many_connections",
	ErrDisabled:    "user_disabled",
	ErrForbidden:   "forbidden",
	ErrUnavailable: "unavailable",
}

// kinds lists the keys of codes, in the order in which classify looks for them.
var kinds = []error{
	ErrUnavailable, ErrDisabled, ErrRevoked, ErrReplaced, ErrOccupied, ErrExpired, ErrInvalid, ErrForbidden, ErrMissing,
}

// refusal returns the error that the client gets for kind, one of the sentinels
// above. The cause, if any, is for the log alone.
func refusal(kind, cause error) *wrap.Error { return refused.New(codes[kind], kind, cause) }
