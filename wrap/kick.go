package wrap

import (
	"log/slog"
	"reflect"
	"time"
	"unsafe"
	"weak"

	"github.com/sioware/sioware/internal/wire"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// eventKicked is the event that tells a client why it is disconnected.
const eventKicked = "kicked"

// unusedAfter is how long a connection may go without a namespace after a kick. A
// well-behaved client closes it or comes back by then. (A variable for the tests.)
var unusedAfter = 5 * time.Second

// Kick disconnects s and tells the client why: after a logout, when a token or session is
// revoked, or when the user has signed in elsewhere.
//
// The client of a connected socket gets the event "kicked" with one argument,
// [Error.ClientData] of e, and is then disconnected from the namespace. Official clients
// report "disconnect" with the reason "io server disconnect" and do not reconnect by
// themselves. [Context] of s ends before its "disconnect" listeners run, and
// context.Cause holds both e and a *[Disconnected] with the reason "server namespace
// disconnect". OnAnyOutgoing listeners do not see "kicked".
//
// The host's connection state recovery does not store a kicked socket. A state that it
// stored at an earlier disconnect can still be resumed until it expires: let middlewares
// run in that case, as [Harden] does, and check again there.
//
// A socket that is still in the middlewares of its namespace is refused by those that
// this package runs: its client gets connect_error with what e says, and the reason in
// context.Cause is "refused". Its Context ends at once. If only middlewares that this
// package does not run are left, and they admit it, it is kicked as above as soon as the
// host has connected it; the host runs its "connection" handlers all the same.
//
// What the client sends to the namespace before it knows is dropped, if packets are text.
// The connection stays open, for other namespaces may be using it. If it is in none 5
// seconds later, and no middleware of this package is running for one, it is closed;
// otherwise a client could ignore the kick and keep it for ever.
//
// Only the first call counts. Kick does nothing for a socket that has gone. It may be
// called from any goroutine, also in middlewares, event handlers and functions of
// context.AfterFunc, and does not wait for the network. The "disconnecting" and
// "disconnect" listeners of s run on the caller's goroutine, as they do with the host:
// Kick returns when they have. A panic in one goes to the default slog logger, and the
// socket is disconnected all the same, without its "disconnecting" listeners if one of
// those panicked. A nil e means code internal.
func Kick(s *socket.Socket, e *Error) {
	if e == nil {
		e = errNil()
	}
	st := stateOf(s)
	if st.ended() {
		return
	}
	st.mu.Lock()
	if st.kick != nil {
		st.mu.Unlock()
		return
	}
	st.kick = e
	// Between the CONNECT packet and "connect" a socket says that it is connected, but
	// its client does not know it yet (socket/namespace.go:356): if it were disconnected
	// now, the client would believe in it for ever. observer.connected takes care of it.
	shown, entered := st.shown, st.entered
	st.mu.Unlock()

	if !shown && !entered {
		observe(s.Nsp()) // it may be in a middleware that we do not run
		shown = s.Connected()
	}
	if shown {
		st.putOut(s, e)
		return
	}
	// Not st.end, which would forget that the namespace is still being joined.
	st.cancel(&refusedCause{Disconnected{Reason: reasonRefused}, e})
	st.conn.linger(s.Client())
}

// putOut disconnects s, which is connected, and tells its client why.
func (st *state) putOut(s *socket.Socket, e *Error) {
	if err := safely(func() error { wire.Emit(s, eventKicked, e.ClientData()); return nil }); err != nil {
		st.fault(s, asError(err)) // a listener of the engine panicked
	}
	st.conn.forsake(st)
	st.end(&refusedCause{Disconnected{Reason: reasonKicked}, e})
	// The host sends DISCONNECT before it forgets the socket (socket/socket.go:675): a
	// client that answers with CONNECT would lose the whole connection.
	settled := st.conn.mark.settle()
	st.disconnect(s)
	settled()
	st.conn.linger(s.Client())
}

// disconnect is s.Disconnect(false), even if listeners panic.
func (st *state) disconnect(s *socket.Socket) {
	for {
		err := safely(func() error { s.Disconnect(false); return nil })
		if err == nil {
			return
		}
		st.fault(s, asError(err))
		// If it was a "disconnecting" listener, the host has not cleaned up anything yet
		// (socket/socket.go:623).
		if !s.Connected() || !s.RemoveAllListeners("disconnecting") {
			return
		}
	}
}

// linger closes the connection of client after unusedAfter, unless it is in use.
func (c *connection) linger(client *socket.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.startIdle(weak.Make(client))
}

// startIdle restarts idle. c.mu is held.
func (c *connection) startIdle(client weak.Pointer[socket.Client]) {
	if c.idle != nil {
		c.idle.Stop()
	}
	if c.reason == "" {
		c.idle = time.AfterFunc(unusedAfter, func() { c.closeUnused(client) })
	}
}

// closeUnused is called by idle.
func (c *connection) closeUnused(weakly weak.Pointer[socket.Client]) {
	client := weakly.Value()
	if client == nil {
		return
	}
	c.mu.Lock()
	pending := c.pending.Len() > 0
	if pending {
		c.startIdle(weakly) // until they are decided
	}
	c.mu.Unlock()
	if pending || joinedAny(client) {
		return
	}
	// A close during a write may wait for the end of one that is already over
	// (engine/socket.go:555, :557); do not wait for it twice.
	late := client.Conn().ReadyState() == "closing"
	if err := safely(func() error { client.Conn().Close(late); return nil }); err != nil {
		slog.Error("wrap: closing a connection", "error", err) // a listener of the application
	}
	if !late {
		c.linger(client) // ends with the session
	}
}

// joinedAny reports whether client is in a namespace, guarded by this package or not.
// Only the host knows, and there is no exported way to the client's sockets
// (socket/client.go:25), nor from a server to its namespaces. If the field is not what it
// is in v2.5.0, the answer is true, and connections stay open.
func joinedAny(client *socket.Client) (joined bool) {
	f := reflect.ValueOf(client).Elem().FieldByName("nsps")
	if !f.IsValid() || f.Type() != reflect.TypeFor[*types.Map[string, *socket.Socket]]() {
		return true
	}
	nsps := *(**types.Map[string, *socket.Socket])(unsafe.Pointer(f.UnsafeAddr()))
	nsps.Range(func(_ string, s *socket.Socket) bool {
		joined = s.Connected()
		return !joined
	})
	return joined
}
