package wrap

import (
	"time"

	"github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"
	"github.com/zishang520/socket.io/v2/socket"
)

// gone sees each packet of a connection before the host's decoder does: the engine tells
// of it (engine/socket.go:201), and then looks at its type. It belongs to the goroutine
// that reads the connection, and keeps two things from ending that:
//
// What a client has sent to a namespace before it came to know that it has been kicked
// out of it is dropped. The host closes the connection upon such a packet
// (socket/client.go:218), often before the packet that says why has left. That cannot
// help a packet of which the first part came before and an attachment comes after.
//
// A CONNECT that follows the DISCONNECT of the same namespace waits until the host has
// dealt with that, on a goroutine of its own (socket/client.go:216). Clients do this to
// come back with a new token.
type gone struct {
	conn        *connection
	attachments int // of a packet that was dropped, and are to come
}

// incoming is told of a packet.
func (g *gone) incoming(args ...any) {
	if len(args) == 0 {
		return
	}
	p, ok := args[0].(*packet.Packet)
	if !ok || p.Type != packet.MESSAGE {
		return
	}
	text, ok := p.Data.(*types.StringBuffer)
	if !ok {
		if g.attachments > 0 {
			g.attachments--
			p.Type = packet.NOOP
		}
		return
	}
	g.attachments = 0
	b := text.Bytes()
	if len(b) == 0 {
		return
	}
	kind := parser.PacketType(b[0])
	if kind != parser.CONNECT && kind != parser.DISCONNECT && !g.conn.kicked.Load() {
		return // nearly all
	}
	f, err := parseFrame(b)
	if err != nil || f.Type == 0 {
		return
	}
	switch nsp := f.Path(); {
	case g.conn.drops(f.Type, nsp):
		g.attachments = int(f.Attachments)
		p.Type = packet.NOOP // which the engine does nothing about
	case f.Type == parser.DISCONNECT:
		g.conn.departs(nsp)
	case f.Type == parser.CONNECT:
		g.conn.awaitDeparture(nsp)
	}
}

// forsake begins to drop what s is sent. It must be called before s is disconnected.
func (c *connection) forsake(s *socket.Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.forsaken == nil {
		c.forsaken = make(map[string]struct{})
	}
	c.forsaken[s.Nsp().Name()] = struct{}{}
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

// departs notes that the client leaves nsp.
func (c *connection) departs(nsp string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.joined[nsp] == nil || c.departing[nsp] != nil {
		return
	}
	if c.departing == nil {
		c.departing = make(map[string]chan struct{})
	}
	c.departing[nsp] = make(chan struct{})
}

// departed notes that the host has forgotten the socket of nsp.
func (c *connection) departed(nsp string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch := c.departing[nsp]; ch != nil {
		close(ch)
		delete(c.departing, nsp)
	}
}

// awaitDeparture waits until the client has left nsp, if it is about to.
func (c *connection) awaitDeparture(nsp string) {
	c.mu.Lock()
	ch := c.departing[nsp]
	c.mu.Unlock()
	if ch == nil {
		return
	}
	timer := time.NewTimer(maxSettle)
	defer timer.Stop()
	select {
	case <-ch:
	case <-timer.C:
	}
}
