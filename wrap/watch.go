package wrap

import (
	"context"
	"slices"
	"sync/atomic"
	"weak"

	"github.com/zishang520/socket.io/v2/socket"
)

// Hooks are told what becomes of a socket; see [Watch]. Each may be nil. They may run
// concurrently, must not block, and must not panic: who does is logged.
type Hooks struct {
	// Connected runs when the host has connected the socket, before its "connection"
	// handlers do: at most once, and not for one that has been refused or kicked, or whose
	// connection is gone. It may take as long as those may, a second or so: what its client
	// sends waits for it, and nothing else.
	Connected func()

	// Event runs when the packet middlewares of this package have let an event pass,
	// before its handlers do. It may replace e.Ack to see their answer. Each costs: a
	// goroutine that has just begun has to grow its stack for it.
	Event func(e *Event)

	// Refused runs when one of them has not: err says why, and is [ErrHandled] if it
	// has dealt with the event. The client has its answer.
	Refused func(e *Event, err error)

	// Active is set to true by each event, whatever becomes of it. That costs nothing.
	Active *atomic.Bool

	// Fault takes what this package would write to the default slog logger: a fault
	// that ends the connection, or a listener of the application that panics. With
	// it, nothing of the socket is written there: why it was refused is the cause of
	// [Context], and why an event was is told to Event. A recovered panic has a
	// method Stack() []byte, which errors.As finds.
	Fault func(err error)
}

// Watch has h told what becomes of s, from a connection middleware. All hooks of a
// socket run in the order in which they came; what they hold is kept as long as the
// socket. How a socket ends is told by [Context] and its cause.
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

// tapped is what is told of a socket, and of its events. It does not change.
type tapped struct {
	funcs  []packetFunc
	hooks  []Hooks
	active []*atomic.Bool // of hooks
	events bool           // some of hooks are told of each event
}

// taps belong to a socket, not to its state, since they may refer to it.
type taps = atomic.Pointer[tapped]

// tap changes what is told of s.
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

// tapped returns what is told of the socket, or nil. It is nil too once the socket
// has been collected.
func (st *state) tapped() *tapped {
	st.mu.Lock()
	defer st.mu.Unlock()
	if l := st.taps.Value(); l != nil {
		return l.Load()
	}
	return nil
}

// listen has the events of s pass our packet middlewares, and returns where they are.
// They share one of the host's, whose each adds some frames to a goroutine that has
// just begun: it would have to grow its stack for each event.
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

// event tells of an event that goes to its handlers.
//
//go:noinline
func (t *tapped) event(s *socket.Socket, p *Event) {
	for _, h := range t.hooks {
		if h.Event != nil {
			tell(s, func() { h.Event(p) })
		}
	}
}

// tell calls a hook.
func tell(s *socket.Socket, hook func()) {
	if err := call(func() error { hook(); return nil }); err != nil {
		report(s, asError(err))
	}
}

// connected tells that the host has connected s.
func (st *state) connected(s *socket.Socket) {
	t := st.tapped()
	if t == nil {
		return
	}
	for _, h := range t.hooks {
		if h.Connected != nil {
			tell(s, h.Connected)
		}
	}
}

// watched reports whether somebody is told why the socket is refused.
func (st *state) watched() bool {
	t := st.tapped()
	return t != nil && slices.ContainsFunc(t.hooks, func(h Hooks) bool { return h.Fault != nil })
}

// fault tells of a fault that concerns s, or logs it.
func (st *state) fault(s *socket.Socket, e *Error) {
	if !st.watched() {
		report(s, e)
		return
	}
	for _, h := range st.tapped().hooks {
		if h.Fault != nil {
			tell(s, func() { h.Fault(e) })
		}
	}
}
