package wrap_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	refusal := socket.NewExtendedError("no entry", map[string]any{"code": 7, "list": []int{1, 2}})
	for name, tt := range map[string]struct {
		mw   socket.NamespaceMiddleware
		want string // the client's message and data; "" if admitted
	}{
		"admits":        {func(_ *socket.Socket, next func(*socket.ExtendedError)) { next(nil) }, ""},
		"admits later":  {func(_ *socket.Socket, next func(*socket.ExtendedError)) { go next(nil) }, ""},
		"admits twice":  {func(_ *socket.Socket, next func(*socket.ExtendedError)) { next(nil); next(nil) }, ""},
		"then refuses":  {func(_ *socket.Socket, next func(*socket.ExtendedError)) { next(nil); next(refusal) }, ""},
		"refuses":       {func(_ *socket.Socket, next func(*socket.ExtendedError)) { next(refusal) }, "no entry map[code:7 list:[1 2]]"},
		"refuses later": {func(_ *socket.Socket, next func(*socket.ExtendedError)) { go next(refusal) }, "no entry map[code:7 list:[1 2]]"},
		"then admits":   {func(_ *socket.Socket, next func(*socket.ExtendedError)) { next(refusal); next(nil) }, "no entry map[code:7 list:[1 2]]"},
		"panics":        {func(*socket.Socket, func(*socket.ExtendedError)) { panic("oops") }, "Internal error map[code:internal message:Internal error retryable:false]"},
		"panics after":  {func(_ *socket.Socket, next func(*socket.ExtendedError)) { next(nil); panic("oops") }, ""},
		"never":         {func(*socket.Socket, func(*socket.ExtendedError)) {}, "Service unavailable map[code:unavailable message:Service unavailable retryable:true]"},
		"bad data": {func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			next(socket.NewExtendedError("no entry", map[string]any{"c": make(chan int)}))
		}, "no entry <nil>"},
		"panicking data": {func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			next(socket.NewExtendedError("no entry", badJSON{}))
		}, "no entry <nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := 10 * time.Second
			if name == "never" {
				timeout = 20 * time.Millisecond
			}
			for name, d := range map[string]siotest.Dial{"websocket": {}, "polling": {Polling: true}} {
				t.Run(name, func(t *testing.T) {
					var connections atomic.Int32
					s := serve(t, func(io *socket.Server) {
						io.Use(wrap.Guard(tt.mw, timeout))
						_ = io.On("connection", func(args ...any) { connections.Add(1) })
					})
					c := s.Dial(t, d)
					if tt.want == "" {
						c.Connected(t)
						c.NoPacket(t, 50*time.Millisecond) // no second CONNECT, no CONNECT_ERROR
						if n := connections.Load(); n != 1 {
							t.Errorf("%d connections", n)
						}
						return
					}
					data, _ := c.ConnectError(t).Data.(map[string]any)
					if got := fmt.Sprint(data["message"], " ", data["data"]); got != tt.want {
						t.Errorf("got  %s\nwant %s", got, tt.want)
					}
					c.NoPacket(t, 50*time.Millisecond)
					if n := connections.Load(); n != 0 {
						t.Errorf("%d connections", n)
					}
				})
			}
		})
	}
}

// A middleware may continue after the socket is connected.
func TestGuardStays(t *testing.T) {
	t.Parallel()
	connected, returned := make(chan struct{}), make(chan struct{})
	s := serve(t, func(io *socket.Server) {
		io.Use(wrap.Guard(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			defer close(returned)
			next(nil)
			<-connected
		}, 0))
		_ = io.On("connection", func(args ...any) {
			_ = args[0].(*socket.Socket).On("there?", func(args ...any) { args[0].(socket.Ack)(nil, nil) })
			close(connected)
		})
	})
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	<-returned
	c.EmitAck(t, "there?")
}

// A middleware that has called next is still watched after others have run inside that
// call.
func TestGuardStaysWatched(t *testing.T) {
	t.Parallel()
	returned := make(chan struct{})
	s := serve(t, func(io *socket.Server) {
		io.Use(wrap.Guard(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			defer close(returned)
			next(nil)
			<-wrap.Context(s).Done()
		}, 0))
		io.Use(pass)
		io.Use(wrap.Guard(func(_ *socket.Socket, next func(*socket.ExtendedError)) { next(nil) }, 0))
	})
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	c.Kill()
	siotest.Eventually(t, "the middleware hears of the end of its client", func() bool {
		select {
		case <-returned:
			return true
		default:
			return false
		}
	})
}

// Without a limit, 100 CONNECTs sent while a middleware waits make 100 sockets of one
// client in one namespace.
func TestGuardPending(t *testing.T) {
	t.Parallel()
	var runs atomic.Int32
	s := serve(t, func(io *socket.Server) {
		io.Use(wrap.Guard(func(*socket.Socket, func(*socket.ExtendedError)) { runs.Add(1) }, time.Minute))
		_ = io.On("connection", func(...any) { t.Error("connected") })
	})
	c := s.Dial(t, siotest.Dial{})
	for range 100 {
		c.Connect("/", nil)
	}
	c.AwaitDone(t)
	if n := runs.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
}

// A plain middleware that panics after one of ours costs its connection, not the process.
func TestPlainPanicBehindFunc(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]siotest.Dial{"websocket": {}, "polling": {Polling: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(io *socket.Server) {
				io.Use(pass)
				io.Use(func(*socket.Socket, func(*socket.ExtendedError)) { panic("oops") })
			})
			c := s.Dial(t, d)
			c.AwaitDone(t)
		})
	}
}

// A plain middleware that forgets to return refuses and admits: the host connects the
// socket that it has refused, and its events are handled. (It does the two at the same
// time, socket/namespace.go:259; here the refusal comes first, as it mostly does.)
func TestPlainRefusesAndAdmitsBehindFunc(t *testing.T) {
	t.Parallel()
	for range 10 {
		handled, refused := make(chan struct{}, 10_000), make(chan struct{})
		s := serve(t, func(io *socket.Server) {
			io.Use(pass)
			io.Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
				next(socket.NewExtendedError("no", nil))
				<-refused
				next(nil)
			})
			_ = io.On("connection", func(args ...any) {
				_ = args[0].(*socket.Socket).On("x", func(...any) { handled <- struct{}{} })
			})
		})
		c := s.Dial(t, siotest.Dial{})
		c.ConnectError(t)
		c.Emit("x")
		close(refused)
		// The session usually ends at once; the host may also keep it, deaf.
		for over, tick := time.After(500*time.Millisecond), time.Tick(10*time.Millisecond); ; {
			c.Emit("x")
			select {
			case <-tick:
				continue
			case <-c.Done():
			case <-over:
			}
			break
		}
		select {
		case <-handled:
			t.Fatal("an event of a refused socket was handled")
		default:
		}
	}
}

// Whichever of the two the host handles first, an event of a socket that was refused and
// is connected is not handled, and ends its session.
func TestRefusedIsDeaf(t *testing.T) {
	t.Parallel()
	handled, sockets := make(chan struct{}, 1), make(chan *socket.Socket, 1)
	s := serve(t, func(io *socket.Server) {
		io.Use(pass)
		_ = io.On("connection", func(args ...any) {
			so := args[0].(*socket.Socket)
			_ = so.On("x", func(...any) { handled <- struct{}{} })
			sockets <- so
		})
	})
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	wrap.EndRefused(<-sockets)
	c.Emit("x")
	c.AwaitDone(t)
	select {
	case <-handled:
		t.Error("an event of a refused socket was handled")
	default:
	}
}

// closingAdapter closes the connection of a socket while the host connects it, as if the
// client left at that moment.
type closingAdapter struct {
	socket.Adapter
	closeNow func()
}

func (a *closingAdapter) AddAll(id socket.SocketId, rooms *types.Set[socket.Room]) {
	a.closeNow()
	a.Adapter.AddAll(id, rooms)
}

// adapters is a constructor made of a function.
type adapters func(socket.Namespace) socket.Adapter

func (b adapters) New(nsp socket.Namespace) socket.Adapter { return b(nsp) }

func TestGhosts(t *testing.T) {
	t.Parallel()
	current := make(chan *socket.Socket, 1)
	var ended atomic.Bool
	o := socket.DefaultServerOptions()
	o.SetAdapter(adapters(func(nsp socket.Namespace) socket.Adapter {
		return &closingAdapter{(&socket.AdapterBuilder{}).New(nsp), func() {
			select {
			case s := <-current:
				s.Conn().Close(true)
			default:
			}
		}}
	}))
	s := siotest.Config{Options: wrap.Harden(o)}.NewServer(t, func(io *socket.Server) {
		io.Use(wrap.Func(func(_ context.Context, s *socket.Socket) error {
			context.AfterFunc(wrap.Context(s), func() { ended.Store(true) })
			current <- s
			return nil
		}))
	})
	c := s.Dial(t, siotest.Dial{})
	c.AwaitDone(t)
	siotest.Eventually(t, "the ghost has gone", func() bool {
		return ended.Load() && s.IO.Sockets().Sockets().Len() == 0 && s.IO.Sockets().Adapter().Rooms().Len() == 0
	})
}
