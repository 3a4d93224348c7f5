package wrap

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/sioware/sioware/internal/deadline"
	"github.com/sioware/sioware/internal/panics"
	"github.com/zishang520/socket.io/v2/socket"
)

// defaultTimeout is the deadline of a connection middleware.
const defaultTimeout = 10 * time.Second

var (
	errLate    = errors.New("wrap: middleware returned after its deadline")
	errTimeout = errors.New("wrap: middleware did not call next in time")
	errGoexit  = errors.New("wrap: middleware has ended its goroutine")
	errClosed  = errors.New("wrap: connection closed")
	errRevoked = errors.New("wrap: the handshake of this connection was refused")
)

// Func makes a connection middleware of f, for io.Use, nsp.Use or [UseAll]: nil
// admits the socket, an error refuses it.
//
// f gets a context with the values of the handshake (see [Context]), a deadline
// of 10 seconds, and cancellation when the client leaves. (Over WebSocket that is
// noticed only behind [Handler], and not behind 4 KiB that the client has sent
// meanwhile.) It runs on the goroutine that reads the connection, as all middlewares
// do, so one that ignores its context delays its own client, nobody else; if it
// returns after the deadline the socket is refused with code unavailable. It may use
// s, but must not join rooms before the socket is connected. ctx ends when f returns:
// what lasts as long as the socket belongs to [Context] of s.
//
// The client of a refused socket gets connect_error with what [Error] says. An
// error that is no *Error becomes code internal, a context's error unavailable;
// what it says goes to the default slog logger alone. A panic is code internal
// too, and does not end the process, also when it comes from a plain middleware
// that runs later in the chain: then the connection is closed. A socket that
// [Kick] has put out meanwhile is refused with the error of Kick.
//
// A connection of which 32 CONNECTs have been refused, by this middleware or
// those behind it, is closed at the next, and so is one that sends CONNECT for a
// namespace that it is still joining, or for one more while it has been joining 32 for
// a second, and one that has left all namespaces and joins none for 5 seconds. A socket
// whose transport is closed is never admitted. Events that the client sends at once
// wait, up to 2 seconds and 1,024 of them, until the "connection" handlers have
// returned: the host sends CONNECT before it runs them.
func Func(f func(ctx context.Context, s *socket.Socket) error) socket.NamespaceMiddleware {
	return within(defaultTimeout, funcName(f), f)
}

func within(timeout time.Duration, name string, f func(context.Context, *socket.Socket) error) socket.NamespaceMiddleware {
	return func(s *socket.Socket, next func(*socket.ExtendedError)) {
		a := admit(s, next, name)
		if a == nil {
			return
		}
		ctx := deadline.After(a.st.context(), timeout)
		a.watch()
		returned := false
		defer func() {
			if !returned { // runtime.Goexit, as of t.FailNow: nobody else would decide
				ctx.End()
				a.decide(&Error{Code: codeInternal, Err: errGoexit})
			}
		}()
		err := call(func() error {
			defer a.stop() // also upon runtime.Goexit: what is watched is kept
			return f(ctx, s)
		})
		returned = true
		if err == nil && ctx.Err() != nil {
			err = &Error{Code: codeUnavailable, Err: errLate}
		}
		ctx.End()
		a.decide(err)
	}
}

// Guard gives a middleware that was written for the host alone the protection
// of [Func]: its next counts once, a panic refuses the socket, and one that has
// not called next after timeout (10 seconds if not positive) is refused with
// code unavailable. It may call next later and from any goroutine. The message
// and the data of its error reach the client as they are, except for data that
// cannot be marshaled, which the host would turn into a packet that official
// clients throw on; such data is left out. With [UseAll], what follows mw waits until
// mw has returned, for which there is no bound once it has called next.
func Guard(mw socket.NamespaceMiddleware, timeout time.Duration) socket.NamespaceMiddleware {
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	name := funcName(mw)
	return func(s *socket.Socket, next func(*socket.ExtendedError)) {
		a := admit(s, next, name)
		if a == nil {
			return
		}
		ctx, cancel := context.WithTimeout(a.st.context(), timeout)
		a.cleanup = cancel
		context.AfterFunc(ctx, func() { // after decide this finds it decided
			a.decide(&Error{Code: codeUnavailable, Err: errTimeout})
		})
		a.watch()
		err := call(func() error {
			defer a.stop()
			mw(s, func(ext *socket.ExtendedError) {
				if ext == nil {
					a.decide(nil)
					return
				}
				a.decide(&foreign{ext})
			})
			return nil
		})
		if err != nil {
			a.decide(err)
		}
	}
}

// foreign is the refusal of a guarded middleware.
type foreign struct{ *socket.ExtendedError }

// extended returns the refusal as it was, without data that cannot be sent.
func (f *foreign) extended() (ext *socket.ExtendedError) {
	defer func() {
		if recover() != nil { // a MarshalJSON method of the application
			ext = socket.NewExtendedError(f.Error(), nil)
		}
	}()
	if _, err := json.Marshal(f.Data()); err != nil {
		return socket.NewExtendedError(f.Error(), nil)
	}
	return f.ExtendedError
}

// call runs f and turns a panic into an error.
func call(f func() error) (err error) {
	defer recovered(&err)
	return panics.Ask(f())
}

// recovered, deferred, turns a panic into an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = &Error{Code: codeInternal, Err: panics.New(p)}
	}
}
