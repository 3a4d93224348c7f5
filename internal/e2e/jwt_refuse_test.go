package e2e

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/jwtauth"
	"github.com/zishang520/socket.io/v2/socket"
)

// refusals are the ways in which a CONNECT is refused.
var refusals = map[string]struct {
	code    string
	keys    jwtauth.Keys // nil: the secret
	opts    func() jwtOptions
	token   func(t *testing.T, a *jwtAuth) string
	require func(jwtauth.Claims) error
	cookie  bool // the token is in one, and the page is foreign
}{
	"missing": {code: "token_missing", token: func(*testing.T, *jwtAuth) string { return "" }},
	"invalid": {code: "token_invalid", token: func(*testing.T, *jwtAuth) string { return sign("ada", time.Hour) + "x" }},
	"expired": {code: "token_expired", token: func(*testing.T, *jwtAuth) string { return sign("ada", -time.Second) }},
	"revoked": {code: "token_revoked", token: func(t *testing.T, a *jwtAuth) string {
		if _, err := a.Revoke(t.Context(), jwtauth.BySubject("ada")); err != nil {
			t.Fatal(err)
		}
		return sign("ada", time.Hour)
	}},
	"disabled": {code: "user_disabled", opts: func() jwtOptions {
		return jwtOptions{Verify: func(context.Context, *jwtauth.Identity[jwtauth.Claims]) error { return jwtauth.ErrDisabled }}
	}},
	"forbidden": {code: "forbidden", require: func(jwtauth.Claims) error { return errors.New("secret cause") }},
	"store down": {code: "unavailable", opts: func() jwtOptions {
		store := newFlaky()
		store.down.Store(true)
		return jwtOptions{Store: store}
	}},
	"keys down": {code: "unavailable", keys: jwtauth.KeyFunc(func(context.Context, jwtauth.Unverified) ([]any, error) {
		return nil, errors.New("secret cause")
	}, "HS256")},
	"replaced": {
		code: "replaced",
		opts: func() jwtOptions { return jwtOptions{Logins: jwtauth.NewestLogin} },
		token: func(t *testing.T, a *jwtAuth) string {
			signIn(t, a)
			return sign("ada", time.Hour, object{"iat": time.Now().Unix() - 10})
		},
	},
	"occupied": {
		code: "too_many_connections",
		opts: func() jwtOptions { return jwtOptions{Logins: jwtauth.OldestLogin} },
		token: func(t *testing.T, a *jwtAuth) string {
			signIn(t, a)
			return sign("ada", time.Hour)
		},
	},
	"origin": {
		code:   "origin_denied",
		opts:   func() jwtOptions { return jwtOptions{Sources: []jwtauth.Source{jwtauth.Cookie("jwt")}} },
		cookie: true,
	},
}

// signIn makes another login the current one of ada.
func signIn(t *testing.T, a *jwtAuth) {
	t.Helper()
	if _, err := a.Authenticate(t.Context(), sign("ada", time.Hour)); err != nil {
		t.Fatal(err)
	}
}

// TestJWTRefused: what the clients are told, for everything that can be wrong, and that
// they do not try again by themselves.
func TestJWTRefused(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		for name, tt := range refusals {
			t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
				t.Parallel()
				keys, opts := tt.keys, jwtOptions{}
				if keys == nil {
					keys = jwtauth.HMAC(jwtSecret)
				}
				if tt.opts != nil {
					opts = tt.opts()
				}
				a := newAuthWith(t, keys, opts)
				var connections atomic.Int32
				s := serveAuth(t, a, func(io *socket.Server) {
					if tt.require != nil {
						io.Use(a.Require(tt.require))
					}
					onConnection(io.Sockets(), func(*socket.Socket) { connections.Add(1) })
				})
				token := sign("ada", time.Hour)
				if tt.token != nil {
					token = tt.token(t, a)
				}
				c := connect(t, v, s, func(sc *scenario) {
					if !tt.cookie {
						with(v, token)(sc)
						return
					}
					staying(v)(sc)
					sc.Options["extraHeaders"] = object{"Cookie": "a=b; jwt=" + token, "Origin": "https://evil.example"}
				})
				wantRefusal(t, v, c.await(t, 1, v.refusal(), on("/"))[0], told(tt.code))
				wantNoRetry(t, v, c)
				if connections.Load() != 0 {
					t.Error("the refused socket was connected")
				}
			})
		}
	})
}

// TestJWTNamespace: the default sources, in a namespace of its own, where version 2 has
// something like auth: the query of the namespace.
func TestJWTNamespace(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		a := newAuth(t, jwtOptions{Sources: []jwtauth.Source{jwtauth.AuthField("token"), jwtauth.Bearer()}})
		s := serve(t, nil, func(io *socket.Server) {
			for _, nsp := range []string{"/in", "/out"} {
				io.Of(nsp, nil).Use(a.Middleware())
				onConnection(io.Of(nsp, nil), func(s *socket.Socket) { whoami(a, s) })
			}
			io.Of("/out", nil).Use(a.Require(func(jwtauth.Claims) error { return jwtauth.ErrForbidden }))
		})
		c := connect(t, v, s, func(sc *scenario) {
			with(v, sign("ada", time.Hour))(sc)
			sc.Namespaces = []string{"/in", "/out"}
			sc.OnConnect = []action{{Do: "emit", Event: "whoami", Ack: true}}
		})
		wantRefusal(t, v, c.await(t, 1, v.refusal(), on("/out"))[0], told("forbidden"))
		if got := c.await(t, 1, "ack", on("/in"))[0]; got.Args[0] != "ada" {
			t.Errorf("whoami: %s", got.raw)
		}
	})
}

// TestJWTEvents: a refused event is reported through its ack, and the socket stays.
func TestJWTEvents(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		a := newAuth(t, jwtOptions{})
		var handled atomic.Int32
		s := serveAuth(t, a, func(io *socket.Server) {
			io.Use(a.Events(func(c jwtauth.Claims, event string, _ []any) error {
				if event == "delete" && c.Subject != "root" {
					return errors.New("secret cause")
				}
				return nil
			}))
			onConnection(io.Sockets(), func(s *socket.Socket) {
				_ = s.On("delete", func(...any) { handled.Add(1) })
			})
		})
		c := connect(t, v, s, with(v, sign("ada", time.Hour)))
		c.await(t, 1, "connect", on("/"))
		if got := c.call(t, "delete", "x"); !reflect.DeepEqual(got, []any{told("forbidden")}) {
			t.Errorf("ack of the refused event: %v", got)
		}
		if got := c.call(t, "echo", "x"); !reflect.DeepEqual(got, []any{"x"}) {
			t.Errorf("ack of the next event: %v", got)
		}
		if handled.Load() != 0 || len(c.all("disconnect")) != 0 {
			t.Errorf("handled %d times; %s", handled.Load(), c.history())
		}
	})
}
