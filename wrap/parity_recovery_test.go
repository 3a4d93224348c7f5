package wrap_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// remembering is an adapter that restores sessions. The host's own panics in
// NewServer from Go 1.26 on (utils/timer.go:26 of engine.io).
type remembering struct {
	socket.Adapter
	sessions *sync.Map
	missed   []any
}

func (a *remembering) PersistSession(s *socket.SessionToPersist) { a.sessions.Store(s.Pid, s) }

func (a *remembering) RestoreSession(pid socket.PrivateSessionId, _ string) (*socket.Session, error) {
	if s, ok := a.sessions.Load(pid); ok {
		return &socket.Session{SessionToPersist: s.(*socket.SessionToPersist), MissedPackets: a.missed}, nil
	}
	return nil, nil
}

// recovering returns options with state recovery. skip is SkipMiddlewares.
func recovering(skip *bool, missed ...any) (*socket.ServerOptions, *sync.Map) {
	sessions := new(sync.Map)
	r := &socket.ConnectionStateRecovery{}
	if skip != nil {
		r.SetSkipMiddlewares(*skip)
	}
	o := socket.DefaultServerOptions()
	o.SetConnectionStateRecovery(r)
	o.SetAdapter(adapters(func(nsp socket.Namespace) socket.Adapter {
		return &remembering{(&socket.AdapterBuilder{}).New(nsp), sessions, missed}
	}))
	return o, sessions
}

// lose connects a client, drops it, and returns how to come back.
func lose(t *testing.T, s *siotest.Server, d siotest.Dial, sessions *sync.Map) siotest.Dial {
	t.Helper()
	c := s.Dial(t, d)
	pid, _ := c.Connected(t).Data.(map[string]any)["pid"].(string)
	// The state is stored before the socket leaves its rooms, and the one that is restored has
	// its ID: nobody comes back so soon.
	left := make(chan struct{})
	s.IO.Sockets().Sockets().Range(func(_ socket.SocketId, s *socket.Socket) bool {
		end := sync.OnceFunc(func() { close(left) })
		_ = s.On("disconnect", func(...any) { end() })
		return true
	})
	c.Close()
	<-left
	if _, ok := sessions.Load(socket.PrivateSessionId(pid)); !ok {
		t.Fatal("the session is not persisted")
	}
	d.Auth = map[string]any{"pid": pid, "offset": "0"}
	return d
}

// Rows 13, 14. Harden has the middlewares run by default, other than the host.
func TestParityRecovery(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for name, tt := range map[string]struct {
		skip   *bool
		revoke bool
		want   string // middleware runs, and whether the socket has recovered
	}{
		"default":           {nil, false, "run connection run recovered"},
		"run":               {&no, false, "run connection run recovered"},
		"skip":              {&yes, false, "run connection recovered"},
		"revoked meanwhile": {nil, true, "run connection run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for name, d := range transports {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					var ran journal
					o, sessions := recovering(tt.skip)
					s := siotest.Config{
						Options: wrap.Harden(o),
						Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) },
					}.NewServer(t, func(io *socket.Server) {
						wrap.UseAll(io, wrap.Func(func(_ context.Context, s *socket.Socket) error {
							ran.note("run")
							if s.Recovered() && tt.revoke {
								return &wrap.Error{Code: "token_revoked"}
							}
							return nil
						}))
						_ = io.On("connection", func(args ...any) {
							s := args[0].(*socket.Socket)
							if wrap.Context(s).Err() != nil || wrap.Request(s).URL.Path != siotest.Path {
								t.Errorf("context %v, request for %v", wrap.Context(s).Err(), wrap.Request(s).URL)
							}
							if !s.Recovered() {
								ran.note("connection")
								s.SetData("data")
								s.Join("room")
								return
							}
							ran.note("recovered")
							if s.Data() != "data" || !s.Rooms().Has("room") {
								t.Errorf("data %v, rooms %v", s.Data(), s.Rooms().Keys())
							}
						})
					})
					d := lose(t, s, d, sessions)
					c := s.Dial(t, d)
					if tt.revoke {
						if got := refusalData(t, c.ConnectError(t))["code"]; got != "token_revoked" {
							t.Errorf("code %v", got)
						}
					} else {
						c.Connected(t)
						c.Disconnect("/") // has not been put out
					}
					if got := ran.String(); got != tt.want {
						t.Errorf("ran %q, want %q", got, tt.want)
					}
				})
			}
		})
	}
}
