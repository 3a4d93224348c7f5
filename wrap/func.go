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
	errGoexit  = errors.New("wrap: middleware ended its goroutine")
	errClosed  = errors.New("wrap: connection closed")
	errRevoked = errors.New("wrap: the handshake of this connection was refused")
)

// Func turns f into a connection middleware, for io.Use, nsp.Use or [UseAll]: nil admits
// the socket, an error refuses it.
//
// f gets a context with the values of the handshake (see [Context]), a deadline of 10
// seconds, and cancellation when the client leaves. (Over WebSocket the latter works only
// behind [Handler], and not once the client has sent 4 KiB in the meantime.) Like all
// middlewares, f runs on the goroutine that reads the connection, so if it ignores its
// context it delays only its own client; if it returns after the deadline, the socket is
// refused with code unavailable. It may use s, but must not join rooms before the socket
// is connected. ctx ends when f returns; use [Context] of s for what lasts as long as the
// socket.
//
// The client of a refused socket gets connect_error with what [Error] says. An error that
// is not an *Error becomes code internal, a context error code unavailable; its text goes
// only to the default slog logger. A panic becomes code internal as well and does not end
// the process, not even if it comes from a plain middleware later in the chain: in that
// case the connection is closed. A socket that [Kick] has ended meanwhile is refused with
// the error of Kick.
//
// A connection is closed if it sends CONNECT after 32 of its CONNECTs have been refused
// by this middleware or those behind it, if it sends CONNECT for a namespace that it is
// still joining, or for one more while it has been joining 32 for a second, and if it has
// left all namespaces and joins none for 5 seconds. A socket whose transport is closed is
// never admitted. Events that the client sends at once wait, up to 2 seconds and 1,024 of
// them, until the "connection" handlers have returned: the host sends CONNECT before it
// runs them.
func Func(f func(ctx context.Context, s *socket.Socket) error) socket.NamespaceMiddleware {
	demand(f != nil, "Func: nil function")
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
			if !returned { // runtime.Goexit, as in t.FailNow: nobody else would decide
				ctx.End()
				a.decide(&Error{Code: codeInternal, Err: errGoexit})
			}
		}()
		err := safely(func() error {
			defer a.stop() // also after runtime.Goexit: a watch keeps what it watches alive
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

// Guard gives a middleware that was written for the bare host the protection of [Func]:
// only its first call of next counts, a panic refuses the socket, and if it has not
// called next after timeout (10 seconds if not positive) the socket is refused with code
// unavailable. It may call next later and from any goroutine. The message and data of its
// error reach the client unchanged, except that data that cannot be marshaled is left
// out: the host would turn it into a packet that official clients throw on. With
// [UseAll], what follows mw waits until mw has returned, for which there is no time limit
// once it has called next.
func Guard(mw socket.NamespaceMiddleware, timeout time.Duration) socket.NamespaceMiddleware {
	demand(mw != nil, "Guard: nil middleware")
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
		context.AfterFunc(ctx, func() { // after decide this has no effect
			a.decide(&Error{Code: codeUnavailable, Err: errTimeout})
		})
		a.watch()
		err := safely(func() error {
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

// extended returns the refusal unchanged, but without data that cannot be sent.
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

// safely runs f and turns a panic into an error.
func safely(f func() error) (err error) {
	defer recovered(&err)
	return panics.Ask(f())
}

// recovered, when deferred, turns a panic into an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = &Error{Code: codeInternal, Err: panics.New(p)}
	}
}
