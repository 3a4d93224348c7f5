package wrap_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// logged runs f and returns what is written to the default logger meanwhile; f can wait
// for it. Tests that use it must not be parallel.
func logged(t *testing.T, f func(text func() string)) string {
	t.Helper()
	old := slog.Default()
	defer slog.SetDefault(old)
	var mu sync.Mutex
	var b bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return b.Write(p)
	}), nil)))
	text := func() string {
		mu.Lock()
		defer mu.Unlock()
		return b.String()
	}
	f(text)
	return text()
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// Fault replaces the default logger. Without it, each of these faults is logged.
func TestWatchFault(t *testing.T) {
	for name, tt := range map[string]struct {
		mw    socket.NamespaceMiddleware // after the hooks
		do    func(t *testing.T, c *siotest.Client, root chan *socket.Socket)
		fault bool // what is reported is a fault, not a cause or the end of an event
	}{
		"refusal": {
			wrap.Func(func(context.Context, *socket.Socket) error { return errors.New("hunter2") }),
			func(t *testing.T, c *siotest.Client, _ chan *socket.Socket) { c.ConnectError(t) }, false,
		},
		"refusal, unavailable": {
			wrap.Func(func(context.Context, *socket.Socket) error {
				return &wrap.Error{Code: "unavailable", Err: errors.New("hunter2")}
			}),
			func(t *testing.T, c *siotest.Client, _ chan *socket.Socket) { c.ConnectError(t) }, false,
		},
		"refusal, panic": {
			wrap.Func(func(context.Context, *socket.Socket) error { panic("hunter2") }),
			func(t *testing.T, c *siotest.Client, _ chan *socket.Socket) { c.ConnectError(t) }, false,
		},
		"refusal, Guard": {
			wrap.Guard(func(*socket.Socket, func(*socket.ExtendedError)) { panic("hunter2") }, 0),
			func(t *testing.T, c *siotest.Client, _ chan *socket.Socket) { c.ConnectError(t) }, false,
		},
		"event": {
			wrap.Packet(func(context.Context, *socket.Socket, *wrap.Event) error { return errors.New("hunter2") }),
			func(t *testing.T, c *siotest.Client, _ chan *socket.Socket) { c.Connected(t); c.EmitAck(t, "x") }, false,
		},
		"event, panic": {
			wrap.Packet(func(context.Context, *socket.Socket, *wrap.Event) error { panic("hunter2") }),
			func(t *testing.T, c *siotest.Client, _ chan *socket.Socket) { c.Connected(t); c.EmitAck(t, "x") }, false,
		},
		"plain middleware": {
			func(*socket.Socket, func(*socket.ExtendedError)) { panic("hunter2") },
			func(t *testing.T, c *siotest.Client, _ chan *socket.Socket) { c.AwaitDone(t) }, true,
		},
		"disconnecting": {
			pass,
			func(t *testing.T, c *siotest.Client, root chan *socket.Socket) {
				c.Connected(t)
				sock := <-root
				_ = sock.On("disconnecting", func(...any) { panic("hunter2") })
				wrap.Kick(sock, revoked())
				kickedWith(t, c, "/")
			}, true,
		},
		"disconnect": {
			pass,
			func(t *testing.T, c *siotest.Client, root chan *socket.Socket) {
				c.Connected(t)
				sock := <-root
				_ = sock.On("disconnect", func(...any) { panic("hunter2") })
				wrap.Kick(sock, revoked())
				kickedWith(t, c, "/")
			}, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var faults, events list
			run := func(h wrap.Hooks) (context.Context, string) {
				ctxs := make(chan context.Context, 1)
				text := logged(t, func(func() string) {
					s, root, _ := sockets(t, watch(func(s *socket.Socket) wrap.Hooks { ctxs <- wrap.Context(s); return h }), tt.mw)
					tt.do(t, s.Dial(t, siotest.Dial{}), root)
				})
				return <-ctxs, text
			}
			stack := strings.Contains(name, "panic") || tt.fault || name == "refusal, Guard"
			if _, text := run(wrap.Hooks{}); strings.Count(text, "hunter2") == 0 || stack != strings.Contains(text, "stack=") {
				t.Errorf("without Fault: %s", text)
			}
			ctx, text := run(wrap.Hooks{
				Fault: func(err error) {
					var e *wrap.Error
					var p interface{ Stack() []byte }
					if !errors.As(err, &e) || !errors.As(err, &p) || !bytes.Contains(p.Stack(), []byte("TestWatchFault")) {
						t.Errorf("fault %v: no *Error, or no stack", err)
					}
					faults.add("%v", err)
				},
				Event:   func(*wrap.Event) { events.add("%v", nil) },
				Refused: func(_ *wrap.Event, err error) { events.add("%v", err) },
			})
			if text != "" {
				t.Errorf("logged: %s", text)
			}
			if strings.HasPrefix(name, "event") { // the client is answered first
				siotest.Eventually(t, "the event is told", func() bool { return len(events.get()) > 0 })
			}
			told := fmt.Sprint(context.Cause(ctx), events.get())
			if tt.fault {
				told = fmt.Sprint(faults.get())
			}
			if !strings.Contains(told, "hunter2") || len(faults.get()) > 1 || len(faults.get()) == 1 != tt.fault {
				t.Errorf("told %s; %d faults", told, len(faults.get()))
			}
		})
	}
}

// A panic in a hook costs neither the process nor the socket, and is logged.
func TestWatchPanics(t *testing.T) {
	for name, h := range map[string]wrap.Hooks{
		"Connected": {Connected: func() { panic("hunter2") }},
		"Event":     {Event: func(*wrap.Event) { panic("hunter2") }, Refused: func(*wrap.Event, error) { panic("hunter2") }},
		"Fault":     {Fault: func(error) { panic("hunter2") }},
	} {
		t.Run(name, func(t *testing.T) {
			var told list
			text := logged(t, func(text func() string) {
				s, root, _ := sockets(t, watch(func(*socket.Socket) wrap.Hooks { return h }), watch(func(*socket.Socket) wrap.Hooks {
					return wrap.Hooks{Connected: func() { told.add("connected") }, Fault: func(err error) { told.add("%v", errors.Unwrap(err)) }}
				}))
				c := s.Dial(t, siotest.Dial{})
				c.Connected(t)
				sock := <-root
				c.EmitAck(t, "x")
				_ = sock.On("disconnecting", func(...any) { panic("oops") })
				wrap.Kick(sock, revoked())
				kickedWith(t, c, "/")
				siotest.Eventually(t, "the hook is logged", func() bool { return strings.Contains(text(), "hunter2") })
			})
			told.is(t, "connected", "panic: oops")
			if !strings.Contains(text, "TestWatchPanics") {
				t.Errorf("logged: %s", text)
			}
		})
	}
}
