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

// conn is a hijacked connection with five repairs.
//
// Gate: nothing is read before the host's handshake handler has returned. v2.5.0 starts
// its reader before it listens (transports/websocket.go:53, engine/base-server.go:327): a
// CONNECT that arrives at once is lost, and a PONG finds no ping timer and ends the
// process (engine/socket.go:220).
//
// Head: the headers of the middleware chain are inserted into the 101 response, which the
// host's upgrader writes itself, in one piece, as the first write. It goes out with the
// next write, or when the host reads or closes.
//
// Wait: what the client sends in response to the answer to its CONNECT waits until the
// host knows the socket; see handshake.settle.
//
// End: the connection is closed when its client has ended the session; see hangUp.
//
// Watch: while a connection middleware runs on the goroutine that reads this connection,
// nobody would notice that the client has gone. A watch reads ahead meanwhile, and also
// counts a close frame as leaving.
type conn struct {
	net.Conn
	gate <-chan struct{}
	mark *sessionMark
	head http.Header // nil once written
	hold bool        // delay the 101 response until the host writes, reads or closes

	greet    sync.Once              // writes greeting; other writers wait
	greeting atomic.Pointer[[]byte] // the 101 response, until it is written

	mu       sync.Mutex
	idle     sync.Cond // signaled when watching turns false
	reading  bool      // the reader is in Conn.Read
	into     []byte    // what it reads into; kept here to spare its stack
	watching bool      // a watch is in Conn.Read
	ahead    []byte    // read by a watch, not yet by the reader
	err      error     // what a watch ran into
	frames   frames    // parses everything read so far
}

func newConn(c net.Conn, gate <-chan struct{}, mark *sessionMark) *conn {
	g := &conn{Conn: c, gate: gate, mark: mark}
	g.idle.L = &g.mu
	return g
}

// Write implements net.Conn. The first write is the upgrader's response
// (gorilla/websocket server.go:256); nothing writes concurrently before it.
func (c *conn) Write(p []byte) (n int, err error) {
	if head := c.head; head != nil {
		c.head = nil
		const end = "\r\n\r\n"
		if i := bytes.Index(p, []byte(end)); i >= 0 && bytes.HasPrefix(p, []byte("HTTP/1.1 101 ")) {
			// Anything after it comes from the conn of a Handler nested in this one.
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

// respond writes the upgrader's response p with the headers of the chain added, followed
// by more, or keeps it for the next write.
func (c *conn) respond(p, more []byte, head http.Header) (int, error) {
	if bytes.Contains(p, []byte("\r\nSec-WebSocket-Protocol: ")) {
		delete(head, header.Protocol) // a middleware of the engine has chosen one
	}
	header.Unsaid(head, p)
	var b bytes.Buffer
	b.Grow(len(p) + len(more) + 512)
	b.Write(p[:len(p)-2])
	_ = head.Write(&b) // a buffer cannot fail; bad names and line breaks are dropped
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

// greeted makes sure that the greeting is not held back while we wait for the client. The
// goroutine that sends OPEN has been started by now (transports/websocket.go:122).
func (c *conn) greeted() {
	if c.greeting.Load() == nil {
		return
	}
	runtime.Gosched()
	c.flush()
}

// flush writes the greeting, if it still waits; the reader will see any error.
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

// Close implements net.Conn. It waits for no write except that of the 101 response.
func (c *conn) Close() error {
	if c.greeting.Load() != nil {
		_ = c.SetWriteDeadline(time.Now().Add(closeWait))
		c.flush()
	}
	return c.Conn.Close()
}

// Read implements net.Conn. An idle connection waits in it, on a stack that the runtime
// halves if less than a quarter is in use (runtime/stack.go, shrinkstack). What runs
// before and after the wait has frames of its own, or each connection would keep 8 KB of
// stack instead of 4. Even 24 bytes more in this frame are too many.
func (c *conn) Read(p []byte) (int, error) {
	if n, err := c.before(p); n > 0 || err != nil {
		return n, err
	}
	return c.after(c.Conn.Read(p))
}

// before returns what has been read ahead, or 0, nil if the caller is to read.
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

// after ends a read and returns its result.
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
// which has been answered, or by EOF. The host leaves that to the garbage collector
// (transports/websocket.go:74 makes transports/transport.go:164 return), and the client
// waits for it (RFC 6455, section 7.1.1).
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

// watch calls lost, at most once, if the connection breaks or its client closes it before
// stop is called. It does nothing while the reader itself is reading: the host notices
// then. net/http watches requests in the same way (net/http server.go,
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

// errGone is what a watch reports when the client has sent a close frame: the client then
// waits for the answer, which the reader gives.
var errGone = errors.New("wrap: the client has closed the connection")

func (c *conn) readAhead(lost func(error)) {
	if err := c.untilLost(); err != nil {
		lost(err)
	}
}

// untilLost returns why the connection was lost, or nil if the watch was stopped or has
// read maxAhead bytes.
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
