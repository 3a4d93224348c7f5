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

// eventKicked is the event that tells a client why it is put out.
const eventKicked = "kicked"

// unusedAfter is how long a connection may go without a namespace after a kick.
// A well-behaved client closes it or comes back by then. (Tests do not wait as
// long.)
var unusedAfter = 5 * time.Second

// Kick puts s out from our side and tells the client why: after a logout, when a
// token or a session is revoked, or when the user has signed in elsewhere.
//
// The client of a connected socket gets the event "kicked" with one argument,
// [Error.ClientData] of e, and then the end of the namespace. Official clients
// report "disconnect" with the reason "io server disconnect" and do not come back
// by themselves. [Context] of s ends before its "disconnect" listeners run, and
// context.Cause holds both e and a *[Disconnected] with the reason "server
// namespace disconnect". Listeners of OnAnyOutgoing do not see "kicked".
//
// The host's connection state recovery does not store a kicked socket. A state
// that it has stored at an earlier disconnect can still be resumed, until it is
// too old: let middlewares run then, as [Harden] does, and ask again there.
//
// A socket that is still in the middlewares of its namespace is refused by those
// that this package runs: its client gets connect_error with what e says, and the
// reason in context.Cause is "refused". Its Context ends at once. If only
// middlewares of others are left and these admit it, it is kicked as above as
// soon as the host has connected it; the host runs its "connection" handlers even
// so.
//
// What the client sends to the namespace before it knows is dropped, if packets are
// text. The connection stays, for other namespaces may be using it. If it is in none
// 5 seconds later, and no middleware of this package runs for one, it is closed:
// else a client that does not mind could keep it for ever.
//
// Only the first call counts. Kick does nothing for a socket that has gone. It may
// be called from any goroutine, also in middlewares, event handlers and functions
// of context.AfterFunc, and waits for no network. The "disconnecting" and
// "disconnect" listeners of s run on the caller's goroutine, as the host runs
// them: Kick returns when they have. One that panics goes to the default slog
// logger, and the socket is disconnected all the same, without its
// "disconnecting" listeners if it was one of those. A nil e means code internal.
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
	// Between the CONNECT packet and "connect" a socket says that it is connected,
	// but its client does not know it yet (socket/namespace.go:356): to disconnect
	// it now would leave it there for ever. connected sees to it then.
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
	// Not end: the namespace is still being joined.
	st.cancel(&refusedCause{Disconnected{Reason: reasonRefused}, e})
	st.conn.linger(s.Client())
}

// putOut disconnects s, which is connected.
func (st *state) putOut(s *socket.Socket, e *Error) {
	if err := call(func() error { wire.Emit(s, eventKicked, e.ClientData()); return nil }); err != nil {
		st.fault(s, asError(err)) // a listener of the engine's
	}
	st.conn.forsake(st)
	st.end(&refusedCause{Disconnected{Reason: reasonKicked}, e})
	// The host sends DISCONNECT before it forgets the socket (socket/socket.go:675):
	// a client that sends CONNECT upon it would lose the whole connection.
	settled := st.conn.mark.settle()
	st.disconnect(s)
	settled()
	st.conn.linger(s.Client())
}

// disconnect is s.Disconnect(false), whatever the listeners do.
func (st *state) disconnect(s *socket.Socket) {
	for {
		err := call(func() error { s.Disconnect(false); return nil })
		if err == nil {
			return
		}
		st.fault(s, asError(err))
		// If it was a listener of "disconnecting", the host has not cleaned anything
		// up yet (socket/socket.go:623).
		if !s.Connected() || !s.RemoveAllListeners("disconnecting") {
			return
		}
	}
}

// linger closes the connection of client, unless it is used, after unusedAfter.
func (c *connection) linger(client *socket.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.startIdle(weak.Make(client))
}

// startIdle starts idle anew. c.mu is held.
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
	// A close in the middle of a write may wait for the end of one that is over
	// (engine/socket.go:555, :557); it is not waited for twice.
	late := client.Conn().ReadyState() == "closing"
	if err := call(func() error { client.Conn().Close(late); return nil }); err != nil {
		slog.Error("wrap: closing a connection", "error", err) // a listener of the application
	}
	if !late {
		c.linger(client) // ends with the session
	}
}

// joinedAny reports whether client is in a namespace, be it one that we guard or
// not. The host alone knows and does not say: there is no exported way to the
// client's sockets (socket/client.go:25), nor from a server to its namespaces. If
// the field is not what it is in v2.5.0, the answer is true, and connections stay.
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
