package wrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zishang520/socket.io/v2/socket"
)

const (
	// defaultTimeout is the deadline of a connection middleware.
	defaultTimeout = 10 * time.Second
	// watchAfter is how long a middleware runs before its connection is watched.
	// Most are done by then, and a watch costs a goroutine.
	watchAfter = 5 * time.Millisecond
)

var (
	errLate    = errors.New("wrap: middleware returned after its deadline")
	errTimeout = errors.New("wrap: middleware did not call next in time")
	errClosed  = errors.New("wrap: connection closed")
	errRevoked = errors.New("wrap: the handshake of this connection was refused")
)

// Func makes a connection middleware of f, for io.Use, nsp.Use or [UseAll]: nil
// admits the socket, an error refuses it.
//
// f gets a context with the values of the handshake (see [Context]), a deadline
// of 10 seconds, and cancellation when the client leaves (over WebSocket that is
// noticed only behind [Handler]). It runs on the
// goroutine that reads the connection, as all middlewares do, so one that
// ignores its context delays its own client, nobody else; if it returns after
// the deadline the socket is refused with code unavailable. It may use s, but
// must not join rooms before the socket is connected. ctx ends when f returns:
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
// namespace that it is still joining, and one that has left all namespaces and joins
// none for 5 seconds. A socket whose transport is closed is never admitted. Events that the client
// sends at once wait, up to 2 seconds and 1,024 of them, until the "connection"
// handlers have returned: the host sends CONNECT before it runs them.
func Func(f func(ctx context.Context, s *socket.Socket) error) socket.NamespaceMiddleware {
	return within(defaultTimeout, funcName(f), f)
}

func within(timeout time.Duration, name string, f func(context.Context, *socket.Socket) error) socket.NamespaceMiddleware {
	return func(s *socket.Socket, next func(*socket.ExtendedError)) {
		a := admit(s, next, name)
		if a == nil {
			return
		}
		ctx, cancel := context.WithTimeout(a.st.context(), timeout)
		a.watch()
		err := call(func() error { return f(ctx, s) })
		a.stop()
		if err == nil && ctx.Err() != nil {
			err = &Error{Code: codeUnavailable, Err: errLate}
		}
		cancel()
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
			mw(s, func(ext *socket.ExtendedError) {
				if ext == nil {
					a.decide(nil)
					return
				}
				a.decide(&foreign{ext})
			})
			return nil
		})
		a.stop()
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
	return f()
}

// recovered, deferred, turns a panic into an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = &Error{Code: codeInternal, Err: &panicError{p, debug.Stack()}}
	}
}

// panicError is a recovered panic.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// Stack returns where it was; package logging asks for it.
func (p *panicError) Stack() []byte { return p.stack }

// attempt is one run of one middleware for one socket.
type attempt struct {
	s       *socket.Socket
	st      *state
	next    func(*socket.ExtendedError)
	name    string // what the middleware goes by if nobody has named it
	cleanup func()
	decided atomic.Bool

	conn     *conn // of the client, if it is ours
	timer    *time.Timer
	mu       sync.Mutex
	returned bool
	unwatch  func() bool
}

// admit prepares a run of the middleware that is called name if nobody has named it,
// or closes the connection and returns nil.
func admit(s *socket.Socket, next func(*socket.ExtendedError), name string) *attempt {
	st := stateOf(s)
	a := &attempt{s: s, st: st, next: next, name: name}
	observe(s.Nsp())
	err := st.conn.enter(s.Nsp().Name(), st)
	if err == nil && handshakeOf(s).refused() {
		err = errRevoked
	}
	if err == nil && st.enter() != nil {
		a.decide(nil)
		return nil
	}
	if err == nil && st.ended() {
		err = errClosed
	}
	if err != nil {
		s.Conn().Close(true)
		st.end(&Disconnected{Reason: "forced close"})
		a.pass(socket.NewExtendedError(err.Error(), nil)) // the host cleans up, and sends nothing
		return nil
	}
	st.listen(s)
	return a
}

// watch ends the state when the client leaves while the middleware keeps the
// connection's reader busy.
func (a *attempt) watch() {
	h := handshakeOf(a.s)
	if a.conn = h.socketConn(); a.conn != nil {
		a.timer = time.AfterFunc(watchAfter, a.watchConn)
		return
	}
	if x := h.exchange(); x != nil {
		// Engine.IO 3 connects to "/" within the handshake, whose answer the host
		// believes to be under way. Of other long-polling it notices the end.
		st := a.st
		a.unwatch = context.AfterFunc(x.ctx, func() {
			if !x.left.Load() { // else it ends with its handler
				st.end(&Disconnected{Reason: "transport close"})
			}
		})
	}
}

func (a *attempt) watchConn() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.returned {
		return
	}
	st := a.st
	stop := a.conn.watch(func(error) { st.end(&Disconnected{Reason: "transport close"}) })
	a.unwatch = func() bool { stop(); return true }
}

// stop ends the watch. The middleware has returned.
func (a *attempt) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.returned = true
	if a.unwatch != nil {
		a.unwatch()
	}
}

// decide passes the verdict on to the host, once.
func (a *attempt) decide(err error) {
	if !a.decided.CompareAndSwap(false, true) {
		return
	}
	if a.cleanup != nil {
		a.cleanup()
	}
	if e := a.st.kicked(); e != nil {
		err = e
	} else if err == nil && (a.st.ended() || a.s.Conn().ReadyState() != "open") {
		err = errClosed
	}
	a.st.conn.leave(a.s.Nsp().Name(), a.st, err == nil)
	if err == nil {
		a.pass(nil)
		return
	}
	if errors.Is(err, errClosed) {
		a.st.end(&Disconnected{Reason: "transport close"}) // unless it is known better
		a.pass(socket.NewExtendedError(err.Error(), nil))  // the host cleans up, and sends nothing
		return
	}
	if f := (*foreign)(nil); errors.As(err, &f) {
		a.st.end(&refusedCause{Disconnected{reasonRefused, a.st.by(a.name)}, f.ExtendedError})
		a.pass(f.extended())
		return
	}
	e := asError(err)
	if !a.st.ended() && !a.st.watched() {
		report(a.s, e)
	}
	a.st.end(&refusedCause{Disconnected{reasonRefused, a.st.by(a.name)}, e})
	a.pass(e.extended())
}

// pass calls the host's next, which runs the rest of the chain. A panic of a
// plain middleware there would end the process: that one may have admitted the
// socket or not, so its connection is closed.
func (a *attempt) pass(ext *socket.ExtendedError) {
	if err := call(func() error { a.next(ext); return nil }); err != nil {
		a.st.fault(a.s, asError(err))
		a.s.Conn().Close(true)
	}
}

// report logs what went wrong on our side. What a client did wrong is no news.
func report(s *socket.Socket, e *Error) {
	if !e.ours() {
		return
	}
	attrs := []slog.Attr{
		slog.String("namespace", s.Nsp().Name()), slog.String("socket", string(s.Id())),
		slog.String("code", e.code()), slog.Any("error", e.Err),
	}
	var p *panicError
	if errors.As(e.Err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	slog.LogAttrs(Context(s), slog.LevelError, "wrap: middleware failed", attrs...)
}
