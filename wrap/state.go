package wrap

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/sioware/sioware/internal/rooms"
	"github.com/sioware/sioware/internal/sidecar"
	"github.com/zishang520/socket.io/v2/socket"
)

// Limits on the events of a socket that wait for its "connection" handlers.
const (
	maxWaiting = 1024
	maxWait    = 2 * time.Second
)

// states holds what this package stores per socket.
var states sidecar.Map[socket.Socket, state]

// state belongs to one socket, and must not refer to it.
type state struct {
	conn   *connection
	socket weak.Pointer[socket.Socket]
	nsp    string // the namespace's name

	mu      sync.Mutex
	ctx     context.Context
	request *http.Request // the host's; our own copy once own is set
	own     bool
	passed  []*serverChain
	entered bool        // has reached a middleware of ours, so appear will report it
	shown   bool        // the host has connected it
	counted bool        // in connection.refusing; guarded by its mutex
	kick    *Error      // what Kick was called with, or nil
	name    string      // of the running middleware, if given by Named
	refused string      // the name, by Named, of a foreign middleware that refused it
	attempt *attempt    // the running one; see attend
	timer   *time.Timer // used by attend

	cancel  context.CancelCauseFunc
	wrapped atomic.Bool        // has passed Namespace
	deaf    atomic.Bool        // was refused: if the host connects it all the same, no event reaches it
	taps    weak.Pointer[taps] // hooks and packet middlewares; see listen

	ready   chan struct{} // closed when the "connection" handlers have returned
	once    sync.Once     // closes ready
	waiting atomic.Int32  // events in hold
}

// stateOf returns the state of s, creating it on the first call.
func stateOf(s *socket.Socket) *state {
	if st := states.Load(s); st != nil {
		return st
	}
	st := &state{conn: connectionOf(s), socket: weak.Make(s), nsp: s.Nsp().Name(), request: s.Request().Request(), ready: make(chan struct{})}
	// The request's own context was canceled when its handler returned.
	st.ctx, st.cancel = context.WithCancelCause(context.WithoutCancel(st.request.Context()))
	st, stored := states.LoadOrStore(s, st)
	if !stored {
		return st
	}
	// A rejected socket never emits this, and a connected one may emit it twice or never
	// (socket/socket.go:619 tests and :636 sets without a lock, and a socket stored after
	// its transport closed is forgotten): the end of the connection covers those.
	var leaving atomic.Pointer[rooms.Leaving]
	_ = s.On("disconnecting", func(...any) {
		if leaving.Load() == nil { // the second event might find no rooms any more
			leaving.CompareAndSwap(nil, rooms.LeavingOf(s))
		}
	})
	_ = s.On("disconnect", func(args ...any) {
		why := reason(args)
		st.end(&Disconnected{Reason: why})
		l := leaving.Load()
		if l == nil { // a "disconnecting" listener panicked; see Kick
			l = rooms.LeavingOf(s)
		}
		l.Restore(s)
		st.conn.clearRooms(st.nsp, l)
		l.Mend()
		st.conn.departed(st)
		if why == reasonLeft {
			// The host gives up a connection that never joins a namespace, but not one
			// that has left its last: it would be kept as long as it answers pings.
			st.conn.linger(s.Client())
		}
	})
	st.conn.add(st)
	if s.Conn().ReadyState() != "open" { // closed before we could listen
		st.end(&Disconnected{Reason: "transport close"})
	}
	return st
}

// reason returns the first argument of the host's closing events.
func reason(args []any) string {
	if len(args) > 0 {
		if r, ok := args[0].(string); ok {
			return r
		}
	}
	return "unknown"
}

func (st *state) context() context.Context {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.ctx
}

// end ends the context. The first cause stays.
func (st *state) end(cause error) {
	var r *refusedCause
	if errors.As(cause, &r) && r.Reason == reasonRefused {
		st.deaf.Store(true)
	}
	st.cancel(cause)
	st.conn.remove(st)
}

// reap disconnects the socket of a closed connection if the host has forgotten it: a
// socket that it connects while it disconnects the others (socket/client.go:134 and :138)
// would stay for ever. Usually the host is about to disconnect it, and has done so by the
// time that reap looks.
func (st *state) reap() {
	time.AfterFunc(maxSettle, func() {
		if s := st.socket.Value(); s != nil && s.Connected() {
			st.disconnect(s)
		}
	})
}

func (st *state) ended() bool { return st.context().Err() != nil }

func (st *state) httpRequest() *http.Request {
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.own {
		st.request = st.request.Clone(st.ctx)
		st.request.Body = http.NoBody
		st.own = true
	}
	return st.request
}

// adopt makes r, which a Namespace chain passed on, the request of the socket, and the
// values of its context those of the socket's.
func (st *state) adopt(r *http.Request) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.ctx = layered{st.ctx, context.WithoutCancel(r.Context())}
	st.request, st.own = r.WithContext(st.ctx), true
	st.wrapped.Store(true)
}

// enter records that a middleware of ours runs, and returns the error of Kick, or nil.
func (st *state) enter() *Error {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.entered = true
	return st.kick
}

// alien reports whether no middleware of ours has seen the socket, and the host has not
// connected it.
func (st *state) alien() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.entered || st.shown {
		return false
	}
	s := st.socket.Value()
	return s == nil || !s.Connected()
}

// appear records that the host has connected the socket. It returns the error of Kick, or
// nil, and whether the socket had ended before. A later Kick ends the socket itself.
func (st *state) appear() (kick *Error, ended bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.shown = true
	if st.attempt == nil {
		st.timer = nil // an idle socket needs none
	}
	return st.kick, st.ctx.Err() != nil
}

// kicked returns the error of Kick, or nil.
func (st *state) kicked() *Error {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.kick
}

func (st *state) pass(g *serverChain) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.passed = append(st.passed, g)
}

func (st *state) hasPassed(g *serverChain) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.Contains(st.passed, g)
}

// hold keeps an event back until the "connection" handlers have returned.
func (st *state) hold() {
	select {
	case <-st.ready:
		return
	default:
	}
	defer st.waiting.Add(-1)
	if st.waiting.Add(1) > maxWaiting {
		return
	}
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	select {
	case <-st.ready:
	case <-st.context().Done():
	case <-timer.C:
		st.release() // a handler that does not return must not delay every event
	}
}

func (st *state) release() { st.once.Do(func() { close(st.ready) }) }
