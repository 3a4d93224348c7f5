package wrap_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/events"
	"github.com/zishang520/socket.io/v2/socket"
)

// answering is a middleware that delays the host after it has answered CONNECT and before
// it knows the socket.
func answering(held chan<- struct{}) socket.NamespaceMiddleware {
	return func(s *socket.Socket, next func(*socket.ExtendedError)) {
		for i := 0; i < 1000 && !s.Conn().Transport().Writable(); i++ {
			<-time.After(time.Millisecond) // otherwise another goroutine sends it
		}
		var once atomic.Bool
		_ = s.Conn().On("drain", func(...any) {
			if once.CompareAndSwap(false, true) {
				<-time.After(200 * time.Millisecond)
				close(held)
			}
		})
		_ = s.On("x", func(args ...any) {
			if len(args) > 0 {
				args[0].(socket.Ack)(nil, nil)
			}
		})
		next(nil)
	}
}

func TestEarlyEventBareHost(t *testing.T) {
	bare(t)
	held := make(chan struct{})
	s := siotest.NewServer(t, func(io *socket.Server) { io.Use(answering(held)) })
	c := s.Dial(t, siotest.Dial{})
	c.Next(t) // the answer to CONNECT
	c.Emit("x")
	c.AwaitDone(t)
	<-held
}

func TestEarlyEvent(t *testing.T) {
	t.Parallel()
	for name, d := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			held := make(chan struct{})
			s := serve(t, func(io *socket.Server) {
				io.Use(pass)
				io.Use(answering(held))
			})
			c := s.Dial(t, d)
			c.Next(t)
			c.EmitAck(t, "x")
			<-held
		})
	}
}

func TestNextTwiceBareHost(t *testing.T) {
	bare(t)
	refusal := socket.NewExtendedError("no", nil)
	for name, calls := range map[string][]*socket.ExtendedError{"admits twice": {nil, nil}, "refuses, then admits": {refusal, nil}} {
		var connections atomic.Int32
		s := siotest.NewServer(t, func(io *socket.Server) {
			io.Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
				for _, err := range calls {
					next(err)
				}
			})
			_ = io.On("connection", func(...any) { connections.Add(1) })
		})
		s.Dial(t, siotest.Dial{})
		want := map[bool]int32{true: 2, false: 1}[calls[0] == nil]
		siotest.Eventually(t, name, func() bool { return connections.Load() == want })
	}
}

func TestNamespacesBareHost(t *testing.T) {
	bare(t)
	var runs, ended atomic.Int32
	s := siotest.NewServer(t, func(io *socket.Server) {
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			runs.Add(1)
			if s.Request().Request().Context().Err() == nil {
				t.Error("the context of the request is alive")
			}
			_ = s.On("disconnect", func(...any) { ended.Add(1) })
			_ = s.Emit("early") // reaches a client that is then refused
			next(socket.NewExtendedError("no", nil))
		})
		io.Of("/admin", nil)
	})
	c := s.Dial(t, siotest.Dial{Namespace: "/admin"})
	c.Connected(t)
	const n = 1000
	for range n {
		c.Connect("/", nil)
		c.NextEvent(t, "early")
		c.ConnectError(t)
	}
	if runs.Load() != n {
		t.Errorf("%d runs", runs.Load())
	}
	c.Close()
	siotest.Eventually(t, "the session is over", func() bool { return s.IO.Engine().ClientsCount() == 0 })
	if ended.Load() != 0 {
		t.Errorf("disconnect for %d refused sockets", ended.Load())
	}
}

func TestConcurrentPacketsBareHost(t *testing.T) {
	bare(t)
	second := make(chan struct{})
	s := siotest.NewServer(t, func(io *socket.Server) {
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			s.Use(func(ev []any, next func(error)) {
				if ev[0] == "first" {
					<-second
				} else {
					close(second)
				}
				next(nil)
			})
			_ = s.On("first", func(args ...any) { args[0].(socket.Ack)(nil, nil) })
			next(nil)
		})
	})
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	time.AfterFunc(20*time.Millisecond, func() { c.Emit("second") })
	c.EmitAck(t, "first")
}

func TestGhostBareHost(t *testing.T) {
	bare(t)
	current := make(chan *socket.Socket, 1)
	o := socket.DefaultServerOptions()
	o.SetAdapter(adapters(func(nsp socket.Namespace) socket.Adapter {
		return &closingAdapter{(&socket.AdapterBuilder{}).New(nsp), func() { (<-current).Conn().Close(true) }}
	}))
	s := siotest.Config{Options: o}.NewServer(t, func(io *socket.Server) {
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) { current <- s; next(nil) })
	})
	connected := make(chan *socket.Socket, 1)
	_ = s.IO.On("connection", func(args ...any) { connected <- args[0].(*socket.Socket) })
	s.Dial(t, siotest.Dial{}).AwaitDone(t)
	ghost := <-connected
	if _, there := s.IO.Sockets().Sockets().Load(ghost.Id()); !there || !ghost.Connected() || ghost.Conn().ReadyState() != "closed" {
		t.Error("the ghost has gone")
	}
	ghost.Disconnect(false)
}

func TestDisconnectTwiceBareHost(t *testing.T) {
	bare(t)
	var ended atomic.Int32
	s := siotest.NewServer(t, func(io *socket.Server) {
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			var closing atomic.Bool
			_ = s.On("disconnecting", func(...any) {
				if closing.CompareAndSwap(false, true) {
					s.Conn().Close(true) // the client may do so at any time
				}
			})
			_ = s.On("disconnect", func(...any) { ended.Add(1) })
			next(nil)
		})
	})
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	c.Disconnect("/")
	siotest.Eventually(t, "two disconnects", func() bool { return ended.Load() == 2 })
}

// leaving makes each client leave while OPEN is in transit, before the engine listens.
func leaving(s *siotest.Server, gone chan<- engine.Socket) {
	_ = s.IO.Engine().On("flush", func(args ...any) {
		conn := args[0].(engine.Socket)
		conn.Transport().OnError("gone", nil)
		gone <- conn
	})
}

func TestForgottenSessionBareHost(t *testing.T) {
	bare(t)
	gone := make(chan engine.Socket, 1)
	s := siotest.NewServer(t, nil)
	leaving(s, gone)
	_, _ = s.Open(t, siotest.Dial{})
	conn := <-gone
	siotest.Eventually(t, "a session that is over", func() bool { return s.IO.Engine().ClientsCount() == 1 })
	<-time.After(50 * time.Millisecond)
	if n := s.IO.Engine().ClientsCount(); n != 1 || conn.ReadyState() != "closed" {
		t.Errorf("%d sessions", n)
	}
	conn.Emit("close", "transport close", nil)
}

func TestForgottenSession(t *testing.T) {
	t.Parallel()
	for name, d := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan engine.Socket, 1)
			s := serve(t, nil)
			leaving(s, gone)
			if c, err := s.Open(t, d); err == nil {
				c.Kill()
			}
			conn := <-gone
			siotest.Eventually(t, "no session is left", func() bool {
				_, there := s.IO.Engine().Clients().Load(conn.Id())
				return conn.ReadyState() == "closed" && !there && s.IO.Engine().ClientsCount() == 0
			})
		})
	}
}

func TestRecoveryBareHost(t *testing.T) {
	bare(t)
	o := socket.DefaultServerOptions()
	o.SetConnectionStateRecovery(&socket.ConnectionStateRecovery{})
	if !strings.HasPrefix(runtime.Version(), "go1.25") { // later versions panic
		func() {
			defer func() {
				if recover() == nil {
					t.Error("NewServer does not panic")
				}
			}()
			socket.NewServer(nil, o)
		}()
	}
	// Missed packets are sent before any middleware runs.
	no := false
	o, recovery := recovering(&no, []any{"missed"})
	s := siotest.Config{Options: o}.NewServer(t, func(io *socket.Server) {
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			if s.Recovered() {
				next(socket.NewExtendedError("revoked", nil))
				return
			}
			next(nil)
		})
	})
	d := lose(t, s, siotest.Dial{}, recovery)
	c := s.Dial(t, d)
	c.NextEvent(t, "missed")
	c.ConnectError(t)
}

func TestRemoveListenerBareHost(t *testing.T) {
	bare(t)
	var ran bytes.Buffer
	e := events.New()
	var listeners []events.Listener
	for i := range 3 {
		listeners = append(listeners, func(...any) { fmt.Fprint(&ran, i) })
		_ = e.On("x", listeners[i])
	}
	e.RemoveListener("x", listeners[2])
	e.Emit("x")
	if ran.String() != "12" {
		t.Errorf("ran %s", &ran)
	}
}
