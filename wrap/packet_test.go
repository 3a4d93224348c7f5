package wrap_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// echoes starts a server with packet middlewares whose sockets answer each event
// with its name and arguments.
func echoes(t testing.TB, events []string, mws ...socket.NamespaceMiddleware) *siotest.Server {
	return serve(t, func(io *socket.Server) {
		for _, mw := range mws {
			io.Use(mw)
		}
		_ = io.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("error", func(args ...any) { _ = s.Emit("failed", fmt.Sprint(args...)) })
			for _, name := range events {
				_ = s.On(name, func(args ...any) {
					if ack, ok := args[len(args)-1].(socket.Ack); ok {
						ack(append([]any{name}, args[:len(args)-1]...), nil)
						return
					}
					_ = s.Emit("got", append([]any{name}, args...)...)
				})
			}
		})
	})
}

func TestPacket(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		var first sync.Map // arguments that the first middleware has seen
		s := echoes(t, []string{"say", "renamed", "bin"},
			wrap.Packet(func(ctx context.Context, s *socket.Socket, p *wrap.Event) error {
				if ctx != wrap.Context(s) {
					t.Error("not the socket's context")
				}
				first.Store(p.Name, len(p.Args))
				switch p.Name {
				case "forbidden":
					return &wrap.Error{Code: "forbidden", Data: map[string]any{"event": p.Name}, Err: errors.New("hunter2")}
				case "broken":
					return errors.New("hunter2")
				case "panic":
					panic("hunter2")
				case "grow":
					p.Args = append(p.Args, 1)
				case "reserved":
					p.Name = "disconnect"
				case "whole":
					*p = wrap.Event{Name: "renamed", Args: []any{"changed"}, Ack: p.Ack}
				case "old":
					p.Name = "renamed"
					p.Args[0] = "changed"
				case "answered":
					p.Ack([]any{"by the middleware"}, nil)
					return &wrap.Error{Code: "rate_limited"}
				case "say":
					if p.Ack != nil {
						ack := p.Ack
						p.Ack = func(args []any, err error) { ack(append(args, "seen"), err) }
					}
				}
				return nil
			}),
			wrap.Packet(func(_ context.Context, _ *socket.Socket, p *wrap.Event) error {
				if p.Name == "say" {
					p.Args = []any{fmt.Sprint(p.Args[0], "!")} // replaced, not changed in place
				}
				return nil
			}))
		c := s.Dial(t, d)
		c.Connected(t)
		for _, tt := range []struct {
			event string
			args  []any
			want  string
		}{
			{"say", []any{"hi"}, "[say hi! seen]"},
			{"old", []any{"x"}, "[renamed changed]"},
			{"whole", []any{"x"}, "[renamed changed]"},
			{"forbidden", []any{"x"}, "[map[code:forbidden event:forbidden message:Forbidden retryable:false]]"},
			{"broken", nil, "[map[code:internal message:Internal error retryable:false]]"},
			{"panic", nil, "[map[code:internal message:Internal error retryable:false]]"},
			{"grow", []any{1}, "[map[code:internal message:Internal error retryable:false]]"},
			{"reserved", nil, "[map[code:internal message:Internal error retryable:false]]"},
			{"answered", nil, "[by the middleware]"},
		} {
			if got := fmt.Sprint(c.EmitAck(t, tt.event, tt.args...).Data); got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.event, got, tt.want)
			}
		}
		// Without an ack the client hears nothing, and the server's "error" fires.
		c.Emit("forbidden", "x")
		for { // those of the events above come in any order
			if p := c.NextEvent(t, "failed"); fmt.Sprint(p.Args()) == "[forbidden: Forbidden: hunter2]" {
				break
			}
		}
		c.Emit("say", "hi")
		if got := fmt.Sprint(c.NextEvent(t, "got").Args()); got != "[say hi!]" {
			t.Errorf("got %s", got)
		}
		if n, _ := first.Load("say"); n != 1 {
			t.Errorf("the middleware saw %v arguments, want 1: the ack is none", n)
		}
	})
}

func TestPacketBinary(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		s := echoes(t, []string{"bin"}, wrap.Packet(func(_ context.Context, _ *socket.Socket, p *wrap.Event) error {
			if b, ok := p.Args[0].(*types.BytesBuffer); !ok || b.String() != "\x00\x01\xff" {
				return fmt.Errorf("got %T", p.Args[0])
			}
			p.Args[0] = []byte("changed")
			return nil
		}))
		c := s.Dial(t, d)
		c.Connected(t)
		p := c.EmitAck(t, "bin", []byte("\x00\x01\xff"))
		if len(p.Binary) != 1 || string(p.Binary[0]) != "changed" {
			t.Errorf("got %v", p)
		}
	})
}

// An event that a middleware has handled itself goes no further.
func TestPacketHandled(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		var later atomic.Int32
		s := echoes(t, []string{"say", "plain", "wrapped", "inside"},
			wrap.Packet(func(_ context.Context, _ *socket.Socket, p *wrap.Event) error {
				switch p.Name {
				case "plain":
					p.Ack([]any{"mine"}, nil)
					return wrap.ErrHandled
				case "wrapped":
					ack := p.Ack
					time.AfterFunc(time.Millisecond, func() { ack([]any{"later"}, nil) })
					return fmt.Errorf("dealt with: %w", wrap.ErrHandled)
				case "inside":
					return &wrap.Error{Code: "forbidden", Err: wrap.ErrHandled}
				}
				return nil
			}),
			wrap.Packet(func(_ context.Context, _ *socket.Socket, p *wrap.Event) error {
				if p.Name != "say" {
					later.Add(1)
				}
				return nil
			}))
		c := s.Dial(t, d)
		c.Connected(t)
		for event, want := range map[string]string{"plain": "[mine]", "wrapped": "[later]"} {
			if got := fmt.Sprint(c.EmitAck(t, event, "x").Data); got != want {
				t.Errorf("%s: got %s, want %s", event, got, want)
			}
		}
		c.Emit("inside", "x")
		c.EmitAck(t, "say", "x")
		c.NoPacket(t, 20*time.Millisecond) // neither "failed" nor "got"
		if n := later.Load(); n != 0 {
			t.Errorf("a later middleware saw %d handled events", n)
		}
	})
}

// The host sends CONNECT before it runs the "connection" handlers.
func TestEventsAtOnce(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		const n = 50
		release := make(chan struct{})
		var handled atomic.Int32
		s := serve(t, func(io *socket.Server) {
			io.Use(pass)
			for range 2 { // our listener comes between these two, and moves behind the second
				_ = io.On("connection", func(args ...any) {
					<-release
					_ = args[0].(*socket.Socket).On("x", func(...any) { handled.Add(1) })
				})
			}
		})
		c := s.Dial(t, d)
		c.Connected(t)
		for range n {
			c.Emit("x")
		}
		time.AfterFunc(20*time.Millisecond, func() { close(release) })
		siotest.Eventually(t, "all events are handled twice", func() bool { return handled.Load() == 2*n })
	})
}

// A "connection" handler that is registered while the server runs is waited for
// too.
func TestEventsAtOnceLateHandler(t *testing.T) {
	t.Parallel()
	s := serve(t, func(io *socket.Server) { io.Use(pass) })
	s.Dial(t, siotest.Dial{}).Connected(t)
	release, handled := make(chan struct{}), make(chan struct{})
	_ = s.IO.On("connection", func(args ...any) {
		<-release
		_ = args[0].(*socket.Socket).On("x", func(...any) { close(handled) })
	})
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	c.Emit("x")
	time.AfterFunc(20*time.Millisecond, func() { close(release) })
	select {
	case <-handled:
	case <-time.After(5 * time.Second):
		t.Error("the event is lost")
	}
}

// A "connection" handler may never return, like a loop that sends: events then wait for a
// while once, not each time.
func TestEventsWhileHandlerStays(t *testing.T) {
	t.Parallel()
	leave := make(chan struct{})
	s := serve(t, func(io *socket.Server) {
		io.Use(pass)
		_ = io.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("ping", func(args ...any) { args[0].(socket.Ack)(nil, nil) })
			_ = s.Emit("ready")
			<-leave
		})
	})
	defer close(leave)
	c, err := s.Open(t, siotest.Dial{})
	if err != nil {
		t.Fatal(err)
	}
	c.Connect("/", nil)
	c.NextEvent(t, "ready")
	start := time.Now()
	c.EmitAck(t, "ping")
	first := time.Since(start)
	for range 10 {
		c.EmitAck(t, "ping")
	}
	if rest := time.Since(start) - first; first > 4*time.Second || rest > first {
		t.Errorf("the first answer took %v, ten more %v", first, rest)
	}
}

// What a middleware appends to the arguments does not take the place of the ack.
func TestPacketAppendKeepsAck(t *testing.T) {
	t.Parallel()
	var kept []any
	s := echoes(t, []string{"say"},
		wrap.Packet(func(_ context.Context, _ *socket.Socket, p *wrap.Event) error {
			kept = p.Args
			return nil
		}),
		func(s *socket.Socket, next func(*socket.ExtendedError)) {
			s.Use(func(_ []any, next func(error)) {
				_ = append(kept, "x")
				next(nil)
			})
			next(nil)
		})
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	if got := c.EmitAck(t, "say", "a").Args(); !slices.Equal(got, []any{"say", "a"}) {
		t.Errorf("answer %v", got)
	}
}
