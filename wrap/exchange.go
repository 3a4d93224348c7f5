package wrap

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/zishang520/engine.io/v2/engine"
)

// The states of an exchange.
const (
	nextPending = iota // next may be called
	nextCalled         // next has been called
	nextMissed         // the chain has returned without it
)

// inner is the handler at the end of a chain.
type inner interface {
	enter(w http.ResponseWriter, r *http.Request)
}

// exchange is one run of a middleware chain for one request.
type exchange struct {
	mark   *sessionMark
	ctx    context.Context // of the client's own request
	inner  inner
	state  atomic.Int32
	inside sync.WaitGroup // inner, if it is entered
	left   atomic.Bool    // inner has returned

	// status is the first final status that went out through the chain, or 0. WriteHeader
	// sets it with mu held: http.TimeoutHandler calls it while the engine runs.
	status atomic.Int32
	mu     sync.Mutex

	// session is what inner has opened. It is set while inner runs.
	session engine.Socket
}

// start prepares x, and returns the request to run its chain with. opens says whether the
// chain runs for a client that is connecting.
func (x *exchange) start(r *http.Request, in inner, opens bool) *http.Request {
	x.mark, x.ctx, x.inner = &sessionMark{outer: marked(r), opens: opens}, r.Context(), in
	x.mark.x.Store(x)
	x.inside.Add(1)
	return withMark(r, x.mark)
}

// chain builds mws around the call of an exchange's next. It is built once; the exchange
// is found through the request or, if a middleware has replaced the request's context,
// through the writer.
func chain(mws []Middleware) http.Handler {
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := marked(r); h != nil {
			if x := h.x.Load(); x != nil { // otherwise the chain has returned
				x.call(w, r)
			}
			return
		}
		if x := exchangeOf(w); x != nil {
			x.call(w, r)
			return
		}
		// Both were replaced. Without the exchange a second call could not be told from
		// the first, so none is allowed.
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	})
	for i := len(mws) - 1; i >= 0; i-- {
		demand(mws[i] != nil, "middleware %d is nil", i+1)
		h = mws[i](h)
		demand(h != nil, "middleware %d returned a nil handler", i+1)
	}
	return h
}

// demand panics unless ok. It is called while the application starts: later, a mistake
// would hit every client, and the application would see it only in its log. All exported
// functions that make a middleware use it to check for nil arguments.
func demand(ok bool, format string, args ...any) {
	if !ok {
		panic("wrap: " + fmt.Sprintf(format, args...))
	}
}

// exchangeOf finds the exchange behind w.
func exchangeOf(w http.ResponseWriter) *exchange {
	for w != nil {
		if o, ok := w.(interface{ exchange() *exchange }); ok {
			return o.exchange()
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = u.Unwrap()
	}
	return nil
}

// read calls f, which reads the headers of the chain, unless a status other than want has
// gone out: whoever answered instead may be setting headers now, and what is opened will
// be taken back.
func (x *exchange) read(want int32, f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if status := x.status.Load(); status == 0 || status == want {
		f()
	}
}

// call enters inner, once, while the chain runs, no answer has begun, and the client is
// still there. Otherwise it does nothing.
func (x *exchange) call(w http.ResponseWriter, r *http.Request) {
	if x.status.Load() != 0 || x.ctx.Err() != nil || r.Context().Err() != nil {
		return
	}
	if x.state.CompareAndSwap(nextPending, nextCalled) {
		defer func() {
			x.left.Store(true)
			x.inside.Done()
		}()
		x.inner.enter(w, r)
	}
}

// run serves the chain, and returns when both the chain and inner have returned. It
// reports whether inner was entered. If the chain panics, run takes back what inner has
// opened and lets the panic continue.
func (x *exchange) run(h http.Handler, w http.ResponseWriter, r *http.Request) (called bool) {
	returned := false
	defer func() {
		if called = !x.state.CompareAndSwap(nextPending, nextMissed); called {
			// http.TimeoutHandler may have returned while its goroutine is still in
			// the engine, which must not touch the connection afterwards.
			x.inside.Wait()
		}
		x.mark.x.Store(nil) // keeps no writer alive for the lifetime of the session
		if !returned {
			x.revoke()
		}
	}()
	h.ServeHTTP(w, r)
	returned = true
	return called
}

// revoke ends the session that inner has opened, since the client was told otherwise, or
// nothing at all.
func (x *exchange) revoke() {
	x.mark.revoked.Store(true)
	if x.session != nil {
		x.session.Close(true)
	}
	if c := x.mark.conn.Load(); c != nil {
		_ = c.Close()
	}
}

// opened tells the exchanges that opened conn about it.
func opened(conn engine.Socket) {
	mark := marked(conn.Request().Request())
	for h := mark; h != nil; h = h.outer {
		if x := h.x.Load(); x != nil {
			x.session = conn
		}
	}
	if c := mark.socketConn(); c != nil {
		_ = conn.On("close", func(args ...any) { c.hangUp(reason(args)) })
	}
}
