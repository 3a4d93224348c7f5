package wrap

import (
	"github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"
	"github.com/zishang520/socket.io/v2/socket"
)

// gone drops what a client has sent to a namespace before it came to know that it has
// been kicked out of it. The host closes the connection upon such a packet
// (socket/client.go:218), often before the packet that says why has left.
//
// It cannot help a packet of which the first part came before and an attachment comes
// after. It belongs to the goroutine that reads the connection.
type gone struct {
	conn        *connection
	attachments int // of a packet that was dropped, and are to come
}

// forsake begins to drop what s is sent. It must be called before s is disconnected.
func (c *connection) forsake(s *socket.Socket) {
	if !c.text {
		return // the packets cannot be read
	}
	c.mu.Lock()
	first := c.forsaken == nil
	if first {
		c.forsaken = make(map[string]struct{})
	}
	c.forsaken[s.Nsp().Name()] = struct{}{}
	c.mu.Unlock()
	if first {
		g := &gone{conn: c}
		_ = s.Conn().On("packet", g.incoming)
	}
}

// incoming sees each packet of the client before the host's decoder does: the engine
// tells of it (engine/socket.go:201), and then looks at its type.
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
	f, err := parseFrame(text.Bytes())
	if err == nil && f.Type != 0 && g.conn.drops(f.Type, f.Path()) {
		g.attachments = int(f.Attachments)
		p.Type = packet.NOOP // which the engine does nothing about
	}
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
