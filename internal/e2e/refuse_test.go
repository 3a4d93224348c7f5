package e2e

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

var errForbidden = &wrap.Error{
	Code:       "forbidden",
	Message:    "Members only",
	Data:       map[string]any{"need": []string{"member"}, "code": "ignored"},
	RetryAfter: 1500 * time.Millisecond,
	Err:        errors.New("secret cause"),
}

// forbidden is what a client is told about errForbidden.
var forbidden = object{
	"code": "forbidden", "message": "Members only", "retryable": true, "retryAfterMs": 1500.0,
	"need": []any{"member"},
}

// wantRefusal checks what a client observed of a refused CONNECT: version 4 an
// Error with message and data, version 2 the data alone.
func wantRefusal(t *testing.T, v variant, got record, data object) {
	t.Helper()
	if !reflect.DeepEqual(got.Data, any(data)) {
		t.Errorf("data = %v, want %v", got.Data, data)
	}
	if got.Connected {
		t.Error("the refused socket is connected")
	}
	if v.client == 2 {
		return
	}
	if got.Message != data["message"] {
		t.Errorf("err.message = %q, want %q", got.Message, data["message"])
	}
	if got.Active == nil || *got.Active {
		t.Errorf("socket.active is not false: %s", got.raw)
	}
}

// wantNoRetry checks that a refused client gives up.
func wantNoRetry(t *testing.T, v variant, c *client) {
	t.Helper()
	c.idle(t)
	if n := len(c.all("reconnect_attempt")); n != 0 {
		t.Errorf("%d reconnect attempts; %s", n, c.history())
	}
	if n := len(c.all(v.refusal())); n != 1 {
		t.Errorf("%d refusals; %s", n, c.history())
	}
	if n := len(c.all("connect", on("/"))); n != 0 {
		t.Errorf("connected; %s", c.history())
	}
}

// staying makes a refused client keep its connection, with a second namespace, if it
// would otherwise close it during an upgrade (see skipTorn). Version 2 keeps it anyway.
func staying(v variant) func(*scenario) {
	return func(sc *scenario) {
		if v.client == 4 && v.upgrades() {
			sc.Namespaces = []string{"/", "/lobby"}
		}
	}
}

func lobby(io *socket.Server) { io.Of("/lobby", nil) }

func TestRefusedByFunc(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		var runs, connections atomic.Int32
		s := serve(t, nil, func(io *socket.Server) {
			lobby(io)
			io.Use(wrap.Func(func(context.Context, *socket.Socket) error {
				runs.Add(1)
				return errForbidden
			}))
			onConnection(io.Sockets(), func(*socket.Socket) { connections.Add(1) })
		})
		c := connect(t, v, s, staying(v))
		wantRefusal(t, v, c.await(t, 1, v.refusal(), on("/"))[0], forbidden)
		wantNoRetry(t, v, c)
		if runs.Load() != 1 || connections.Load() != 0 {
			t.Errorf("%d middleware runs, %d connections", runs.Load(), connections.Load())
		}
	})
}

// TestRefusedLate: a client whose middleware reaches its deadline is told so, even if it
// begins to upgrade meanwhile: it completes the upgrade only after its CONNECT has been
// answered.
func TestRefusedLate(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		s := serve(t, nil, func(io *socket.Server) {
			lobby(io)
			io.Use(wrap.Func(func(ctx context.Context, _ *socket.Socket) error {
				<-ctx.Done()
				return ctx.Err()
			}))
		})
		c := connect(t, v, s, staying(v))
		wantRefusal(t, v, c.await(t, 1, v.refusal(), on("/"))[0], object{
			"code": "unavailable", "message": "Service unavailable", "retryable": true,
		})
		if v.upgrades() {
			c.await(t, 1, "upgrade")
		}
	})
}

// TestRefusedThenAdmitted: after a refusal the application decides to try again.
func TestRefusedThenAdmitted(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		var runs atomic.Int32
		s := serve(t, nil, func(io *socket.Server) {
			lobby(io)
			io.Use(wrap.Func(func(context.Context, *socket.Socket) error {
				if runs.Add(1) == 1 {
					return errForbidden
				}
				return nil
			}))
			onConnection(io.Sockets(), echo)
		})
		c := connect(t, v, s, staying(v))
		c.await(t, 1, v.refusal(), on("/"))
		if v.upgrades() {
			c.await(t, 1, "upgrade")
		}
		if v.client == 2 {
			// Its connection stays open, and on that connect() sends nothing.
			c.do(t, action{Do: "disconnect"})
		}
		c.do(t, action{Do: "connect"})
		c.await(t, 1, "connect", on("/"))
		if got := c.call(t, "echo", "in"); !reflect.DeepEqual(got, []any{"in"}) {
			t.Errorf("ack = %v", got)
		}
	})
}

func TestRefusedByNamespace(t *testing.T) {
	refuse := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "2")
			http.Error(w, "please sign in", http.StatusUnauthorized)
		})
	}
	want := object{
		"code": "http_401", "status": 401.0, "message": "please sign in", "retryable": true, "retryAfterMs": 2000.0,
	}
	each(t, func(t *testing.T, v variant) {
		s := serve(t, nil, func(io *socket.Server) {
			lobby(io)
			io.Use(wrap.Namespace(refuse))
		})
		c := connect(t, v, s, staying(v))
		wantRefusal(t, v, c.await(t, 1, v.refusal(), on("/"))[0], want)
		wantNoRetry(t, v, c)
	})
}

// TestRefusedNamespaces: one middleware guards custom and dynamic namespaces, several of
// which the client joins over one connection.
func TestRefusedNamespaces(t *testing.T) {
	names := []string{"/", "/chat", "/room-1"}
	setup := func(io *socket.Server, admit func(*socket.Socket) bool) {
		wrap.UseAll(io, wrap.Func(func(_ context.Context, s *socket.Socket) error {
			if admit(s) {
				return nil
			}
			return errForbidden
		}))
		onConnection(io.Sockets(), echo)
		onConnection(io.Of("/chat", nil), echo)
		onConnection(io.Of(regexp.MustCompile(`^/room-\d+$`), nil), echo)
	}
	t.Run("guarded", func(t *testing.T) {
		each(t, func(t *testing.T, v variant) {
			s := serve(t, nil, func(io *socket.Server) {
				setup(io, func(s *socket.Socket) bool { return s.Nsp().Name() == "/" })
			})
			c := connect(t, v, s, func(sc *scenario) { sc.Namespaces = names })
			for _, nsp := range names[1:] {
				wantRefusal(t, v, c.await(t, 1, v.refusal(), on(nsp))[0], forbidden)
			}
			c.await(t, 1, "connect", on("/"))
			c.call(t, "echo") // the connection lives on
			if n := len(c.all("connect")); n != 1 {
				t.Errorf("%d sockets connected; %s", n, c.history())
			}
		})
	})
	t.Run("all", func(t *testing.T) {
		each(t, func(t *testing.T, v variant) {
			if v.client == 4 {
				skipTorn(t, v)
			}
			s := serve(t, nil, func(io *socket.Server) {
				setup(io, func(*socket.Socket) bool { return false })
			})
			c := connect(t, v, s, func(sc *scenario) { sc.Namespaces = names })
			for _, nsp := range names {
				wantRefusal(t, v, c.await(t, 1, v.refusal(), on(nsp))[0], forbidden)
			}
			c.idle(t)
			if n := len(c.all("connect")); n != 0 {
				t.Errorf("%d sockets connected; %s", n, c.history())
			}
		})
	})
	t.Run("admitted", func(t *testing.T) {
		each(t, func(t *testing.T, v variant) {
			s := serve(t, nil, func(io *socket.Server) {
				setup(io, func(s *socket.Socket) bool { return wrap.Request(s).Header.Get("X-Member") == "yes" })
			})
			c := connect(t, v, s, func(sc *scenario) {
				sc.Namespaces = names
				sc.Options["extraHeaders"] = object{"X-Member": "yes"}
				sc.OnConnect = []action{{Do: "emit", Event: "echo", Ack: true}}
			})
			for _, nsp := range names {
				c.await(t, 1, "ack", on(nsp))
			}
		})
	})
}

func TestRefusedPacket(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		var handled atomic.Int32
		s := serve(t, nil, func(io *socket.Server) {
			io.Use(wrap.Packet(func(_ context.Context, _ *socket.Socket, p *wrap.Event) error {
				if p.Name == "delete" {
					return errForbidden
				}
				p.Args[0] = "changed"
				return nil
			}))
			onConnection(io.Sockets(), func(s *socket.Socket) {
				echo(s)
				_ = s.On("delete", func(...any) { handled.Add(1) })
			})
		})
		c := connect(t, v, s, nil)
		if got := c.call(t, "delete", "x"); !reflect.DeepEqual(got, []any{forbidden}) {
			t.Errorf("ack of the refused event = %v, want %v", got, forbidden)
		}
		if got := c.call(t, "echo", "x"); !reflect.DeepEqual(got, []any{"changed"}) {
			t.Errorf("ack of the next event = %v", got)
		}
		if handled.Load() != 0 {
			t.Error("the refused event reached its handler")
		}
	})
}
