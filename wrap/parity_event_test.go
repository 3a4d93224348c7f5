package wrap_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// Rows 11, 12, 51, 52, 55, 66, 99.
func TestParityPacket(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		var ran journal
		step := func(name string) socket.NamespaceMiddleware {
			return wrap.Packet(func(_ context.Context, _ *socket.Socket, p *wrap.Event) error {
				ran.note(name + ":" + p.Name)
				if p.Name == "stop" {
					return &wrap.Error{Code: "forbidden"}
				}
				if name == "1" {
					p.Name, p.Args[0] = "join", fmt.Sprint(p.Args[0], "-changed")
				}
				if ack := p.Ack; ack != nil {
					p.Ack = func(args []any, err error) {
						ran.note("/" + name)
						ack(args, err)
					}
				}
				return nil
			})
		}
		failed := make(chan any, 1)
		s := serve(t, func(io *socket.Server) {
			nsp := io.Of("/nstest", nil)
			nsp.Use(step("1"))
			nsp.Use(step("2"))
			_ = nsp.On("connection", func(args ...any) {
				s := args[0].(*socket.Socket)
				_ = s.On("error", func(args ...any) { failed <- args[0] })
				_ = s.On("stop", func(...any) { t.Error("a refused event was handled") })
				_ = s.On("join", func(args ...any) {
					ran.note("handler")
					args[1].(socket.Ack)(args[:1], nil)
				})
			})
		})
		d.Namespace = "/nstest"
		c := s.Dial(t, d)
		c.Connected(t)
		if d.EIO == 3 { // which joins "/" by itself
			c.Connected(t)
		}
		// An event that the application did not foresee has its name too.
		if got := fmt.Sprint(c.EmitAck(t, "any", "woot").Args()); got != "[woot-changed]" {
			t.Errorf("got %s", got)
		}
		if got := ran.String(); got != "1:any 2:join handler /2 /1" {
			t.Errorf("ran %q", got)
		}
		c.EmitTo("/nstest", "stop", 1)
		var e *wrap.Error
		if err, ok := (<-failed).(error); !ok || !errors.As(err, &e) || e.Code != "forbidden" {
			t.Errorf(`"error" got %v`, err)
		}
		c.NoPacket(t, 0)
		if got := ran.String(); !strings.HasSuffix(got, " 1:stop") {
			t.Errorf("the second middleware saw a refused event: %q", got)
		}
	})
}

// Rows 49, 50, 53, 55, 83: without any "connection" handler.
func TestParityAfterPart(t *testing.T) {
	t.Parallel()
	refuse := wrap.Func(func(context.Context, *socket.Socket) error { return &wrap.Error{Code: "forbidden"} })
	for name, tt := range map[string]struct {
		inner  socket.NamespaceMiddleware
		leave  func(t *testing.T, c *siotest.Client, s *socket.Socket)
		reason string // "" where several things coincide
	}{
		"client leaves": {pass, func(_ *testing.T, c *siotest.Client, _ *socket.Socket) { c.Disconnect("/") }, "client namespace disconnect"},
		"client closes": {pass, func(_ *testing.T, c *siotest.Client, _ *socket.Socket) { c.Close() }, "transport close"},
		"server kicks":  {pass, func(_ *testing.T, _ *siotest.Client, s *socket.Socket) { s.Disconnect(false) }, "server namespace disconnect"},
		"server closes": {pass, func(_ *testing.T, _ *siotest.Client, s *socket.Socket) { s.Conn().Close(true) }, ""},
		"refused":       {refuse, nil, "refused"},
		"refused by a plain middleware": {plain(func(*socket.Socket) *socket.ExtendedError {
			return socket.NewExtendedError("no", nil)
		}), nil, "refused"},
		"closed inside": {plain(func(s *socket.Socket) *socket.ExtendedError { s.Conn().Close(true); return nil }), nil, ""},
		"panic":         {plain(func(*socket.Socket) *socket.ExtendedError { panic("on purpose") }), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDial(t, func(t *testing.T, d siotest.Dial) {
				var after atomic.Int32
				reason := make(chan string, 2)
				sockets := make(chan *socket.Socket, 1)
				s := serve(t, func(io *socket.Server) {
					for range 2 {
						io.Use(wrap.Func(func(_ context.Context, s *socket.Socket) error {
							ctx := wrap.Context(s)
							context.AfterFunc(ctx, func() {
								after.Add(1)
								var gone *wrap.Disconnected
								errors.As(context.Cause(ctx), &gone)
								reason <- gone.Reason
							})
							return nil
						}))
					}
					io.Use(tt.inner)
					io.Use(wrap.Func(func(_ context.Context, s *socket.Socket) error { sockets <- s; return nil }))
				})
				c, err := s.Open(t, d)
				if err == nil && d.EIO != 3 {
					c.Connect("/", nil)
				}
				if tt.leave != nil {
					c.Connected(t)
					if n := after.Load(); n != 0 {
						t.Errorf("%d after-parts ran for a connected socket", n)
					}
					tt.leave(t, c, <-sockets)
				}
				for range 2 {
					if got := <-reason; got == "" || (tt.reason != "" && got != tt.reason) {
						t.Errorf("reason %q, want %q", got, tt.reason)
					}
				}
				if c != nil {
					c.Close()
				}
				if n := after.Load(); n != 2 {
					t.Errorf("%d after-parts ran, want 2", n)
				}
			})
		})
	}
}

// Rows 69 to 71.
func TestParityToken(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]siotest.Dial{"websocket": {}, "polling": {Polling: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			roles := map[string]string{"t1": "user", "t2": "admin"}
			role := func(s *socket.Socket) string {
				auth, _ := s.Handshake().Auth.(map[string]any)
				token, _ := auth["token"].(string)
				return roles[token]
			}
			s := serve(t, func(io *socket.Server) {
				wrap.UseAll(io, wrap.Func(func(_ context.Context, s *socket.Socket) error {
					if role(s) == "" {
						return &wrap.Error{Code: "token_missing"}
					}
					return nil
				}))
				io.Of("/admin", nil).Use(wrap.Func(func(_ context.Context, s *socket.Socket) error {
					if role(s) != "admin" {
						return &wrap.Error{Code: "forbidden"}
					}
					return nil
				}))
			})
			for _, tt := range []struct{ nsp, token, code string }{
				{"/", "", "token_missing"}, {"/", "t9", "token_missing"}, {"/", "t1", ""},
				{"/admin", "", "token_missing"}, {"/admin", "t1", "forbidden"}, {"/admin", "t2", ""},
			} {
				d.Namespace, d.Auth = tt.nsp, map[string]any{"token": tt.token}
				c := s.Dial(t, d)
				if tt.code == "" {
					c.Connected(t)
				} else if got := refusalData(t, c.ConnectError(t))["code"]; got != tt.code {
					t.Errorf("%s with token %q: %v, want %s", tt.nsp, tt.token, got, tt.code)
				}
				c.Close()
			}
		})
	}
}

// Rows 59 to 64: the client is told once, and so is the log. Not parallel: it reads the
// default logger.
func TestParityErrorLogged(t *testing.T) {
	var log journal
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(lineWriter{&log}, nil)))

	fail := map[string]func() error{
		"error":   func() error { return errors.New("hunter2") },
		"panic":   func() error { panic("hunter2") },
		"refusal": func() error { return &wrap.Error{Code: "forbidden", Err: errors.New("hunter2")} },
	}
	for _, d := range dials {
		for kind, f := range fail {
			for _, packet := range []bool{false, true} {
				name := fmt.Sprintf("/%s-%t-%t-%d", kind, packet, d.Polling, d.EIO)
				s := serve(t, func(io *socket.Server) {
					if packet {
						io.Of(name, nil).Use(wrap.Packet(func(context.Context, *socket.Socket, *wrap.Event) error { return f() }))
						return
					}
					io.Of(name, nil).Use(wrap.Func(func(context.Context, *socket.Socket) error { return f() }))
				})
				d.Namespace = name
				c := s.Dial(t, d)
				answer := answerOf(t, c, name)
				if packet {
					answer = c.EmitAck(t, "x")
				}
				if d.EIO != 3 { // otherwise the answer for "/" may still come
					c.NoPacket(t, 0)
				}
				if !strings.Contains(answer.Raw, `"code"`) || strings.Contains(answer.Raw, "hunter2") {
					t.Errorf("%s: the client got %s", name, answer.Raw)
				}
				want := 1
				if kind == "refusal" {
					want = 0
				}
				if got := strings.Count(log.String(), "namespace="+name+" "); got != want {
					t.Errorf("%s: %d records, want %d", name, got, want)
				}
				c.Close()
			}
		}
	}
	if n := strings.Count(log.String(), "hunter2"); n < 2*2*len(dials) {
		t.Errorf("the causes are not in the log: %s", &log)
	}
}

type lineWriter struct{ j *journal }

func (w lineWriter) Write(p []byte) (int, error) {
	w.j.note(string(p))
	return len(p), nil
}
