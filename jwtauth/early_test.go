package jwtauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestHandlerEarly: what Handler has accepted is judged again at each CONNECT.
func TestHandlerEarly(t *testing.T) {
	t.Parallel()
	a := newAuth(t, &jwtauth.Options[claims]{Sources: []jwtauth.Source{jwtauth.Bearer()}})
	s := serve(t, func(io *socket.Server) { wrap.UseAll(io, a.Middleware()); io.Of("/admin", nil); io.Of("/late", nil) }, a.Handler)
	c := s.Dial(t, siotest.Dial{Header: http.Header{"Authorization": {"Bearer " + token(t, "ada", time.Hour)}}})
	c.Connected(t)
	c.Connect("/admin", nil) // the connection has the token, no longer the request
	c.Connected(t)
	if _, err := a.Revoke(t.Context(), jwtauth.BySubject("ada")); err != nil {
		t.Fatal(err)
	}
	c.NextEvent(t, "kicked")
	c.Connect("/late", nil)
	for {
		if p := c.Next(t); p.Type == siotest.TypeConnectError {
			if code(p.Data) != "token_revoked" {
				t.Errorf("%v", p)
			}
			return
		}
	}
}

// TestEarlyExpires: a connection outlives the token that it was opened with; then
// that token no longer admits anybody.
func TestEarlyExpires(t *testing.T) {
	t.Parallel()
	for name, early := range map[string]bool{"Handler": true, "Middleware": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuth(t, &jwtauth.Options[claims]{Sources: []jwtauth.Source{jwtauth.Bearer()}})
			s, _ := authenticated(t, a, handlers(a, early)...)
			c := s.Dial(t, bearer(token(t, "ada", 2*time.Second), nil))
			c.Connected(t)
			kicked(t, c, "token_expired")
			c.Connect("/", nil)
			if got := answer(t, c); got != "token_expired" {
				t.Errorf("code %q", got)
			}
		})
	}
}

// TestLateToken: once the token of the connection has expired, CONNECT may bring
// another one of the same user. Otherwise two tokens are one too many.
func TestLateToken(t *testing.T) {
	t.Parallel()
	type make func(t *testing.T) string
	lasts := func(ttl time.Duration) func(sub any, more ...object) make {
		return func(sub any, more ...object) make {
			return func(t *testing.T) string { return token(t, "", ttl, append(more, object{"sub": sub})...) }
		}
	}
	text := func(s string) make { return func(*testing.T) string { return s } }
	soon, fresh, old := lasts(2*time.Second), lasts(time.Hour), lasts(-time.Hour)
	iss := object{"iss": "a"}
	for _, tt := range []struct {
		name        string
		early, late make
		want        string
		bare        bool // Handler would not have let it so far
	}{
		{"of the same user", soon("ada"), fresh("ada"), "", false},
		{"of the same user and issuer", soon("ada", iss), fresh("ada", iss), "", false},
		{"of another user", soon("ada"), fresh("bob"), "token_invalid", false},
		{"of another issuer", soon("ada"), fresh("ada", iss), "token_invalid", false},
		{"of nobody", soon(nil), fresh(nil), "token_invalid", false},
		{"of nobody, for a user", soon("ada"), fresh(nil), "token_invalid", false},
		{"that has expired too", soon("ada"), old("ada"), "token_expired", false},
		{"that is garbage", soon("ada"), text("x"), "token_invalid", false},
		{"none", soon("ada"), text(""), "token_expired", false},
		{"beside a good one", fresh("ada"), fresh("ada"), "token_invalid", false},
		{"beside garbage", text("x"), fresh("ada"), "token_invalid", true},
		{"beside a forgery", text(forge(hs256, `{"sub":"ada","exp":1}`, []byte("x"))), fresh("ada"), "token_invalid", true},
		{"beside one that is not for us", old("ada", object{"nbf": time.Now().Unix() + 60}), fresh("ada"), "token_invalid", true},
	} {
		for _, early := range []bool{false, true} {
			if early && tt.bare {
				continue
			}
			t.Run(fmt.Sprintf("%s (Handler: %v)", tt.name, early), func(t *testing.T) {
				t.Parallel()
				a := newAuth(t, nil)
				s := serve(t, func(io *socket.Server) { io.Use(a.Middleware()) }, handlers(a, early)...)
				d := bearer(tt.early(t), nil)
				d.NoConnect = true
				c := s.Dial(t, d)
				if !tt.bare {
					passed(t, time.Now().Add(2*time.Second)) // what is soon to expire has expired
				}
				c.Connect("/", object{"token": tt.late(t)})
				if got := answer(t, c); got != tt.want {
					t.Errorf("code %q, want %q", got, tt.want)
				}
			})
		}
	}
}

// TestLateTokenOutage: while the keys are away nobody knows whether the token of the
// connection has expired, so the other one is not refused as invalid.
func TestLateTokenOutage(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	a, err := jwtauth.New[claims](jwtauth.KeyFunc(func(context.Context, jwtauth.Unverified) ([]any, error) {
		if away.Load() {
			return nil, errors.New("key server away")
		}
		return []any{secret}, nil
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close(t.Context()) }()
	s, _ := authenticated(t, a)
	d := bearer(token(t, "ada", -time.Second), nil)
	d.NoConnect = true
	c := s.Dial(t, d)
	for _, want := range []string{"unavailable", ""} {
		away.Store(want != "")
		c.Connect("/", object{"token": token(t, "ada", time.Hour)})
		if got := answer(t, c); got != want {
			t.Errorf("code %q, want %q", got, want)
		}
	}
}

// TestSameTokenExpires: a token that came twice does not replace itself.
func TestSameTokenExpires(t *testing.T) {
	t.Parallel()
	s, _ := authenticated(t, newAuth(t, nil))
	old := token(t, "ada", -time.Second)
	refused(t, s, bearer(old, object{"token": old}), "token_expired")
}

// TestRefreshedOnOldConnection: a client that has refreshed the token that it opened
// its connection with joins other namespaces with the new one.
func TestRefreshedOnOldConnection(t *testing.T) {
	t.Parallel()
	for name, early := range map[string]bool{"Handler": true, "Middleware": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuth(t, nil)
			sockets := make(chan *socket.Socket, 1)
			s := serve(t, func(io *socket.Server) {
				wrap.UseAll(io, a.Middleware())
				io.Of("/chat", nil)
				onConnection(io.Sockets(), func(s *socket.Socket) { sockets <- s })
			}, handlers(a, early)...)
			c := s.Dial(t, bearer(token(t, "ada", 2*time.Second), nil))
			c.Connected(t)
			id, _ := a.Identity(<-sockets)
			fresh := token(t, "ada", time.Hour)
			if got := refresh(t, c, fresh); got != "" {
				t.Errorf("refresh: %s", got)
			}
			passed(t, id.ExpiresAt)
			for _, tt := range []struct {
				auth any
				want string
			}{{nil, "token_expired"}, {object{"token": fresh}, ""}} {
				c.Connect("/chat", tt.auth)
				if got := answer(t, c); got != tt.want {
					t.Errorf("%v: code %q, want %q", tt.auth != nil, got, tt.want)
				}
			}
		})
	}
}

// bearer is a client of "/" that sends a token in Authorization, and a payload.
func bearer(token string, auth any) siotest.Dial {
	return siotest.Dial{Header: http.Header{"Authorization": {"Bearer " + token}}, Auth: auth}
}

// handlers is the chain in front of the server, with or without that of a.
func handlers(a *jwtauth.Auth[claims], early bool) []wrap.Middleware {
	if !early {
		return nil
	}
	return []wrap.Middleware{a.Handler}
}
