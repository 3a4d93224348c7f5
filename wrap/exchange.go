package wrap

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/zishang520/engine.io/v2/engine"
)

// The states of an exchange.
const (
	idle    = iota // next may be called
	running        // next is running
	done           // next has returned
	closed         // the chain has returned without next
)

// exchange is one run of a middleware chain for one request.
type exchange struct {
	mark  *handshake
	ctx   context.Context // of the client's own request
	next  func(w http.ResponseWriter, r *http.Request)
	left  chan struct{} // closed when next has returned
	state atomic.Int32

	// status is the first final status that went out through the chain, or 0.
	status atomic.Int32

	// session is what next has opened. It is set while next runs.
	session engine.Socket
}

// start returns an exchange and the request to run its chain with.
func start(r *http.Request) (*exchange, *http.Request) {
	x := &exchange{mark: &handshake{outer: marked(r)}, ctx: r.Context(), left: make(chan struct{})}
	x.mark.x.Store(x)
	return x, withMark(r, x.mark)
}

// chain builds mws around the call of an exchange's next. It is built once; the
// exchange is found through the request, or through the writer where a
// middleware has replaced the request's context.
func chain(mws []Middleware) http.Handler {
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := marked(r); h != nil {
			if x := h.x.Load(); x != nil { // else the chain has returned
				x.call(w, r)
			}
			return
		}
		if x := exchangeOf(w); x != nil {
			x.call(w, r)
			return
		}
		// Both were replaced. Without the exchange a second call could not be told
		// from the first, so there is none.
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	})
	for i := len(mws) - 1; i >= 0; i-- {
		h = mws[i](h)
	}
	return h
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

// call runs next if it has not run, no answer has begun, and the client is
// still there. Other calls are harmless.
func (x *exchange) call(w http.ResponseWriter, r *http.Request) {
	if x.status.Load() != 0 || x.ctx.Err() != nil || r.Context().Err() != nil {
		return
	}
	if !x.state.CompareAndSwap(idle, running) {
		return
	}
	defer func() {
		x.state.Store(done)
		close(x.left)
	}()
	x.next(w, r)
}

// run serves the chain, and returns when both the chain and next have returned.
// It reports whether next was called. If the chain panics, so does run, and
// refuses what next has opened.
func (x *exchange) run(h http.Handler, w http.ResponseWriter, r *http.Request) (called bool) {
	returned := false
	defer func() {
		if !x.state.CompareAndSwap(idle, closed) {
			// http.TimeoutHandler may have returned while its goroutine is still in
			// the engine, which must not touch the connection afterwards.
			<-x.left
			called = true
		}
		x.mark.x.Store(nil) // keeps no writer alive for the session's lifetime
		if !returned {
			x.revoke()
		}
	}()
	h.ServeHTTP(w, r)
	returned = true
	return called
}

// revoke ends the session that next has opened: the client has been told
// otherwise, or nothing at all.
func (x *exchange) revoke() {
	x.mark.revoked.Store(true)
	if x.session != nil {
		x.session.Close(true)
	}
	if c := x.mark.conn.Load(); c != nil {
		_ = c.Close()
	}
}

// opened tells the exchanges that opened conn of it.
func opened(conn engine.Socket) {
	for h := marked(conn.Request().Request()); h != nil; h = h.outer {
		if x := h.x.Load(); x != nil {
			x.session = conn
		}
	}
}
