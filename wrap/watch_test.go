package wrap_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestWatchConnected(t *testing.T) {
	t.Parallel()
	for name, mws := range map[string]func(h func(s *socket.Socket) wrap.Hooks) []socket.NamespaceMiddleware{
		"Func": func(h func(s *socket.Socket) wrap.Hooks) []socket.NamespaceMiddleware {
			return []socket.NamespaceMiddleware{watch(h)}
		},
		"behind it": func(h func(s *socket.Socket) wrap.Hooks) []socket.NamespaceMiddleware {
			return []socket.NamespaceMiddleware{watch(h), pass, passPlain}
		},
		"then later": func(h func(s *socket.Socket) wrap.Hooks) []socket.NamespaceMiddleware {
			return []socket.NamespaceMiddleware{watch(h), passLater}
		},
		"plain": func(h func(s *socket.Socket) wrap.Hooks) []socket.NamespaceMiddleware {
			return []socket.NamespaceMiddleware{func(s *socket.Socket, next func(*socket.ExtendedError)) { wrap.Watch(s, h(s)); next(nil) }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDial(t, func(t *testing.T, d siotest.Dial) {
				var told list
				s := serve(t, func(io *socket.Server) {
					_ = io.On("connection", func(...any) { told.add("handler before") })
					for _, mw := range mws(func(s *socket.Socket) wrap.Hooks {
						told.add("middleware")
						return wrap.Hooks{Connected: func() { told.add("connected %v %v", s.Connected(), wrap.Context(s).Err()) }}
					}) {
						io.Use(mw)
					}
					_ = io.On("connection", func(...any) { told.add("handler after") })
				})
				c := s.Dial(t, d)
				c.Connected(t)
				c.Close()
				siotest.Eventually(t, "it has gone", func() bool { return s.IO.Engine().ClientsCount() == 0 })
				told.is(t, "middleware", "connected true <nil>", "handler before", "handler after")
			})
		})
	}
}

// Each socket of a connection is connected once.
func TestWatchNamespaces(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		var told list
		s := serve(t, func(io *socket.Server) {
			wrap.UseAll(io, watch(func(s *socket.Socket) wrap.Hooks {
				return wrap.Hooks{Connected: func() { told.add("%s", s.Nsp().Name()) }}
			}))
			io.Of("/room", nil)
		})
		c := s.Dial(t, d)
		c.Connected(t)
		for range 2 {
			c.Connect("/room", nil)
			c.Connected(t)
			c.Disconnect("/room")
			siotest.Eventually(t, "it has left", func() bool { return s.IO.Of("/room", nil).Sockets().Len() == 0 })
		}
		told.is(t, "/", "/room", "/room")
	})
}

// A socket that is refused, or has left, was never connected.
func TestWatchNotConnected(t *testing.T) {
	t.Parallel()
	hooks := func(t *testing.T) socket.NamespaceMiddleware {
		return watch(func(*socket.Socket) wrap.Hooks { return wrap.Hooks{Connected: func() { t.Error("connected") }} })
	}
	for name, mw := range map[string]socket.NamespaceMiddleware{
		"Func":         wrap.Func(func(context.Context, *socket.Socket) error { return revoked() }),
		"panic":        wrap.Func(func(context.Context, *socket.Socket) error { panic("oops") }),
		"Guard":        wrap.Guard(refuseLater, 0),
		"plain":        refusePlain,
		"plain, later": refuseLater,
		"kicked":       wrap.Func(func(_ context.Context, s *socket.Socket) error { wrap.Kick(s, revoked()); return nil }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDial(t, func(t *testing.T, d siotest.Dial) {
				_ = refusedFrom(t, d, hooks(t), mw)
			})
		})
	}
	t.Run("left", func(t *testing.T) {
		t.Parallel()
		for name, d := range transports {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				entered, ended := make(chan struct{}), make(chan struct{})
				s := serve(t, func(io *socket.Server) {
					io.Use(hooks(t))
					io.Use(wrap.Func(func(ctx context.Context, _ *socket.Socket) error {
						defer close(ended)
						close(entered)
						<-ctx.Done()
						return nil
					}))
				})
				c := s.Dial(t, d)
				<-entered
				c.Kill()
				<-ended
				siotest.Eventually(t, "no session is left", func() bool { return s.IO.Engine().ClientsCount() == 0 })
			})
		}
	})
}

// Hooks added when the socket is already connected are told of its events, but not that
// it has been connected.
func TestWatchLate(t *testing.T) {
	t.Parallel()
	for name, mws := range map[string][]socket.NamespaceMiddleware{"none of ours": nil, "Func": {pass}, "watched": {watch(func(*socket.Socket) wrap.Hooks { return wrap.Hooks{} })}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDial(t, func(t *testing.T, d siotest.Dial) {
				var told list
				s, root, _ := sockets(t, mws...)
				c := s.Dial(t, d)
				c.Connected(t)
				sock := <-root
				for _, name := range []string{"a", "b"} {
					wrap.Watch(sock, wrap.Hooks{
						Connected: func() { t.Error("connected again") },
						Event:     func(e *wrap.Event) { told.add("%s %s %v", name, e.Name, nil) },
						Refused:   func(e *wrap.Event, err error) { told.add("%s %s %v", name, e.Name, err) },
					})
				}
				c.EmitAck(t, "x")
				told.is(t, "a x <nil>", "b x <nil>")
			})
		})
	}
}

// Hooks are added while events arrive.
func TestWatchConcurrently(t *testing.T) {
	t.Parallel()
	const hooks, events = 20, 50
	s, root, _ := sockets(t, pass)
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	sock := <-root
	var wg sync.WaitGroup
	var first, last atomic.Int32
	wrap.Watch(sock, wrap.Hooks{Event: func(*wrap.Event) { first.Add(1) }})
	for range hooks {
		wg.Go(func() { wrap.Watch(sock, wrap.Hooks{Event: func(*wrap.Event) { last.Add(1) }}) })
	}
	for range events - 1 {
		c.EmitAck(t, "x")
	}
	wg.Wait()
	before := last.Load()
	c.EmitAck(t, "x")
	if first.Load() != events || last.Load()-before != hooks {
		t.Errorf("%d events, the last of which was told to %d", first.Load(), last.Load()-before)
	}
}

// Hooks may refer to their socket: it is collected all the same, even while its
// connection stays open.
func TestWatchCollected(t *testing.T) {
	t.Parallel()
	const n = 10
	var sockets siotest.Garbage
	mw := watch(func(s *socket.Socket) wrap.Hooks {
		sockets.Add(s)
		return wrap.Hooks{
			Connected: func() { _ = s.Id() },
			Event:     func(*wrap.Event) { _ = s.Id() },
			Fault:     func(error) { _ = s.Id() },
		}
	})
	s := serve(t, func(io *socket.Server) {
		io.Of("/refused", nil).Use(wrap.Named("a", mw)).Use(wrap.Named("b", refusePlain))
		io.Of("/kicked", nil).Use(mw)
		_ = io.Of("/kicked", nil).On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			wrap.Watch(s, wrap.Hooks{Event: func(*wrap.Event) { _ = s.Id() }})
			_ = s.On("x", func(...any) { wrap.Kick(s, revoked()) })
		})
		io.Of("/left", nil).Use(mw)
	})
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for range n {
		c.Connect("/refused", nil)
		c.ConnectError(t)
		c.Connect("/kicked", nil)
		c.Connected(t)
		c.EmitTo("/kicked", "x")
		kickedWith(t, c, "/kicked")
		c.Connect("/left", nil)
		c.Connected(t)
		c.Disconnect("/left")
		siotest.Eventually(t, "it has left", func() bool { return s.IO.Of("/left", nil).Sockets().Len() == 0 })
	}
	sockets.Await(t, 3*n, 0)
	if s.IO.Engine().ClientsCount() != 1 {
		t.Error("the connection has gone")
	}
}
