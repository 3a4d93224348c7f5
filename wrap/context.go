package wrap

import (
	"context"
	"net/http"

	"github.com/zishang520/socket.io/v2/socket"
)

// Disconnected is why the context of a socket has ended. context.Cause of [Context] holds
// it, also if the socket was refused; errors.As finds it by value and by pointer.
type Disconnected struct {
	// Reason is the host's reason, such as "transport close", "ping timeout", "client
	// namespace disconnect" or "server namespace disconnect", or "refused" for a socket
	// that a middleware has refused.
	Reason string

	// By is the name of the middleware that refused the socket; see [Named]. It is empty
	// if none did, or if it cannot be known.
	By string
}

// Error implements error.
func (d Disconnected) Error() string { return "wrap: disconnected: " + d.Reason }

// As lets errors.As find a Disconnected value as well.
func (d *Disconnected) As(target any) bool {
	t, ok := target.(*Disconnected)
	if ok {
		*t = *d
	}
	return ok
}

// reasonRefused is the Reason of a socket that a middleware has refused.
const reasonRefused = "refused"

// reasonLeft is the host's reason when a client leaves a namespace.
const reasonLeft = "client namespace disconnect"

// reasonKicked is the host's reason for what Kick does to a connected socket.
const reasonKicked = "server namespace disconnect"

// refusedCause is the cause for a refused or kicked socket: errors.As finds the
// Disconnected and, if the refusal is one of ours, the *Error.
type refusedCause struct {
	Disconnected
	err error // nil: refused by a middleware that we did not run, for reasons unknown
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

// Context returns the context of s. It has the values of the handshake request as the
// middleware chain left it, and of the chain of [Namespace] if one ran for s, and no
// deadline. It ends exactly once, when s is refused or disconnected or its connection is
// lost; context.Cause then holds a *[Disconnected] and, after a refusal or a [Kick], the
// *[Error]. After a refusal by a middleware that this package did not run, it holds what
// the client was told, as a *socket.ExtendedError.
//
// It is the place for what Koa and Egg put after "await next()":
//
//	context.AfterFunc(wrap.Context(s), func() { release(s) })
//
// Context is safe for concurrent use. Make the first call in a middleware or a
// "connection" handler: if s has left its namespace before that, while its connection
// stays open, the context ends with the connection.
func Context(s *socket.Socket) context.Context { return stateOf(s).context() }

// Request returns the handshake request of s as the middleware chain left it, with the
// headers, RemoteAddr and context values that middlewares set. It is a copy that belongs
// to s alone, since the host shares one request between all namespaces of a connection.
// Each call returns the same copy, so callers that change it must coordinate. Its body is
// empty and its context is that of [Context].
//
// After an upgrade from long-polling it is still the request that opened the session.
func Request(s *socket.Socket) *http.Request { return stateOf(s).httpRequest() }

// layered looks values up in values first, and takes everything else from Context.
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
