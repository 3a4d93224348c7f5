package logging

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"sync"

	"github.com/sioware/sioware/internal/wire"
	"github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/engine.io/v2/transports"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"
	"github.com/zishang520/socket.io/v2/socket"
)

// newID returns an id for a connection. Unlike the engine's own, it opens nothing.
func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// client is a Logger's view of one Engine.IO connection. It must not refer to its
// *socket.Client, to sockets, or to the engine's socket.
type client struct {
	id   string
	text bool // packets are text, and binary messages are attachments
	old  bool // Engine.IO 3

	mu         sync.Mutex
	root       *member            // in "/"
	others     map[string]*member // by namespace
	transports []string
	in, out    flow
}

// flow is the packet whose attachments are still to come.
type flow struct {
	m    *member
	left uint64
}

// clientOf returns the client for the connection of s. It adds its listeners once,
// however many sockets come and go: each listener stays until the connection ends.
func (l *Logger) clientOf(ctx context.Context, s *socket.Socket) *client {
	if c := l.clients.Load(s.Client()); c != nil {
		return c
	}
	c := &client{text: wire.Text(s), old: s.Conn().Protocol() == 3}
	if n := noteOf(ctx, l); n != nil {
		c.id = n.id
	} else {
		c.id = newID()
	}
	c, stored := l.clients.LoadOrStore(s.Client(), c)
	if !stored {
		return c
	}
	conn := s.Conn()
	c.use(cmp.Or(known(conn.Request().Query().Peek("transport")), conn.Transport().Name()))
	if conn.Transport().Name() != transports.WEBSOCKET {
		_ = conn.On("upgrade", func(args ...any) {
			if t, ok := args[0].(transports.Transport); ok {
				c.use(t.Name())
			}
		})
	}
	if conn.Upgraded() { // before we could listen
		c.use(conn.Transport().Name())
	}
	_ = conn.On("packet", c.incoming)
	_ = conn.On("packetCreate", c.outgoing)
	return c
}

// known returns transport if it is the name of one, else "".
func known(transport string) string {
	switch transport {
	case transports.POLLING, transports.WEBSOCKET, transports.WEBTRANSPORT:
		return transport
	}
	return ""
}

// use records that the connection uses a transport.
func (c *client) use(transport string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if transport != "" && (len(c.transports) == 0 || c.transports[len(c.transports)-1] != transport) {
		c.transports = append(slices.Clip(c.transports), transport)
	}
}

// used returns the transports that the connection has used. The caller must not modify
// them.
func (c *client) used() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transports
}

// add makes the packets of a namespace count for m.
func (c *client) add(nsp string, m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if nsp == "/" {
		c.root = m
		return
	}
	if c.others == nil {
		c.others = make(map[string]*member)
	}
	c.others[nsp] = m
}

// remove undoes add.
func (c *client) remove(nsp string, m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range []*flow{&c.in, &c.out} {
		if f.m == m {
			f.m = nil
		}
	}
	switch {
	case c.root == m:
		c.root = nil
	case c.others[nsp] == m:
		delete(c.others, nsp)
	}
}

// incoming sees each packet before the host's decoder does (engine/socket.go:201), and
// outgoing each one before it is sent, whether encoded for one socket or for many
// (engine/socket.go:543).
func (c *client) incoming(args ...any) { c.count(args, &c.in) }
func (c *client) outgoing(args ...any) { c.count(args, &c.out) }

// count counts a packet. It allocates only if Engine.IO 3 spells a namespace differently.
func (c *client) count(args []any, f *flow) {
	if len(args) == 0 {
		return
	}
	p, ok := args[0].(*packet.Packet)
	if !ok || p.Type != packet.MESSAGE {
		return
	}
	data, ok := p.Data.(types.BufferInterface)
	if !ok {
		return
	}
	var m *member
	var event []byte // the payload, if it is an event
	if _, text := data.(*types.StringBuffer); text && c.text {
		frame, ok := wire.Parse(data.Bytes())
		if frame.Type == parser.EVENT || frame.Type == parser.BINARY_EVENT {
			event = frame.Payload
		}
		c.mu.Lock()
		*f = flow{}
		if ok {
			m = c.find(&frame)
			*f = flow{m, frame.Attachments}
		}
		c.mu.Unlock()
	} else {
		m = c.attached(f)
	}
	if m == nil {
		return
	}
	n := int64(data.Len())
	if f == &c.in {
		m.bytesIn.Add(n)
		if event != nil {
			m.eventsIn.Add(1)
			m.remember(event)
		}
		return
	}
	m.bytesOut.Add(n)
	if event != nil {
		m.eventsOut.Add(1)
	}
}

// attached returns the socket that the next binary packet belongs to: that of the text
// before it or, if there is none, the only socket.
func (c *client) attached(f *flow) *member {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.left > 0 {
		f.left--
		return f.m
	}
	switch {
	case c.text || c.root != nil && len(c.others) > 0 || len(c.others) > 1:
		return nil
	case c.root != nil:
		return c.root
	}
	for _, m := range c.others {
		return m
	}
	return nil
}

// find returns the socket in the namespace of a packet, or nil. c.mu is held.
func (c *client) find(f *wire.Frame) *member {
	if len(f.Namespace) <= 1 {
		return c.root
	}
	m := c.others[string(f.Namespace)]
	if m != nil || !c.old {
		return m
	}
	nsp := f.Path(3) // it may have a query, or be encoded
	if nsp == "/" {
		return c.root
	}
	return c.others[nsp]
}
