package presence

import "errors"

// Errors of methods and causes of refusals, for use with errors.Is.
var (
	// ErrFull: the user has as many devices as allowed, and they stay (too_many_connections).
	ErrFull = errors.New("presence: the user has reached the device limit")
	// ErrUser: the function given to New returned an ID that is empty, longer than
	// Options.MaxUser, or not UTF-8 (forbidden).
	ErrUser = errors.New("presence: unusable user ID")
	// ErrRoom: a room's name that is empty, longer than 256 bytes, not UTF-8, has a zero
	// byte, or begins with "sioware:".
	ErrRoom = errors.New("presence: unusable room name")
	// ErrRooms: the device is in as many rooms as Options.MaxRooms says.
	ErrRooms = errors.New("presence: the device is in too many rooms")
	// ErrMeta: metadata that is longer than Options.MaxMeta, or cannot be marshaled.
	ErrMeta = errors.New("presence: unusable metadata")
	// ErrAbsent: the socket has no user, or has gone, or is not in that room.
	ErrAbsent = errors.New("presence: the socket is not there")
	// ErrUnavailable: the store does not answer (unavailable).
	ErrUnavailable = errors.New("presence: the store does not answer")
	// ErrClosed: the Tracker or its Store is closed (unavailable).
	ErrClosed = errors.New("presence: closed")
	// ErrStale: the answer is what this process knows, since the store does not answer.
	ErrStale = errors.New("presence: the store does not answer; this is what one node knows")
)
