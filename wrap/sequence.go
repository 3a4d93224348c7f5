package wrap

import (
	"sync/atomic"

	"github.com/zishang520/socket.io/v2/socket"
)

// sequence runs mws one after the other. The host would run each inside the previous one
// (socket/namespace.go:185), on a stack that grows with each.
func sequence(mws []socket.NamespaceMiddleware) socket.NamespaceMiddleware {
	return func(s *socket.Socket, next func(*socket.ExtendedError)) {
		w := &walk{s: s, mws: mws, next: next}
		w.from(0)
	}
}

// walk is the progress of one socket through a sequence.
type walk struct {
	s    *socket.Socket
	mws  []socket.NamespaceMiddleware
	next func(*socket.ExtendedError)
	told atomic.Bool // next has been called
}

// finish calls next.
func (w *walk) finish(ext *socket.ExtendedError) {
	w.told.Store(true)
	if ext != nil {
		ext = stateOf(w.s).refusedBy(ext)
	}
	w.next(ext)
}

// refusedBy records a refusal, which is that of a plain middleware unless one of ours has
// recorded it, and returns what to tell the client. It is recorded before the client is
// told, since the client might not wait for the answer: see connection.decided.
func (st *state) refusedBy(ext *socket.ExtendedError) *socket.ExtendedError {
	if !st.conn.decided(st.nsp, st, false) {
		return ext
	}
	st.end(&refusedCause{Disconnected{reasonRefused, st.refuser()}, ext})
	return (&foreign{ext}).extended()
}

// What has become of one middleware.
const (
	stepRunning  = iota
	stepReturned // without calling next
	stepAdmitted // before it returned
	stepDecided
)

// from runs the middlewares from i on. A panic of a plain one would end the process. It
// may or may not have admitted the socket, so the connection is closed.
func (w *walk) from(i int) {
	err := safely(func() error {
		for ; i < len(w.mws); i++ {
			if !w.step(i) {
				return nil
			}
		}
		w.finish(nil)
		return nil
	})
	if err == nil {
		return
	}
	stateOf(w.s).fault(w.s, asError(err))
	w.s.Conn().Close(true)
	if !w.told.Load() {
		// The host cleans up, and sends nothing. Middlewares further in may panic too.
		_ = safely(func() error { w.finish(asError(err).extended()); return nil })
	}
}

// step runs one middleware, and reports whether it has admitted the socket before
// returning.
func (w *walk) step(i int) bool {
	var state atomic.Int32
	w.mws[i](w.s, func(ext *socket.ExtendedError) {
		switch {
		case ext == nil && state.CompareAndSwap(stepRunning, stepAdmitted):
			// The caller continues when this middleware has returned.
		case !state.CompareAndSwap(stepRunning, stepDecided) && !state.CompareAndSwap(stepReturned, stepDecided):
			// It has called next before.
		case ext == nil:
			w.from(i + 1)
		default:
			w.finish(ext)
		}
	})
	return !state.CompareAndSwap(stepRunning, stepReturned) && state.Load() == stepAdmitted
}
