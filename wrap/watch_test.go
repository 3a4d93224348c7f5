package wrap_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// watch makes a connection middleware of hooks.
func watch(h func(s *socket.Socket) wrap.Hooks) socket.NamespaceMiddleware {
	return wrap.Func(func(_ context.Context, s *socket.Socket) error { wrap.Watch(s, h(s)); return nil })
}

// list records what has happened.
type list struct {
	mu    sync.Mutex
	items []string
}

func (l *list) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items = append(l.items, fmt.Sprintf(format, args...))
}

func (l *list) get() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.items)
}

// is waits until the list is as long as want, and compares them.
func (l *list) is(t *testing.T, want ...string) {
	t.Helper()
	siotest.Eventually(t, fmt.Sprintf("the list is %q", want), func() bool { return len(l.get()) >= len(want) })
	if got := l.get(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

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

// The hook is told what becomes of each event, and sees the answers.
func TestWatchEvent(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		type seen struct {
			name string
			args string
			ack  bool
			err  error
		}
		events, answers := make(chan seen, 8), make(chan string, 8)
		s := echoes(t, []string{"say", "renamed", "quiet"},
			watch(func(*socket.Socket) wrap.Hooks {
				return wrap.Hooks{
					Event: func(e *wrap.Event) {
						events <- seen{e.Name, fmt.Sprint(e.Args), e.Ack != nil, nil}
						if ack := e.Ack; ack != nil {
							e.Ack = func(args []any, err error) { answers <- fmt.Sprint(args); ack(append(args, "watched"), err) }
						}
					},
					Refused: func(e *wrap.Event, err error) {
						events <- seen{e.Name, fmt.Sprint(e.Args), e.Ack != nil, err}
					},
				}
			}),
			wrap.Packet(func(_ context.Context, _ *socket.Socket, p *wrap.Event) error {
				switch p.Name {
				case "old":
					p.Name, p.Args[0] = "renamed", "changed"
				case "forbidden":
					p.Name = "hidden" // refused events are reported as the client sent them
					return &wrap.Error{Code: "forbidden", Err: errors.New("hunter2")}
				case "broken":
					return errors.New("hunter2")
				case "late":
					return fmt.Errorf("store: %w", context.DeadlineExceeded)
				case "panic":
					panic("hunter2")
				case "grow":
					p.Args = append(p.Args, 1)
				case "handled":
					p.Ack([]any{"mine"}, nil)
					return wrap.ErrHandled
				case "wrapped":
					p.Ack([]any{"mine"}, nil)
					return fmt.Errorf("dealt with: %w", wrap.ErrHandled)
				}
				return nil
			}))
		c := s.Dial(t, d)
		c.Connected(t)
		for _, tt := range []struct {
			event, name, args string
			code              string // code of the error
			handled           bool
			answer            string
		}{
			{"say", "say", "[x]", "", false, "[say x watched]"},
			{"old", "renamed", "[changed]", "", false, "[renamed changed watched]"},
			{"forbidden", "forbidden", "[x]", "forbidden", false, "[map[code:forbidden message:Forbidden retryable:false]]"},
			{"broken", "broken", "[x]", "internal", false, "[map[code:internal message:Internal error retryable:false]]"},
			{"late", "late", "[x]", "unavailable", false, "[map[code:unavailable message:Service unavailable retryable:true]]"},
			{"panic", "panic", "[x]", "internal", false, "[map[code:internal message:Internal error retryable:false]]"},
			{"grow", "grow", "[x]", "internal", false, "[map[code:internal message:Internal error retryable:false]]"},
			{"handled", "handled", "[x]", "", true, "[mine]"},
			{"wrapped", "wrapped", "[x]", "", true, "[mine]"},
		} {
			if got := fmt.Sprint(c.EmitAck(t, tt.event, "x").Data); got != tt.answer {
				t.Errorf("%s: answered %s, want %s", tt.event, got, tt.answer)
			}
			got := <-events
			if got.name != tt.name || got.args != tt.args || !got.ack {
				t.Errorf("%s: %+v", tt.event, got)
			}
			var e *wrap.Error
			if errors.As(got.err, &e) != (tt.code != "") || tt.code != "" && e.ClientData()["code"] != tt.code || errors.Is(got.err, wrap.ErrHandled) != tt.handled {
				t.Errorf("%s: error %v, want code %q", tt.event, got.err, tt.code)
			}
			var p interface{ Stack() []byte }
			if errors.As(got.err, &p) != (tt.event == "panic") || tt.event == "panic" && !bytes.Contains(p.Stack(), []byte("TestWatchEvent")) {
				t.Errorf("%s: stack of %v", tt.event, got.err)
			}
			if tt.code == "" && !tt.handled {
				if got := <-answers; got != strings.Replace(tt.answer, " watched", "", 1) {
					t.Errorf("%s: the hook has seen %s", tt.event, got)
				}
			}
		}
		// Without an ack, and an event that has no handler.
		for _, event := range []string{"quiet", "nobody"} {
			c.Emit(event, "x")
			if got := <-events; got != (seen{event, "[x]", false, nil}) {
				t.Errorf("%s: %+v", event, got)
			}
		}
		if len(events) != 0 || len(answers) != 0 {
			t.Errorf("%d events and %d answers too many", len(events), len(answers))
		}
	})
}

// Several hooks are all called, in the order in which they were added; each may be nil.
func TestWatchOrder(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		var told list
		hooks := func(name string) socket.NamespaceMiddleware {
			return watch(func(*socket.Socket) wrap.Hooks {
				return wrap.Hooks{
					Connected: func() { told.add("%s connected", name) },
					Event:     func(e *wrap.Event) { told.add("%s %s %v", name, e.Name, nil) },
					Refused:   func(e *wrap.Event, err error) { told.add("%s %s %v", name, e.Name, err) },
					Fault:     func(err error) { told.add("%s %v", name, errors.Unwrap(err)) },
				}
			})
		}
		nothing := watch(func(*socket.Socket) wrap.Hooks { return wrap.Hooks{} })
		s, root, _ := sockets(t, hooks("a"), nothing,
			wrap.Packet(func(_ context.Context, _ *socket.Socket, p *wrap.Event) error {
				if p.Name == "y" {
					return &wrap.Error{Code: "forbidden"}
				}
				return nil
			}), hooks("b"))
		c := s.Dial(t, d)
		c.Connected(t)
		sock := <-root
		c.EmitAck(t, "x")
		c.EmitAck(t, "y")
		told.is(t, "a connected", "b connected", "a x <nil>", "b x <nil>", "a y forbidden: Forbidden", "b y forbidden: Forbidden")
		_ = sock.On("disconnecting", func(...any) { panic("oops") })
		wrap.Kick(sock, revoked())
		if got := told.get()[6:]; !slices.Equal(got, []string{"a panic: oops", "b panic: oops"}) {
			t.Errorf("faults %q", got)
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
				d.Settled = true
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

// BenchmarkWatchEvent measures what a hook adds to an event.
func BenchmarkWatchEvent(b *testing.B) {
	for name, mws := range map[string][]socket.NamespaceMiddleware{
		"none":  {pass},
		"watch": {watch(func(*socket.Socket) wrap.Hooks { return wrap.Hooks{Event: func(*wrap.Event) {}} })},
	} {
		b.Run(name, func(b *testing.B) {
			got := make(chan struct{}, 1)
			s := serve(b, func(io *socket.Server) {
				for _, mw := range mws {
					io.Use(mw)
				}
				_ = io.On("connection", func(args ...any) {
					_ = args[0].(*socket.Socket).On("x", func(...any) { got <- struct{}{} })
				})
			})
			c := s.Dial(b, siotest.Dial{})
			c.Connected(b)
			b.ReportAllocs()
			for b.Loop() {
				c.Emit("x")
				<-got
			}
		})
	}
}
