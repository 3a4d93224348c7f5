package wrap

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/wrap/internal/header"
)

// maxAhead bounds what a conn reads ahead while a middleware runs.
const maxAhead = 4 << 10

// conn is a hijacked connection with six repairs.
//
// Gate: nothing is read before the host's handshake handler has returned.
// v2.5.0 starts its reader before it listens (transports/websocket.go:53,
// engine/base-server.go:327): a CONNECT that comes at once is lost, and a PONG
// finds no ping timer and ends the process (engine/socket.go:220).
//
// Head: the headers of the middleware chain are put into the 101 response,
// which the host's upgrader writes itself, in one piece, as the first write. It
// goes out with what is written next, or when the host reads or closes.
//
// Wait: what the client sends upon the answer to its CONNECT waits until the
// host knows the socket; see handshake.settle.
//
// End: it is closed when its client has ended the session; see hangUp.
//
// Watch: while a connection middleware runs on the reader of this connection,
// nobody would notice that the client has gone; a watch reads ahead meanwhile,
// and takes a close frame for it, too.
type conn struct {
	net.Conn
	gate <-chan struct{}
	mark *handshake
	head http.Header // nil once written
	hold bool        // the 101 response is to wait for what follows

	greet    sync.Once              // writes greeting: all others wait
	greeting atomic.Pointer[[]byte] // the 101 response, until it is written

	mu       sync.Mutex
	idle     sync.Cond // signaled when watching turns false
	reading  bool      // the reader is in Conn.Read
	into     []byte    // what it reads into: on its stack that would be too much
	watching bool      // a watch is in Conn.Read
	ahead    []byte    // read by a watch, not yet by the reader
	err      error     // what a watch ran into
	frames   frames    // of all that has been read
}

func newConn(c net.Conn, gate <-chan struct{}, mark *handshake) *conn {
	g := &conn{Conn: c, gate: gate, mark: mark}
	g.idle.L = &g.mu
	return g
}

// Write implements net.Conn. The first one is the upgrader's response
// (gorilla/websocket server.go:256); there is no concurrent one before.
func (c *conn) Write(p []byte) (n int, err error) {
	if head := c.head; head != nil {
		c.head = nil
		const end = "\r\n\r\n"
		if i := bytes.Index(p, []byte(end)); i >= 0 && bytes.HasPrefix(p, []byte("HTTP/1.1 101 ")) {
			// More than that comes from the conn of a Handler within this one.
			return c.respond(p[:i+len(end)], p[i+len(end):], head)
		}
	}
	sent := false
	c.greet.Do(func() {
		if g := c.greeting.Load(); g != nil {
			n, err = c.Conn.Write(append(*g, p...))
			n, sent = max(0, n-len(*g)), true
			c.greeting.Store(nil)
		}
	})
	if sent {
		return n, err
	}
	return c.Conn.Write(p)
}

// respond writes the upgrader's response p with the headers of the chain, and more, or
// keeps it for the next write.
func (c *conn) respond(p, more []byte, head http.Header) (int, error) {
	if bytes.Contains(p, []byte("\r\nSec-WebSocket-Protocol: ")) {
		delete(head, header.Protocol) // a middleware of the engine has chosen one
	}
	header.Unsaid(head, p)
	var b bytes.Buffer
	b.Grow(len(p) + len(more) + 512)
	b.Write(p[:len(p)-2])
	_ = head.Write(&b) // a buffer does not fail; it drops bad names and line breaks
	b.WriteString("\r\n")
	b.Write(more)
	if c.hold && len(more) == 0 {
		g := b.Bytes()
		c.greeting.Store(&g)
		return len(p), nil
	}
	if _, err := c.Conn.Write(b.Bytes()); err != nil {
		return 0, err
	}
	return len(p) + len(more), nil
}

// greeted sees to it that nothing waits while the client is waited for. What sends OPEN
// is under way by now, on a goroutine of its own (transports/websocket.go:122).
func (c *conn) greeted() {
	if c.greeting.Load() == nil {
		return
	}
	runtime.Gosched()
	c.flush()
}

// flush writes the greeting, if it still waits; the reader hears of an error.
func (c *conn) flush() {
	c.greet.Do(func() {
		if g := c.greeting.Load(); g != nil {
			_, _ = c.Conn.Write(*g)
			c.greeting.Store(nil)
		}
	})
}

// closeWait bounds how long Close waits for the 101 response.
const closeWait = 100 * time.Millisecond

// Close implements net.Conn. It waits for no write but that of the 101 response.
func (c *conn) Close() error {
	if c.greeting.Load() != nil {
		_ = c.SetWriteDeadline(time.Now().Add(closeWait))
		c.flush()
	}
	return c.Conn.Close()
}

// Read implements net.Conn. An idle connection waits in it, on a stack that the
// runtime halves if less than a quarter is in use (runtime/stack.go, shrinkstack): what
// stands before and after the wait has frames of its own, or each connection would
// keep 8 KB of stack in place of 4. 24 bytes more in this frame are too many.
func (c *conn) Read(p []byte) (int, error) {
	if n, err := c.before(p); n > 0 || err != nil {
		return n, err
	}
	return c.after(c.Conn.Read(p))
}

// before returns what has been read ahead, or, as nothing, that the caller is to read.
//
//go:noinline
func (c *conn) before(p []byte) (int, error) {
	<-c.gate
	c.greeted()
	c.mu.Lock()
	c.interrupt()
	if len(c.ahead) > 0 {
		n := copy(p, c.ahead)
		if c.ahead = c.ahead[n:]; len(c.ahead) == 0 {
			c.ahead = nil
		}
		c.mu.Unlock()
		c.mark.wait()
		return n, nil
	}
	defer c.mu.Unlock()
	c.reading, c.into = c.err == nil, p
	return 0, c.err
}

// after ends a read, and returns what it has brought.
//
//go:noinline
func (c *conn) after(n int, err error) (int, error) {
	c.mu.Lock()
	c.reading = false
	c.frames.pass(c.into[:n])
	c.into = nil
	c.mu.Unlock()
	c.mark.wait()
	return n, err
}

// hangUp closes the connection of a session that its client has ended, by a close frame,
// which has been answered, or by an end of file. The host leaves that to the garbage
// collector (transports/websocket.go:74 makes transports/transport.go:164 return), and
// the client waits for it (RFC 6455, section 7.1.1).
func (c *conn) hangUp(reason string) {
	if reason == "transport close" {
		_ = c.Close()
	}
}

// interrupt ends a running watch and waits for it. c.mu is held.
func (c *conn) interrupt() {
	if !c.watching {
		return
	}
	_ = c.SetReadDeadline(time.Unix(1, 0))
	for c.watching {
		c.idle.Wait()
	}
	_ = c.SetReadDeadline(time.Time{})
}

// watch calls lost, once at the most, if the connection breaks before stop is
// called, or its client closes it. It does nothing while the reader itself is reading:
// the host notices then. net/http watches requests in the same way (net/http server.go,
// connReader.startBackgroundRead).
func (c *conn) watch(lost func(error)) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reading || c.watching || c.err != nil || len(c.ahead) >= maxAhead {
		return func() {}
	}
	c.watching = true
	go c.readAhead(lost)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.interrupt()
	}
}

// errGone is what a watch tells of a client that has sent a close frame: it waits for the
// answer, which the reader gives.
var errGone = errors.New("wrap: the client has closed the connection")

func (c *conn) readAhead(lost func(error)) {
	if err := c.untilLost(); err != nil {
		lost(err)
	}
}

// untilLost returns why the connection is lost, or nil if it is not, or that is not to be
// known any longer.
func (c *conn) untilLost() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() {
		c.watching = false
		c.idle.Broadcast()
	}()
	buf := make([]byte, maxAhead)
	for !c.frames.closed {
		c.mu.Unlock()
		n, err := c.Conn.Read(buf)
		c.mu.Lock()
		c.frames.pass(buf[:n])
		c.ahead = append(c.ahead, buf[:n]...)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded): // interrupted
			return nil
		case err != nil:
			c.err = err
			return err
		case n == 0 || len(c.ahead) >= maxAhead && !c.frames.closed:
			return nil
		}
	}
	return errGone
}
