package wrap

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/internal/rooms"
	"github.com/sioware/sioware/internal/sidecar"
	"github.com/sioware/sioware/internal/wire"
	"github.com/sioware/sioware/wrap/internal/few"
	"github.com/zishang520/socket.io/v2/socket"
)

// Limits on one connection.
const (
	// maxRefusals is how many CONNECTs of a connection may be refused. The host has no
	// limit: 42,000 middleware runs in 2 s have been measured.
	maxRefusals = 32
	// maxPending is how many namespaces a connection may be joining at a time. The next
	// one waits up to maxSettle for one of them.
	maxPending = 32
)

var (
	errRefusals = errors.New("wrap: too many refused CONNECT packets on one connection")
	errPending  = errors.New("wrap: CONNECT while too many, or one for the same namespace, are pending on this connection")
)

// connections holds what this package stores per Engine.IO connection.
var connections sidecar.Map[socket.Client, connection]

// connection belongs to one Engine.IO connection. It must not refer to its client, nor to
// the engine's socket, whose listeners lead to the client.
type connection struct {
	mark     *sessionMark // nil if the session was opened past this package
	text     bool         // packets are text, and binary messages are attachments
	protocol int          // of Engine.IO
	mu       sync.Mutex
	reason   string                     // why it was closed
	open     few.Map[*state, struct{}]  // sockets whose context has not ended
	pending  few.Map[string, admission] // by namespace: neither connected nor refused yet
	room     chan struct{}              // closed when one of pending is settled; nil if nobody waits
	joined   few.Map[string, *state]    // by namespace: connected
	refused  int
	refusing map[string]int // by namespace: our refusals whose CONNECT_ERROR has not been seen yet
	idle     *time.Timer    // runs after Kick; see linger

	kicked    atomic.Bool          // forsaken has been written to
	forsaken  map[string]struct{}  // namespaces of kicked sockets; see inbound
	departing map[string]departure // by namespace; see inbound

	left map[string]*rooms.Leaving // by namespace, at most maxPending; see clearRooms

	// unresolved counts the sockets that we have admitted and whose fate lies with later
	// middlewares.
	unresolved atomic.Int32
}

// admission is a socket on its way through the middlewares of a namespace.
type admission struct {
	st       *state
	admitted bool   // by ours; other middlewares may follow
	settled  func() // to be called when the host knows the socket; nil before CONNECT
}

// connectionOf returns the connection of s. It adds its listeners once, however many
// sockets come and go, since each stays until the connection closes (host.md).
func connectionOf(s *socket.Socket) *connection {
	client := s.Client()
	if c := connections.Load(client); c != nil {
		return c
	}
	c := &connection{
		mark:     markOf(s).session(),
		protocol: s.Conn().Protocol(),
		text:     wire.Text(s),
	}
	c, stored := connections.LoadOrStore(client, c)
	if stored {
		_ = s.Conn().On("close", func(args ...any) { c.close(reason(args)) })
		_ = s.Conn().On("packetCreate", c.outgoing)
		if c.text { // otherwise the packets cannot be read
			_ = s.Conn().On("packet", (&inbound{conn: c}).incoming)
		}
	}
	return c
}

// add makes st end with the connection.
func (c *connection) add(st *state) {
	c.mu.Lock()
	closed := c.reason
	if closed == "" {
		c.open.Set(st, struct{}{})
	}
	c.mu.Unlock()
	if closed != "" {
		st.end(&Disconnected{Reason: closed})
	}
}

// remove forgets st.
func (c *connection) remove(st *state) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open.Remove(st)
	if a, ok := c.pending.Get(st.nsp); ok && a.st == st {
		c.settle(st.nsp, a)
	}
	if joined, _ := c.joined.Get(st.nsp); joined == st {
		c.joined.Remove(st.nsp)
	}
}

// settle removes a pending admission. c.mu is held.
func (c *connection) settle(nsp string, a admission) {
	c.pending.Remove(nsp)
	if a.admitted {
		c.unresolved.Add(-1)
	}
	if a.settled != nil {
		a.settled()
	}
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// awaitRoom waits while too many admissions are pending, but no longer than maxSettle.
// The host connects each socket on a goroutine of its own (socket/namespace.go:275), and
// the CONNECTs of a client that joins many namespaces at once arrive faster than that.
// c.mu is held on entry and return, but not while waiting.
func (c *connection) awaitRoom() {
	timer := time.NewTimer(maxSettle)
	defer timer.Stop()
	for c.pending.Len() >= maxPending {
		if c.room == nil {
			c.room = make(chan struct{})
		}
		room := c.room
		c.mu.Unlock()
		select {
		case <-room:
			c.mu.Lock()
		case <-timer.C:
			c.mu.Lock()
			return
		}
	}
}

// close ends the states that are still open. The host's own listener ran first: sockets
// that it disconnected already have their reason.
func (c *connection) close(reason string) {
	c.mu.Lock()
	c.reason = reason
	if c.idle != nil {
		c.idle.Stop()
	}
	open := make([]*state, 0, c.open.Len())
	for st := range c.open.All() {
		open = append(open, st)
	}
	left := c.left
	c.left = nil
	c.mu.Unlock()
	for _, st := range open {
		st.end(&Disconnected{Reason: reason})
		if s := st.socket.Value(); s != nil && s.Connected() {
			st.reap()
		}
	}
	for _, l := range left {
		l.Left()
	}
}

// clearRooms takes a socket that has left nsp out of its rooms. With Engine.IO 3 it does so
// only when the connection ends, or when the next socket of nsp, which has the same ID,
// leaves.
func (c *connection) clearRooms(nsp string, l *rooms.Leaving) {
	c.mu.Lock()
	before := c.left[nsp]
	if c.protocol == 3 && c.reason == "" && (before != nil || len(c.left) < maxPending) {
		if c.left == nil {
			c.left = make(map[string]*rooms.Leaving)
		}
		c.left[nsp] = l
		l = nil
	}
	c.mu.Unlock()
	for _, l := range []*rooms.Leaving{before, l} {
		if l != nil {
			l.Left()
		}
	}
}

// enter is called before a middleware of ours runs for st. An error means that the
// connection is to be closed.
func (c *connection) enter(nsp string, st *state) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.pending.Get(nsp)
	if !ok && c.pending.Len() >= maxPending {
		c.awaitRoom()
		a, ok = c.pending.Get(nsp)
	}
	switch {
	case ok && a.st != st:
		// The host would admit both: 100 CONNECTs sent while a middleware waits make 100
		// sockets of one client in one namespace.
		return errPending
	case !ok && c.pending.Len() >= maxPending:
		return errPending
	case c.refused >= maxRefusals:
		return errRefusals
	}
	if a.admitted {
		c.unresolved.Add(-1)
	}
	a.st, a.admitted = st, false // settled is kept: a middleware may have called next twice
	c.pending.Set(nsp, a)
	return nil
}

// decided is called when a middleware has decided about st. It reports whether that is the
// first refusal.
func (c *connection) decided(nsp string, st *state, admitted bool) (refused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if refused = !admitted && !st.counted; refused {
		// The host answers on another goroutine (socket/namespace.go:275). A client that
		// does not wait for the answer may by then have its next CONNECT in the
		// middlewares, and that one is not what is being refused. A refusal that passes
		// through several of our middlewares counts once, and is answered once.
		st.counted = true
		if c.refusing == nil {
			c.refusing = make(map[string]int)
		}
		c.refusing[nsp]++
	}
	a, ok := c.pending.Get(nsp)
	if !ok || a.st != st {
		return refused // closed meanwhile
	}
	if !admitted {
		c.settle(nsp, a)
		c.refused++
		return refused
	}
	if !a.admitted {
		a.admitted = true
		c.pending.Set(nsp, a)
		c.unresolved.Add(1)
	}
	return false
}

// connected is called when the host has connected st.
func (c *connection) connected(nsp string, st *state) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a, ok := c.pending.Get(nsp); ok && a.st == st {
		c.settle(nsp, a)
	}
	if _, open := c.open.Get(st); open {
		c.joined.Set(nsp, st)
	}
}
