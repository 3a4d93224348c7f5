package wrap_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

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
