package jwtauth_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestRecovery: a recovered socket is verified like any other, and gets only its
// own state; if the host was told to skip middlewares, nobody gets in.
func TestRecovery(t *testing.T) {
	t.Parallel()
	for _, skip := range []bool{false, true} {
		recovery := new(siotest.Recovery)
		o := socket.DefaultServerOptions()
		r := &socket.ConnectionStateRecovery{}
		r.SetSkipMiddlewares(skip)
		o.SetConnectionStateRecovery(r)
		o.SetAdapter(recovery)
		a := newAuth(t, nil)
		s := siotest.Config{
			Options: wrap.Harden(o), Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) },
		}.NewServer(t, func(io *socket.Server) { io.Use(a.Middleware()) })

		good := token(t, "ada", time.Hour)
		if skip {
			refused(t, s, with(good), "internal")
			continue
		}
		c := s.Dial(t, with(good))
		pid, _ := c.Connected(t).Data.(object)["pid"].(string)
		recovery.Lose(t, s, c, pid)
		back := func(token any) siotest.Dial {
			return siotest.Dial{Auth: object{"pid": pid, "offset": "0", "token": token}}
		}
		refused(t, s, back(nil), "token_missing")
		refused(t, s, back(token(t, "ada", -time.Hour)), "token_expired")
		s.Dial(t, back(good)).Connected(t)
		refused(t, s, back(token(t, "bob", time.Hour)), "forbidden")
		refused(t, s, back(token(t, "ada", time.Hour, object{"iss": "x"})), "forbidden")
		refused(t, s, back(token(t, "", time.Hour, object{"sub": nil, "jti": "ada"})), "forbidden")
		if _, err := a.Revoke(t.Context(), jwtauth.BySubject("ada")); err != nil {
			t.Fatal(err)
		}
		siotest.Eventually(t, "all are removed", func() bool { // or their end takes the rooms of the next one, whose ID they have
			return s.IO.Sockets().Adapter().Sids().Len() == 0
		})
		refused(t, s, back(good), "token_revoked")
	}
}

// TestOwners: no two owners share a state, whatever their names.
func TestOwners(t *testing.T) {
	t.Parallel()
	type identity = jwtauth.Identity[jwtauth.Claims]
	rooms := make(map[socket.Room]*identity)
	for _, id := range []*identity{
		nil,
		{Subject: "ada"},
		{ID: "ada"},
		{Issuer: "ada"},
		{Issuer: "a", Subject: "ada"},
		{Issuer: "a", ID: "ada"},
		{Issuer: "a\x00ada"},
		{Issuer: "a\x00b", Subject: "c"},
		{Issuer: "a", Subject: "b\x00c"},
		{Issuer: `a""b`, Subject: "c"},
		{Issuer: "a", Subject: `b""c`},
	} {
		room := jwtauth.Owner(id)
		if other, ok := rooms[room]; ok {
			t.Errorf("%+v is %+v", id, other)
		}
		rooms[room] = id
	}
	if jwtauth.Owner(&identity{Issuer: "a", Subject: "ada", ID: "1"}) != jwtauth.Owner(&identity{Issuer: "a", Subject: "ada", ID: "2"}) {
		t.Error("another token of a user is another owner")
	}
}
