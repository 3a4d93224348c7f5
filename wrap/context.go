package wrap

import (
	"context"
	"net/http"

	"github.com/zishang520/socket.io/v2/socket"
)

// Disconnected is why the context of a socket has ended. context.Cause of
// [Context] holds it, also where the socket was refused; errors.As finds it by
// value and by pointer.
type Disconnected struct {
	// Reason is the host's word, such as "transport close", "ping timeout",
	// "client namespace disconnect" or "server namespace disconnect", or
	// "refused" for a socket that a middleware has turned away.
	Reason string

	// By is the name of the middleware that has refused the socket; see [Named].
	// Empty if none has, or if it cannot be known.
	By string
}

// Error implements error.
func (d Disconnected) Error() string { return "wrap: disconnected: " + d.Reason }

// As lets errors.As find a Disconnected value too.
func (d *Disconnected) As(target any) bool {
	t, ok := target.(*Disconnected)
	if ok {
		*t = *d
	}
	return ok
}

// reasonRefused is the Reason of a socket that a middleware has turned away.
const reasonRefused = "refused"

// reasonLeft is the host's word for a client that leaves a namespace.
const reasonLeft = "client namespace disconnect"

// reasonKicked is the host's word for what Kick does to a connected socket.
const reasonKicked = "server namespace disconnect"

// refusedCause is the cause for a refused or kicked socket: errors.As finds the
// Disconnected and, if it is one of ours, the *Error.
type refusedCause struct {
	Disconnected
	err error // nil: refused by a middleware that we did not run, we know not why
}

func (c *refusedCause) Error() string {
	if c.err == nil {
		return "wrap: refused by another middleware"
	}
	if c.Reason == reasonKicked {
		return "wrap: kicked: " + c.err.Error()
	}
	if c.By != "" {
		return "wrap: refused by " + c.By + ": " + c.err.Error()
	}
	return "wrap: refused: " + c.err.Error()
}

func (c *refusedCause) Unwrap() []error {
	if c.err == nil {
		return []error{&c.Disconnected}
	}
	return []error{&c.Disconnected, c.err}
}

// Context returns the context of s. It has the values of the handshake request
// as the middleware chain left it, and of the chain of [Namespace] if one ran
// for s, and no deadline. It is done, exactly once, when s is refused or
// disconnected or its connection is lost; context.Cause then holds a
// *[Disconnected], and the *[Error] of a refusal or of [Kick]. Of a refusal by a
// middleware that this package has not run it holds what the client was told, as a
// *socket.ExtendedError.
//
// It is the place for what Koa and Egg put after "await next()":
//
//	context.AfterFunc(wrap.Context(s), func() { release(s) })
//
// Safe for concurrent use. Call it in a middleware or a "connection" handler
// first: for a socket that has left its namespace before the first call, while
// its connection stays open, the context ends with the connection.
func Context(s *socket.Socket) context.Context { return stateOf(s).context() }

// Request returns the handshake request of s as the middleware chain left it:
// a header, RemoteAddr or context value that a middleware set is there. The
// request is a copy that belongs to s alone, since the host shares one request
// between all namespaces of a connection; the same copy is returned each time,
// so callers that change it must agree among themselves. Its body is empty and
// its context is that of [Context].
//
// After an upgrade from long-polling it is still the request that opened the
// session.
func Request(s *socket.Socket) *http.Request { return stateOf(s).httpRequest() }

// layered looks values up in values first, and takes all else from Context.
type layered struct {
	context.Context
	values context.Context
}

func (l layered) Value(key any) any {
	if v := l.values.Value(key); v != nil {
		return v
	}
	return l.Context.Value(key)
}
