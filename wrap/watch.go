package wrap

import (
	"context"
	"slices"
	"sync/atomic"
	"weak"

	"github.com/zishang520/socket.io/v2/socket"
)

// Hooks observe what becomes of a socket; see [Watch]. Each may be nil. They may run
// concurrently, must not block, and must not panic: a panic is logged.
type Hooks struct {
	// Connected runs when the host has connected the socket, before its "connection"
	// handlers: at most once, and not if the socket has been refused or kicked, or its
	// connection is gone. It may take as long as those may, a second or so: only what its
	// client sends waits for it.
	Connected func()

	// Event runs when the packet middlewares of this package have let an event pass,
	// before its handlers. It may replace e.Ack to see their answer. Each call has a
	// cost: a new goroutine has to grow its stack for it.
	Event func(e *Event)

	// Refused runs when one of them has not let an event pass: err says why, and is
	// [ErrHandled] if that middleware has dealt with the event itself. Otherwise the
	// client has been answered by then.
	Refused func(e *Event, err error)

	// Active is set to true by each event, whatever becomes of it. This costs nothing.
	Active *atomic.Bool

	// Fault receives what this package would write to the default slog logger: a fault
	// that ends the connection, or a panic in a listener of the application. With Fault
	// set, nothing about the socket is written there: why it was refused is the cause of
	// [Context], and why an event was refused is passed to Refused. A recovered panic has
	// a method Stack() []byte, which errors.As finds.
	Fault func(err error)
}

// Watch adds h to the hooks of s; call it in a connection middleware. All hooks of a
// socket run in the order in which they were added; what they refer to is kept as long as
// the socket. How a socket ends is known from [Context] and its cause.
func Watch(s *socket.Socket, h Hooks) {
	observe(s.Nsp())
	stateOf(s).tap(s, func(t *tapped) {
		t.hooks = append(slices.Clip(t.hooks), h)
		t.events = t.events || h.Event != nil
		if h.Active != nil {
			t.active = append(slices.Clip(t.active), h.Active)
		}
	})
}

// packetFunc is a packet middleware.
type packetFunc = func(ctx context.Context, s *socket.Socket, p *Event) error

// tapped holds the hooks and packet middlewares of a socket. It is immutable.
type tapped struct {
	funcs  []packetFunc
	hooks  []Hooks
	active []*atomic.Bool // of hooks
	events bool           // some hook has an Event function
}

// taps belong to a socket, not to its state, since they may refer to the socket.
type taps = atomic.Pointer[tapped]

// tap changes what s is tapped by.
func (st *state) tap(s *socket.Socket, change func(*tapped)) {
	l := st.listen(s)
	st.mu.Lock()
	var t tapped
	if old := l.Load(); old != nil {
		t = *old
	}
	change(&t)
	l.Store(&t)
	late := !st.entered && s.Connected() // there are no handlers that we could wait for
	st.mu.Unlock()
	if late {
		st.release()
	}
}

// tapped returns the taps of the socket, or nil if there are none or the socket has been
// collected.
func (st *state) tapped() *tapped {
	st.mu.Lock()
	defer st.mu.Unlock()
	if l := st.taps.Value(); l != nil {
		return l.Load()
	}
	return nil
}

// listen makes the events of s pass our packet middlewares, and returns the taps. They
// all share one packet middleware of the host: each of those adds some frames to a new
// goroutine, which would have to grow its stack for each event.
func (st *state) listen(s *socket.Socket) *taps {
	st.mu.Lock()
	if l := st.taps.Value(); l != nil {
		st.mu.Unlock()
		return l
	}
	l := new(taps)
	st.taps = weak.Make(l)
	st.mu.Unlock()
	s.Use(func(ev []any, next func(error)) {
		st.hold()
		if st.deaf.Load() {
			s.Conn().Close(true)
			return
		}
		if t := l.Load(); t != nil {
			for _, a := range t.active {
				if !a.Load() {
					a.Store(true)
				}
			}
			if len(t.funcs) > 0 || t.events {
				if err := st.dispatch(s, ev, t); err != nil {
					st.refusePacket(s, ev, next, t, err)
					return
				}
			}
		}
		next(nil)
	})
	return l
}

// event calls the hooks for an event that goes to its handlers.
//
//go:noinline
func (t *tapped) event(s *socket.Socket, p *Event) {
	for _, h := range t.hooks {
		if h.Event != nil {
			runHook(s, func() { h.Event(p) })
		}
	}
}

// runHook calls a hook.
func runHook(s *socket.Socket, hook func()) {
	if err := safely(func() error { hook(); return nil }); err != nil {
		report(s, asError(err))
	}
}

// connected calls the hooks when the host has connected s.
func (st *state) connected(s *socket.Socket) {
	t := st.tapped()
	if t == nil {
		return
	}
	for _, h := range t.hooks {
		if h.Connected != nil {
			runHook(s, h.Connected)
		}
	}
}

// watched reports whether a hook receives faults.
func (st *state) watched() bool {
	t := st.tapped()
	return t != nil && slices.ContainsFunc(t.hooks, func(h Hooks) bool { return h.Fault != nil })
}

// fault passes a fault that concerns s to the hooks, or logs it.
func (st *state) fault(s *socket.Socket, e *Error) {
	if !st.watched() {
		report(s, e)
		return
	}
	for _, h := range st.tapped().hooks {
		if h.Fault != nil {
			runHook(s, func() { h.Fault(e) })
		}
	}
}
