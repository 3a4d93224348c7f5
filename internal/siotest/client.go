package siotest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/zishang520/socket.io/v2/socket"
)

// Client is one Engine.IO session. Its methods may be called from several
// goroutines, except those with a [testing.TB], which belong to the goroutine
// of the test.
type Client struct {
	// SID is the id of the session.
	SID string
	// Handshake is the response of the handshake; its body is consumed.
	Handshake *http.Response
	// UpgradeResponse is the response of the upgrade, nil before [Client.Upgrade].
	UpgradeResponse *http.Response
	// Open is the payload of the OPEN packet.
	Open map[string]any

	inbox

	server *Server
	dial   Dial
	ctx    context.Context
	cancel context.CancelFunc
	http   *http.Transport // polling only
	acks   atomic.Uint64

	mu      sync.Mutex
	ws      *websocket.Conn // nil while polling
	outbox  []job           // polling only
	over    bool
	set     *clientSet
	running sync.WaitGroup

	posted  chan struct{} // wakes pump
	pause   atomic.Bool   // ends the poll loop after the current request
	polled  chan struct{} // closed when the poll loop has ended
	gone    chan struct{} // closed when no goroutine remains
	closing atomic.Bool
}

func newClient(s *Server, d Dial) *Client {
	c := &Client{
		server: s,
		dial:   d,
		inbox:  inbox{done: make(chan struct{}), bound: waitBound},
		posted: make(chan struct{}, 1),
		polled: make(chan struct{}),
		gone:   make(chan struct{}),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Transport returns "websocket" or "polling".
func (c *Client) Transport() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ws != nil || !c.dial.Polling {
		return "websocket"
	}
	return "polling"
}

// Done is closed when the session has ended, whoever ended it.
func (c *Client) Done() <-chan struct{} {
	return c.done
}

// Connect sends a CONNECT packet. See [Dial.Auth] for auth.
func (c *Client) Connect(nsp string, auth any) {
	if c.dial.eio() == 3 {
		if query, ok := auth.(url.Values); ok && len(query) > 0 {
			nsp += "?" + query.Encode()
		}
		c.Send("40" + namespacePrefix(nsp))
		return
	}
	payload := ""
	if auth != nil {
		payload = mustJSON(auth)
	}
	c.Send("40" + namespacePrefix(nsp) + payload)
}

// Disconnect leaves a namespace; "" means "/".
func (c *Client) Disconnect(nsp string) {
	c.Send("41" + namespacePrefix(nsp))
}

// Leave leaves a namespace and waits until the host has processed that. The host ends the
// session of a client that joins the namespace again earlier, even if its socket is on
// none of the lists any more (socket/socket.go:637 and :638).
func (c *Client) Leave(tb testing.TB, nsp string) {
	tb.Helper()
	if nsp == "" {
		nsp = "/"
	}
	var mine *socket.Socket
	if n, ok := c.server.namespaces.Load(nsp); ok {
		n.(socket.Namespace).Sockets().Range(func(_ socket.SocketId, s *socket.Socket) bool {
			if s.Conn().Id() == c.SID {
				mine = s
			}
			return mine == nil
		})
	}
	if mine == nil {
		tb.Fatalf("siotest: the client is not in %s", nsp)
	}
	c.Disconnect(nsp)
	Eventually(tb, "the client has left "+nsp, func() bool { return !mine.Connected() })
}

// Emit sends an event to the namespace of the [Dial]. Values of type []byte,
// also inside []any and map[string]any, become binary attachments.
func (c *Client) Emit(event string, args ...any) {
	c.EmitTo(c.dial.namespace(), event, args...)
}

// EmitTo is [Client.Emit] to a given namespace.
func (c *Client) EmitTo(nsp, event string, args ...any) {
	c.write(encodePacket(TypeEvent, nsp, nil, append([]any{event}, args...)))
}

// EmitAck sends an event and waits for its acknowledgement. Other packets
// stay in the queue.
func (c *Client) EmitAck(tb testing.TB, event string, args ...any) Packet {
	tb.Helper()
	id := c.acks.Add(1)
	c.write(encodePacket(TypeEvent, c.dial.namespace(), &id, append([]any{event}, args...)))
	return c.wait(tb, fmt.Sprintf("the acknowledgement %d of %q", id, event), false, func(p Packet) bool {
		return (p.Type == TypeAck || p.Type == TypeBinaryAck) && p.ID != nil && *p.ID == id
	})
}

// Ack answers an event of the server that asked for an acknowledgement.
func (c *Client) Ack(event Packet, args ...any) {
	if args == nil {
		args = []any{}
	}
	c.write(encodePacket(TypeAck, event.Namespace, event.ID, args))
}

// Send sends raw as it is: one text frame on WebSocket, one POST on polling,
// where packets are separated by 0x1e. In Engine.IO 3 polling the lengths are
// added to each packet. On polling the request happens in the background, in
// the order of the calls.
func (c *Client) Send(raw string) {
	c.write([]frame{{data: []byte(raw)}})
}

// SendBinary sends a binary attachment.
func (c *Client) SendBinary(b []byte) {
	c.write([]frame{{data: b, binary: true}})
}

// write sends frames that must not be torn apart.
func (c *Client) write(frames []frame) {
	c.enqueue(job{frames: frames})
}

func (c *Client) enqueue(j job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		if j.sent != nil {
			close(j.sent)
		}
		return
	}
	if c.ws != nil {
		c.writeWebSocket(j.frames)
		return
	}
	c.outbox = append(c.outbox, j)
	select {
	case c.posted <- struct{}{}:
	default:
	}
}

// start runs fn in a goroutine the client owns, unless the session is over.
func (c *Client) start(fn func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return false
	}
	c.running.Add(1)
	go func() {
		defer c.running.Done()
		fn()
	}()
	return true
}

// finish ends the session once, without a word to the server. It does not
// wait, because goroutines of the client call it.
func (c *Client) finish(reason string) {
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return
	}
	c.over = true
	ws, set := c.ws, c.set
	c.mu.Unlock()
	c.end(reason)
	c.cancel()
	if ws != nil {
		_ = ws.NetConn().Close()
	}
	go func() {
		c.running.Wait()
		if c.http != nil {
			c.http.CloseIdleConnections()
		}
		if set != nil {
			set.remove(c)
		}
		close(c.gone)
	}()
}

// Kill drops the connections without a word and returns when no goroutine of
// the client is left. The host notices at once, except on polling when no
// request is open at this moment: then only the ping timeout tells it.
func (c *Client) Kill() {
	c.finish("killed by the test")
	<-c.gone
}

// Close ends the session in order: a close frame on WebSocket, a CLOSE packet
// on polling. It returns when no goroutine of the client is left.
func (c *Client) Close() {
	if c.closing.Swap(true) {
		<-c.gone
		return
	}
	bound := time.NewTimer(closeBound)
	defer bound.Stop()
	if c.Transport() == "websocket" {
		c.closeWebSocket(bound.C)
	} else {
		c.closePolling(bound.C)
	}
	c.finish("closed by the test")
	<-c.gone
}

// startPings sends the pings an Engine.IO 3 client owes.
func (c *Client) startPings() {
	interval, _ := c.Open["pingInterval"].(float64)
	if c.dial.eio() != 3 || c.dial.NoPong || interval <= 0 {
		return
	}
	c.start(func() {
		ticker := time.NewTicker(time.Duration(interval) * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				c.Send("2")
			case <-c.done:
				return
			}
		}
	})
}

// receive handles one packet of the server.
func (c *Client) receive(f frame) {
	if f.binary {
		c.note(fmt.Sprintf("<%d binary bytes>", len(f.data)))
		c.attach(f.data)
		return
	}
	text := string(f.data)
	c.note(text)
	if text == "" {
		return
	}
	switch text[0] {
	case '1':
		c.finish("the server closed the session")
	case '2':
		if c.dial.eio() != 3 && !c.dial.NoPong {
			c.Send("3" + text[1:])
		}
	case '4':
		c.push(text[1:])
	}
}
