package wrap

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/internal/panics"
	"github.com/zishang520/socket.io/v2/socket"
)

// watchAfter is how long a middleware runs before its connection is watched. Most have
// returned by then, and a watch costs a goroutine.
const watchAfter = 5 * time.Millisecond

// attempt is one run of one middleware for one socket.
type attempt struct {
	s       *socket.Socket
	st      *state
	next    func(*socket.ExtendedError)
	name    string // its name, unless Named gave it one
	cleanup func()
	decided atomic.Bool

	conn     *conn // the client's, if Handler hijacked it
	mu       sync.Mutex
	returned bool
	unwatch  func() bool

	outer *attempt // the attempt that this one runs within; guarded by state.mu
}

// admit prepares a run of a middleware, which is called name unless Named says otherwise.
// It returns nil if the middleware must not run: a kicked socket has then been refused,
// and any other rejected and its connection closed.
func admit(s *socket.Socket, next func(*socket.ExtendedError), name string) *attempt {
	st := stateOf(s)
	a := &attempt{s: s, st: st, next: next, name: name}
	observe(s.Nsp())
	kick, err := a.mayRun()
	if kick != nil {
		a.decide(kick)
		return nil
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

// mayRun returns why the middleware is not to run: what the socket was kicked with, or an
// error for which its connection is to be closed.
func (a *attempt) mayRun() (kick *Error, err error) {
	if err := a.st.conn.enter(a.s.Nsp().Name(), a.st); err != nil {
		return nil, err
	}
	if markOf(a.s).refused() {
		return nil, errRevoked
	}
	if kick := a.st.enter(); kick != nil {
		return kick, nil
	}
	if a.st.ended() {
		return nil, errClosed
	}
	return nil, nil
}

// watch ends the state when the client leaves while the middleware keeps the connection's
// reader busy.
func (a *attempt) watch() {
	h := markOf(a.s)
	if a.conn = h.socketConn(); a.conn != nil {
		a.st.attend(a)
		return
	}
	if x := h.exchange(); x != nil {
		// Engine.IO 3 connects to "/" within the handshake, whose answer the host believes
		// to be in progress: it does not notice the end. With other long-polling it does.
		st := a.st
		a.unwatch = context.AfterFunc(x.ctx, func() {
			if !x.left.Load() { // otherwise it ends when its handler returns
				st.end(&Disconnected{Reason: "transport close"})
			}
		})
	}
}

// attend has the connection watched if a runs for long. The attempts of a socket share a
// timer: one runs within another that has called next, or after it.
func (st *state) attend(a *attempt) {
	st.mu.Lock()
	defer st.mu.Unlock()
	a.outer, st.attempt = st.attempt, a
	if st.timer != nil {
		st.timer.Reset(watchAfter)
		return
	}
	st.timer = time.AfterFunc(watchAfter, func() {
		st.mu.Lock()
		a := st.attempt
		st.mu.Unlock()
		if a != nil {
			a.watchConn()
		}
	})
}

// unattend undoes attend.
func (st *state) unattend(a *attempt) {
	st.mu.Lock()
	defer st.mu.Unlock()
	at := &st.attempt
	for *at != nil && *at != a {
		at = &(*at).outer
	}
	if *at == nil {
		return
	}
	*at, a.outer = a.outer, nil
	if st.attempt != nil { // it has called next and is still running
		st.timer.Reset(watchAfter)
		return
	}
	st.timer.Stop()
	if st.shown {
		st.timer = nil
	}
}

func (a *attempt) watchConn() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.returned || a.unwatch != nil {
		return
	}
	st := a.st
	stop := a.conn.watch(func(error) { st.end(&Disconnected{Reason: "transport close"}) })
	a.unwatch = func() bool { stop(); return true }
}

// stop ends the watch once the middleware has returned.
func (a *attempt) stop() {
	if a.conn != nil {
		a.st.unattend(a)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.returned = true
	if a.unwatch != nil {
		a.unwatch()
	}
}

// decide passes the verdict on to the host. Only the first call counts.
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
	a.st.conn.decided(a.s.Nsp().Name(), a.st, err == nil)
	if err == nil {
		a.pass(nil)
		return
	}
	if errors.Is(err, errClosed) {
		a.st.end(&Disconnected{Reason: "transport close"}) // unless it already has a cause
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

// pass calls the host's next, which runs the rest of the chain. A panic of a plain
// middleware there would end the process. It may or may not have admitted the socket, so
// the connection is closed.
func (a *attempt) pass(ext *socket.ExtendedError) {
	if err := safely(func() error { a.next(ext); return nil }); err != nil {
		a.st.fault(a.s, asError(err))
		a.s.Conn().Close(true)
	}
}

// report logs what went wrong on our side. Mistakes of the client are not logged.
func report(s *socket.Socket, e *Error) {
	if !e.serverFault() {
		return
	}
	attrs := []slog.Attr{
		slog.String("namespace", s.Nsp().Name()), slog.String("socket", string(s.Id())),
		slog.String("code", e.code()), slog.Any("error", e.Err),
	}
	var p *panics.Error
	if errors.As(e.Err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.Stack())))
	}
	slog.LogAttrs(Context(s), slog.LevelError, "wrap: middleware failed", attrs...)
}
