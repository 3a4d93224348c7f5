// Package mark lets the packages of this module know whether package wrap is running
// their net/http middleware, and who wants to know why it refuses, without a dependency
// on package wrap and its imports.
package mark

import "context"

// Key is the key of the context value through which package wrap finds its run of a
// middleware chain again. Its value is a [Run]. It is out of reach of clients and of code
// outside this module.
type Key struct{}

// Run is one run of a middleware chain by package wrap.
type Run interface {
	// Connecting reports whether the chain runs for a client that is connecting,
	// and has not returned yet. It is safe for concurrent use.
	Connecting() bool

	// Passed reports whether the chain has called next. It is safe for concurrent use.
	Passed() bool
}

// Connecting reports whether ctx is that of a request for which package wrap is running a
// middleware chain: that of wrap.Handler or wrap.Engine on an Engine.IO handshake, or
// that of wrap.Namespace on the CONNECT of a socket. It lets a middleware tell its use
// there from one as plain HTTP middleware on some route, whatever the URL and the headers
// of the request are.
//
// It is false once the chain has returned, also for contexts that live on, such as
// wrap.Context of a socket, and for chains that wrap runs on other requests of a session
// (wrap.Every). A middleware that replaces the request's context with an unrelated one
// hides the chain from those behind it.
func Connecting(ctx context.Context) bool {
	run, ok := ctx.Value(Key{}).(Run)
	return ok && run.Connecting()
}

// Passed reports whether the chain that package wrap is running has called next by now.
// It is true if that is not known.
func Passed(ctx context.Context) bool {
	run, ok := ctx.Value(Key{}).(Run)
	return !ok || run.Passed()
}

// ListenerKey is the key of the context value through which whoever refuses a request
// finds whoever wants to know why. Its value is a [Listener].
type ListenerKey struct{}

// Listener is told why a request is refused, and logs it.
type Listener interface {
	// Refused is called with the reason, on the goroutine of the request.
	Refused(reason error)
}

// Refused tells the Listener in ctx, if any, that the request is refused, and reports
// whether there is one.
func Refused(ctx context.Context, reason error) bool {
	l, ok := ctx.Value(ListenerKey{}).(Listener)
	if ok {
		l.Refused(reason)
	}
	return ok
}
