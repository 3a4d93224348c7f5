package wrap_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// admitted admits those with auth {in: true}.
var admitted = wrap.Func(func(_ context.Context, s *socket.Socket) error {
	if auth, _ := s.Handshake().Auth.(map[string]any); auth["in"] == true {
		return nil
	}
	return &wrap.Error{Code: "forbidden"}
})

var in = map[string]any{"in": true}

// Rows 15 to 17, 88.
func TestParityChildNamespaces(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ cleanup, other, kept bool }{
		"off":              {false, false, true},
		"on":               {true, false, false},
		"on, other client": {true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for name, d := range transports {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					o := wrap.Harden(nil)
					o.SetCleanupEmptyChildNamespaces(tt.cleanup)
					var parent socket.ParentNamespace
					s := siotest.Config{
						Options: o,
						Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) },
					}.NewServer(t, func(io *socket.Server) {
						wrap.UseAll(io, pass)
						parent = io.Of(regexp.MustCompile(`^/dynamic-\d+$`), nil).(socket.ParentNamespace)
						parent.Use(admitted)
					})
					d.Namespace = "/dynamic-101"
					if tt.other {
						d.Auth = in
						s.Dial(t, d).Connected(t)
					}
					for range 2 { // the second time, in a child that may have gone
						d.Auth = nil
						c := s.Dial(t, d)
						if got := refusalData(t, c.ConnectError(t))["code"]; got != "forbidden" {
							t.Errorf("code %v", got)
						}
						if kept := parent.Children().Len() == 1; kept != tt.kept {
							t.Errorf("kept: %t", kept)
						}
					}
					d.Auth = in
					s.Dial(t, d).Connected(t)
				})
			}
		})
	}
}

// Row 89.
func TestParityStaticFirst(t *testing.T) {
	t.Parallel()
	s := serve(t, func(io *socket.Server) {
		io.Of("/ns-1", nil).Use(pass)
		io.Of(regexp.MustCompile(`^/ns-\d+$`), nil).Use(wrap.Func(func(context.Context, *socket.Socket) error {
			return &wrap.Error{Code: "forbidden"}
		}))
		io.Of("/ns-3", nil).Use(pass) // the host makes it a child, as Node does
	})
	s.Dial(t, siotest.Dial{Namespace: "/ns-1"}).Connected(t)
	s.Dial(t, siotest.Dial{Namespace: "/ns-2"}).ConnectError(t)
	s.Dial(t, siotest.Dial{Namespace: "/ns-3"}).ConnectError(t)
	// One that no pattern matches does not exist.
	if got := s.Dial(t, siotest.Dial{Namespace: "/ns-x"}).ConnectError(t).Message(); got != "Invalid namespace" {
		t.Errorf("message %q", got)
	}
}

// Rows 18, 19.
func TestParityRooms(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		join := plain(func(s *socket.Socket) *socket.ExtendedError { s.Join("room1", "room2"); return nil })
		s := serve(t, func(io *socket.Server) {
			io.Of("/closed", nil).Use(wrap.Guard(join, 0)).Use(wrap.Func(func(context.Context, *socket.Socket) error {
				return &wrap.Error{Code: "forbidden"}
			}))
			io.Of("/open", nil).Use(wrap.Guard(join, 0)).Use(pass)
		})
		d.Namespace = "/closed"
		c := s.Dial(t, d)
		if p := answerOf(t, c, "/closed"); p.Type != siotest.TypeConnectError {
			t.Errorf("got %s", p)
		}
		if a := s.IO.Of("/closed", nil).Adapter(); a.Rooms().Len() != 0 || a.Sids().Len() != 0 {
			t.Errorf("a refused socket is in the rooms %v", a.Rooms().Keys())
		}
		c.Connect("/open", nil)
		answerOf(t, c, "/open")
		a := s.IO.Of("/open", nil).Adapter()
		if members, ok := a.Rooms().Load("room1"); !ok || members.Len() != 1 {
			t.Errorf("rooms %v", a.Rooms().Keys())
		}
		c.Disconnect("/open")
		siotest.Eventually(t, "the rooms are empty", func() bool { return a.Rooms().Len() == 0 && a.Sids().Len() == 0 })
	})
}

// Rows 84, 94 to 98: typed values through the context.
func TestParityValues(t *testing.T) {
	t.Parallel()
	type user struct{ name string }
	type key struct{}
	put := func(v any) socket.NamespaceMiddleware {
		return wrap.Namespace(mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, v)))
		}))
	}
	required := wrap.Func(func(ctx context.Context, _ *socket.Socket) error {
		if _, ok := ctx.Value(key{}).(*user); !ok {
			return &wrap.Error{Code: "forbidden", Message: fmt.Sprintf("%T", ctx.Value(key{}))}
		}
		return nil
	})
	ada := &user{"ada"}
	for name, d := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(io *socket.Server) {
				for name, mws := range map[string][]socket.NamespaceMiddleware{
					"/user": {put(ada), required}, "/wrong": {put("ada"), required}, "/none": {required}, "/maybe": {pass},
				} {
					nsp := io.Of(name, nil)
					for _, mw := range mws {
						nsp.Use(mw)
					}
					nsp.Use(wrap.Packet(func(ctx context.Context, _ *socket.Socket, p *wrap.Event) error {
						p.Args[0] = ctx.Value(key{}) == any(ada)
						return nil
					}))
					_ = nsp.On("connection", func(args ...any) {
						s := args[0].(*socket.Socket)
						connected, _ := wrap.Context(s).Value(key{}).(*user)
						_ = s.On("who", func(args ...any) {
							now, _ := wrap.Context(s).Value(key{}).(*user)
							args[1].(socket.Ack)([]any{connected == ada, args[0], now == ada}, nil)
						})
					})
				}
			})
			for nsp, want := range map[string]string{"/user": "[true true true]", "/maybe": "[false false false]"} {
				d.Namespace = nsp
				c := s.Dial(t, d)
				c.Connected(t)
				if got := fmt.Sprint(c.EmitAck(t, "who", 0).Args()); got != want {
					t.Errorf("%s: %s, want %s", nsp, got, want)
				}
			}
			for nsp, want := range map[string]string{"/wrong": "string", "/none": "<nil>"} {
				d.Namespace = nsp
				if got := s.Dial(t, d).ConnectError(t).Message(); got != want {
					t.Errorf("%s: refused for %q, want %q", nsp, got, want)
				}
			}
		})
	}
}

// Rows 90 to 93: leaving from inside a middleware, with the locks of this package around.
func TestParityDisconnectInside(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"middleware", "connection", "packet", "event", "disconnect", "context"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			eachDial(t, func(t *testing.T, d siotest.Dial) {
				ended := make(chan struct{})
				s := serve(t, func(io *socket.Server) {
					at := func(name string, s *socket.Socket) {
						if name != place {
							return
						}
						s.Leave("x")
						s.Disconnect(true)
						s.Conn().Close(true)
						io.In("room").DisconnectSockets(true)
					}
					io.Use(wrap.Func(func(_ context.Context, s *socket.Socket) error {
						context.AfterFunc(wrap.Context(s), func() { at("context", s); close(ended) })
						_ = s.On("disconnect", func(...any) { at("disconnect", s) })
						at("middleware", s)
						return nil
					}))
					io.Use(wrap.Packet(func(_ context.Context, s *socket.Socket, _ *wrap.Event) error { at("packet", s); return nil }))
					_ = io.On("connection", func(args ...any) {
						s := args[0].(*socket.Socket)
						s.Join("room")
						_ = s.On("x", func(...any) { at("event", s) })
						at("connection", s)
					})
				})
				c, err := s.Open(t, d)
				if err == nil && d.EIO != 3 {
					c.Connect("/", nil)
				}
				switch place {
				case "packet", "event":
					c.Connected(t)
					c.Emit("x")
				case "disconnect", "context":
					c.Connected(t)
					c.Close()
				}
				<-ended
				if c != nil {
					c.AwaitDone(t)
				}
			})
		})
	}
}
