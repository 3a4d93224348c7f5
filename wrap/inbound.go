package wrap

import (
	"math"
	"sync/atomic"

	"github.com/sioware/sioware/wrap/internal/decode"
	"github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"
)

// inbound sees each packet of a connection before the host's decoder does: the engine
// emits the packet (engine/socket.go:201), and then looks at its type. It is called on
// the goroutine that reads the connection, of which there are two during an upgrade, and
// prevents two cases in which the host would close the connection:
//
// Packets that a client sends to a namespace before it learns that it has been kicked out
// of it are dropped. The host closes the connection on such a packet
// (socket/client.go:218), often before the packet that says why has been sent. This does
// not help if the first part of a packet came before the kick and an attachment comes
// after.
//
// A CONNECT that follows a DISCONNECT of the same namespace waits until the host has
// processed the latter, on a goroutine of its own (socket/client.go:216). Clients do this
// to come back with a new token.
type inbound struct {
	conn        *connection
	attachments atomic.Int32 // still to come, of a packet that was dropped
}

// message returns the message among the arguments of a packet event of the engine, or nil
// if the packet is of another type, and its text, or nil if it is binary.
func message(args []any) (p *packet.Packet, text *types.StringBuffer) {
	if len(args) == 0 {
		return nil, nil
	}
	p, ok := args[0].(*packet.Packet)
	if !ok || p.Type != packet.MESSAGE {
		return nil, nil
	}
	text, _ = p.Data.(*types.StringBuffer)
	return p, text
}

// incoming is the listener for packets.
func (in *inbound) incoming(args ...any) {
	p, text := message(args)
	switch {
	case p == nil:
		return
	case text == nil:
		if in.attachments.Load() > 0 {
			in.attachments.Add(-1)
			p.Type = packet.NOOP
		}
		return
	}
	if in.attachments.Load() != 0 { // a write would slow down every packet
		in.attachments.Store(0)
	}
	b := text.Bytes()
	if len(b) == 0 {
		return
	}
	kind := parser.PacketType(b[0])
	if kind != parser.CONNECT && kind != parser.DISCONNECT && !in.conn.kicked.Load() {
		return // nearly all packets
	}
	f, ok, err := decode.Frame(b)
	if !ok || err != nil {
		return
	}
	switch nsp := f.Path(in.conn.protocol); {
	case in.conn.drops(f.Type, nsp):
		in.attachments.Store(int32(min(f.Attachments, math.MaxInt32)))
		p.Type = packet.NOOP // the engine ignores these
	case f.Type == parser.DISCONNECT:
		in.conn.departs(nsp, nil)
	case f.Type == parser.CONNECT:
		in.conn.awaitDeparture(nsp)
	}
}

// forsake starts dropping what the client sends to the socket of st. It must be called
// before the socket is disconnected, and before st ends.
func (c *connection) forsake(st *state) {
	c.departs(st.nsp, st)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forsaken == nil {
		c.forsaken = make(map[string]struct{})
	}
	c.forsaken[st.nsp] = struct{}{}
	c.kicked.Store(true)
}

// drops reports whether a packet is for a socket that has been kicked.
func (c *connection) drops(kind parser.PacketType, nsp string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.forsaken[nsp]; !ok {
		return false
	}
	if kind == parser.CONNECT {
		delete(c.forsaken, nsp) // it comes back
		return false
	}
	return true
}

// departure is a socket that is about to leave its namespace.
type departure struct {
	st  *state
	end chan struct{} // closed when the host has forgotten it
}

// departs notes that the socket that has joined nsp is leaving. If st is not nil, it does
// so only if that socket is the one of st.
func (c *connection) departs(nsp string, st *state) {
	c.mu.Lock()
	defer c.mu.Unlock()
	joined, _ := c.joined.Get(nsp)
	old := c.departing[nsp]
	if joined == nil || st != nil && st != joined || old.st == joined {
		return
	}
	if c.departing == nil {
		c.departing = make(map[string]departure)
	}
	if old.st != nil { // the host has not reported its end
		close(old.end)
	}
	c.departing[nsp] = departure{joined, make(chan struct{})}
}

// departed notes that the host has forgotten the socket of st.
func (c *connection) departed(st *state) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.departing[st.nsp]; d.st == st {
		close(d.end)
		delete(c.departing, st.nsp)
	}
}

// awaitDeparture waits until the client has left nsp, if it is about to.
func (c *connection) awaitDeparture(nsp string) {
	c.mu.Lock()
	end := c.departing[nsp].end
	c.mu.Unlock()
	if end != nil {
		awaitSettled(end)
	}
}
