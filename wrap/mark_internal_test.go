package wrap

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/transports"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// A POST of a session waits while the host connects one of its sockets.
func TestMarkHoldsPost(t *testing.T) {
	t.Parallel()
	s := siotest.Config{
		Options: Harden(nil),
		Handler: func(h http.Handler) http.Handler { return Handler(h) },
	}.NewServer(t, nil)
	c, err := s.Open(t, siotest.Dial{Polling: true})
	if err != nil {
		t.Fatal(err)
	}
	conn, _ := s.IO.Engine().Clients().Load(c.SID)
	settled := marked(conn.Request().Request()).session().settle()
	answered := make(chan int, 1)
	go func() {
		res, err := http.Post(s.URL+siotest.Path+"?EIO=4&transport=polling&sid="+c.SID, "text/plain", strings.NewReader("40"))
		if err != nil {
			answered <- 0
			return
		}
		res.Body.Close()
		answered <- res.StatusCode
	}()
	select {
	case status := <-answered:
		t.Fatalf("answered with %d before the host has settled", status)
	case <-time.After(50 * time.Millisecond):
	}
	settled()
	if status := <-answered; status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	c.Connected(t)
}

// A poll that the host does not answer ends with its session. Here the session is only
// reported to be over, so that the host has no reason to answer.
func TestMarkEndsPoll(t *testing.T) {
	t.Parallel()
	s := siotest.Config{
		Options: Harden(nil),
		Handler: func(h http.Handler) http.Handler { return Handler(h) },
	}.NewServer(t, nil)
	open, err := http.Get(s.URL + siotest.Path + "?EIO=4&transport=polling")
	if err != nil {
		t.Fatal(err)
	}
	open.Body.Close()
	sid := s.IO.Engine().Clients().Keys()[0]
	conn, _ := s.IO.Engine().Clients().Load(sid)
	mark := marked(conn.Request().Request()).session()
	mark.follow(conn)
	mark.over()
	res, err := http.Get(s.URL + siotest.Path + "?EIO=4&transport=polling&sid=" + sid)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("status %d", res.StatusCode)
	}
}

// The last release also frees at once those that began to wait between two settles.
func TestSettleFreesEarlyWaiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := new(sessionMark)
		one := h.settle()
		start := time.Now()
		var free atomic.Bool
		go func() { h.wait(); free.Store(true) }()
		synctest.Wait()
		two := h.settle()
		one()
		synctest.Wait()
		if free.Load() {
			t.Error("free while the second is settling")
		}
		two()
		synctest.Wait()
		if !free.Load() || time.Since(start) != 0 {
			t.Error("still waits after the last release")
		}
	})
}

// A watch does nothing while the reader itself is reading, which gets what arrives.
func TestWatchLeavesReaderAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		gate := make(chan struct{})
		close(gate)
		c := newConn(ours, gate, nil)
		var got string
		go func() {
			b := make([]byte, 8)
			n, err := c.Read(b)
			if err != nil {
				t.Error(err)
			}
			got = string(b[:n])
		}()
		synctest.Wait()
		stop := c.watch(func(err error) { t.Error(err) })
		synctest.Wait()
		c.mu.Lock()
		if c.watching {
			t.Error("two goroutines read the connection")
		}
		c.mu.Unlock()
		stop()
		synctest.Wait()
		_ = theirs.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = theirs.Write([]byte("bytes"))
		synctest.Wait()
		if got != "bytes" {
			t.Errorf("the reader got %q", got)
		}
	})
}

// bareState is a state without a socket.
func bareState(c *connection) *state {
	st := &state{conn: c, ready: make(chan struct{})}
	st.ctx, st.cancel = context.WithCancelCause(context.Background())
	return st
}

// A socket that is added to a closed connection ends, for the same reason.
func TestAddToClosedConnection(t *testing.T) {
	t.Parallel()
	c := new(connection)
	c.close("x")
	st := bareState(c)
	c.add(st)
	var d *Disconnected
	if cause := context.Cause(st.context()); !errors.As(cause, &d) || d.Reason != "x" {
		t.Errorf("cause %v", cause)
	}
}

// Events beyond the limit pass at once, and the end of the socket releases the others.
func TestHoldBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := bareState(new(connection))
		start := time.Now()
		var free atomic.Int32
		for range maxWaiting {
			go func() { st.hold(); free.Add(1) }()
		}
		synctest.Wait()
		if n := free.Load(); n != 0 {
			t.Fatalf("%d events passed before the handlers had returned", n)
		}
		st.hold()
		if d := time.Since(start); d != 0 {
			t.Errorf("an event beyond the bound waited %v", d)
		}
		st.end(&Disconnected{Reason: "gone"})
		synctest.Wait()
		if n, d := free.Load(), time.Since(start); n != maxWaiting || d != 0 {
			t.Errorf("%d events are free %v after the end", n, d)
		}
		if n := st.waiting.Load(); n != 0 {
			t.Errorf("%d events are still counted", n)
		}
	})
}

// counting is a context that counts its dependents.
type counting struct {
	context.Context
	done chan struct{} // differs from the parent's, so dependents have to use AfterFunc
	n    atomic.Int32
}

func (c *counting) Done() <-chan struct{} { return c.done }

func (c *counting) AfterFunc(func()) (stop func() bool) {
	c.n.Add(1)
	return func() bool { c.n.Add(-1); return true }
}

// Guard keeps nothing of its deadline once next has been called.
func TestGuardCleansUp(t *testing.T) {
	t.Parallel()
	var inside, after atomic.Int32
	inside.Store(-1)
	after.Store(-1)
	s := siotest.Config{
		Options: Harden(nil),
		Handler: func(h http.Handler) http.Handler { return Handler(h) },
	}.NewServer(t, func(io *socket.Server) {
		ctx := &counting{done: make(chan struct{})}
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			st := stateOf(s)
			st.mu.Lock()
			ctx.Context, st.ctx = st.ctx, ctx
			st.mu.Unlock()
			next(nil)
		})
		io.Use(Guard(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			inside.Store(ctx.n.Load())
			next(nil)
		}, time.Hour))
		io.Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			after.Store(ctx.n.Load())
			next(nil)
		})
	})
	s.Dial(t, siotest.Dial{}).Connected(t)
	if inside.Load() != 1 || after.Load() != 0 {
		t.Errorf("%d deadlines inside, %d after next; want 1 and 0", inside.Load(), after.Load())
	}
}

type fakeSession struct {
	engine.Socket
	transport *fakeTransport
}

func (s fakeSession) Transport() transports.Transport { return s.transport }

type fakeTransport struct {
	transports.Transport
	log []packet.Type
}

func (f *fakeTransport) OnPacket(p *packet.Packet) { f.log = append(f.log, p.Type) }
func (f *fakeTransport) OnClose()                  { f.log = append(f.log, packet.CLOSE) }

// Packets after a CLOSE are not delivered.
func TestDeliverEndsAtClose(t *testing.T) {
	t.Parallel()
	f := new(fakeTransport)
	deliver(fakeSession{transport: f}, []*packet.Packet{
		{Type: packet.MESSAGE, Data: types.NewStringBufferString("2[]")},
		{Type: packet.CLOSE},
		{Type: packet.MESSAGE, Data: types.NewStringBufferString("2[]")},
	})
	if len(f.log) != 2 || f.log[0] != packet.MESSAGE || f.log[1] != packet.CLOSE {
		t.Errorf("delivered %v", f.log)
	}
}
