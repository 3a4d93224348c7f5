package wrap

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zishang520/engine.io/v2/events"
	"github.com/zishang520/socket.io/v2/socket"
)

type slowNsp struct {
	socket.Namespace
	on chan struct{}
}

func (n *slowNsp) On(ev string, l ...events.Listener) error {
	<-n.on
	return n.Namespace.On(ev, l...)
}

// The second caller must not continue before the first has added its listener.
func TestObserveWaits(t *testing.T) {
	io := socket.NewServer(nil, nil)
	n := &slowNsp{io.Sockets(), make(chan struct{})}
	go observe(n)
	<-time.After(20 * time.Millisecond)
	done := make(chan int)
	go func() { observe(n); done <- n.EventEmitter().ListenerCount("connect") }()
	time.AfterFunc(20*time.Millisecond, func() { close(n.on) })
	if got := <-done; got != 1 {
		t.Errorf("%d listeners when observe returned", got)
	}
}

func TestSettleCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(sessionMark)
		one, two := h.settle(), h.settle()
		one()
		start := time.Now()
		h.wait()
		if time.Since(start) != maxSettle {
			t.Error("did not wait for the second, or without bound:", time.Since(start))
		}
		two()
		start = time.Now()
		h.wait()
		if time.Since(start) != 0 || h.settled.Load() != nil {
			t.Error("waits for nobody")
		}
	})
}

// A connection can be read after a watch, and returns what the watch has read.
func TestConnWatch(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	gate := make(chan struct{})
	close(gate)
	c := newConn(ours, gate, nil)
	for range 3 {
		stop := c.watch(func(err error) { t.Error(err) })
		_, _ = theirs.Write([]byte("ahead"))
		stop()
		b := make([]byte, 3)
		for _, want := range []string{"ahe", "ad"} {
			if n, err := c.Read(b); err != nil || string(b[:n]) != want {
				t.Fatalf("%q %v", b[:n], err)
			}
		}
		go func() { <-time.After(5 * time.Millisecond); _, _ = theirs.Write([]byte("x")) }()
		if n, err := c.Read(b); err != nil || n != 1 {
			t.Fatal(n, err) // the deadline of the watch is gone
		}
	}
	// Reading ahead is limited.
	stop := c.watch(func(error) {})
	_ = theirs.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := theirs.Write(make([]byte, 10*maxAhead)); err == nil || n > 2*maxAhead {
		t.Errorf("%d bytes read ahead", n)
	}
	stop()
}

// writes records each write to a connection that never receives anything.
type writes struct {
	net.Conn
	all    []string
	closed bool
}

func (w *writes) Write(p []byte) (int, error)    { w.all = append(w.all, string(p)); return len(p), nil }
func (w *writes) Read([]byte) (int, error)       { return 0, io.EOF }
func (w *writes) Close() error                   { w.closed = true; return nil }
func (*writes) SetWriteDeadline(time.Time) error { return nil }

// The response of a handshake is sent in one write with what the host sends next, and
// alone if the host sends nothing, but reads or closes.
func TestConnGreeting(t *testing.T) {
	const response, more, open = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n", "X-One: 1\r\n", "\x81\x010"
	gate := make(chan struct{})
	close(gate)
	for name, test := range map[string]struct {
		hold bool
		then func(c *conn)
		want []string
	}{
		"write": {true, func(c *conn) { _, _ = c.Write([]byte(open)) }, []string{response + more + "\r\n" + open, open}},
		"read":  {true, func(c *conn) { _, _ = c.Read(nil) }, []string{response + more + "\r\n", open}},
		"close": {true, func(c *conn) { _ = c.Close() }, []string{response + more + "\r\n", open}},
		"probe": {false, func(*conn) {}, []string{response + more + "\r\n", open}},
	} {
		t.Run(name, func(t *testing.T) {
			w := new(writes)
			c := newConn(w, gate, nil)
			c.head, c.hold = http.Header{"X-One": {"1"}}, test.hold
			if n, err := c.Write([]byte(response + "\r\n")); err != nil || n != len(response)+2 {
				t.Fatal(n, err)
			}
			if test.hold == (len(w.all) > 0) {
				t.Fatalf("held %t, written %q", test.hold, w.all)
			}
			test.then(c)
			if n, err := c.Write([]byte(open)); err != nil || n != len(open) {
				t.Fatal(n, err)
			}
			if !slices.Equal(w.all, test.want) || w.closed != (name == "close") {
				t.Errorf("%q, closed %t", w.all, w.closed)
			}
		})
	}
}

// With a Handler inside a Handler, the response and what follows arrive together.
func TestConnGreetingNested(t *testing.T) {
	const response, open = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n", "\x81\x01\r\n\r\n"
	for _, hold := range []bool{false, true} {
		w := new(writes)
		c := newConn(w, nil, nil)
		c.head, c.hold = http.Header{"X-One": {"1"}}, hold
		p := []byte(response + "\r\n" + open)
		if n, err := c.Write(p); err != nil || n != len(p) {
			t.Error(n, err)
		}
		if want := []string{response + "X-One: 1\r\n\r\n" + open}; !slices.Equal(w.all, want) {
			t.Errorf("hold %t: %q", hold, w.all)
		}
	}
}

// stalled is a connection whose first write waits until it is released, or a timeout.
type stalled struct {
	writes
	begun, let chan struct{}
	late       atomic.Bool
}

func (w *stalled) Write(p []byte) (int, error) {
	if w.begun != nil {
		close(w.begun)
		w.begun = nil
		<-w.let
	}
	return w.writes.Write(p)
}

func (w *stalled) SetWriteDeadline(time.Time) error {
	w.late.Store(true)
	return nil
}

// Nothing overtakes the response while it is being written, and Close does not wait for
// ever.
func TestConnGreetingFirst(t *testing.T) {
	const response, open = "HTTP/1.1 101 Switching Protocols\r\n\r\n", "\x81\x010"
	gate := make(chan struct{})
	close(gate)
	for name, then := range map[string]func(*conn){
		"write": func(c *conn) { _, _ = c.Write([]byte(open)) },
		"close": func(c *conn) { _ = c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			w := &stalled{begun: make(chan struct{}), let: make(chan struct{})}
			begun := w.begun
			c := newConn(w, gate, nil)
			c.head, c.hold = http.Header{}, true
			_, _ = c.Write([]byte(response))
			go func() { _, _ = c.Read(nil) }()
			<-begun
			done := make(chan struct{})
			go func() { defer close(done); then(c) }()
			select {
			case <-done:
				t.Error("the response was overtaken")
			case <-time.After(20 * time.Millisecond):
			}
			close(w.let)
			<-done
			if len(w.all) == 0 || w.all[0] != response || w.closed != (name == "close") || w.late.Load() != (name == "close") {
				t.Errorf("%q, closed %t, with a deadline %t", w.all, w.closed, w.late.Load())
			}
		})
	}
}

// A client may be in as many namespaces as a pattern admits, and leave them all at once:
// the cost of each must not grow with their number.
func TestRemoveMany(t *testing.T) {
	t.Parallel()
	c := new(connection)
	states := make([]*state, 100_000)
	for i := range states {
		st := &state{conn: c, nsp: fmt.Sprint("/", i)}
		states[i] = st
		c.add(st)
		c.connected(st.nsp, st)
	}
	start := time.Now()
	for _, st := range states {
		c.remove(st)
	}
	if d := time.Since(start); d > 10*time.Second { // 100 times what it takes
		t.Errorf("it has taken %v", d)
	}
	if c.open.Len() != 0 || c.joined.Len() != 0 {
		t.Errorf("%d open, %d joined", c.open.Len(), c.joined.Len())
	}
}
