package wrap_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// recovering returns options with state recovery. skip is SkipMiddlewares.
func recovering(skip *bool, missed ...any) (*socket.ServerOptions, *siotest.Recovery) {
	recovery := &siotest.Recovery{Missed: missed}
	r := &socket.ConnectionStateRecovery{}
	if skip != nil {
		r.SetSkipMiddlewares(*skip)
	}
	o := socket.DefaultServerOptions()
	o.SetConnectionStateRecovery(r)
	o.SetAdapter(recovery)
	return o, recovery
}

// lose connects a client, drops it, and returns how to come back.
func lose(t *testing.T, s *siotest.Server, d siotest.Dial, recovery *siotest.Recovery) siotest.Dial {
	t.Helper()
	c := s.Dial(t, d)
	pid, _ := c.Connected(t).Data.(map[string]any)["pid"].(string)
	recovery.Lose(t, s, c, pid)
	d.Auth = map[string]any{"pid": pid, "offset": "0"}
	return d
}

// Rows 13, 14. Unlike the host, Harden makes the middlewares run by default.
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
					o, recovery := recovering(tt.skip)
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
					d := lose(t, s, d, recovery)
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
