package jwtauth_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func admins(c claims) error {
	switch c.Role {
	case "admin":
		return nil
	case "odd":
		return &wrap.Error{Code: "odd_role", Message: "An odd role"}
	case "panic":
		panic("a rule")
	}
	return errors.New("secret cause")
}

func TestRequire(t *testing.T) {
	t.Parallel()
	a := newAuth(t, &jwtauth.Options[claims]{Guests: true, OnExpiry: jwtauth.Downgrade, Warning: -1})
	s := serve(t, func(io *socket.Server) {
		wrap.UseAll(io, a.Middleware())
		io.Of("/admin", nil).Use(a.Require(admins))
		io.Of("/members", nil).Use(a.Require(nil))
	})
	bare := serve(t, func(io *socket.Server) { io.Use(a.Require(nil)) })
	refused(t, bare, with(token(t, "ada", time.Hour)), "internal")

	admin := func(role string, ttl time.Duration) siotest.Dial {
		d := with(token(t, "ada", ttl, object{"role": role}))
		d.Namespace = "/admin"
		return d
	}
	c := s.Dial(t, admin("admin", time.Hour))
	c.Connected(t)
	for role, want := range map[string]string{"user": "forbidden", "odd": "odd_role", "panic": "internal"} {
		refused(t, s, admin(role, time.Hour), want)
	}
	refused(t, s, siotest.Dial{Namespace: "/admin"}, "token_missing")
	refused(t, s, siotest.Dial{Namespace: "/members"}, "token_missing")
	s.Dial(t, siotest.Dial{Auth: object{"token": token(t, "ada", time.Hour)}, Namespace: "/members"}).Connected(t)

	// The rule holds as long as the socket.
	next := token(t, "ada", 2*time.Hour, object{"role": "user"})
	c.EmitTo("/admin", "auth:refresh", next)
	d := s.Dial(t, admin("admin", 2*time.Second))
	d.Connected(t)
	kicked(t, d, "token_expired")
}

// TestRequireOnRefresh: a refresh cannot take away what a namespace asks for.
func TestRequireOnRefresh(t *testing.T) {
	t.Parallel()
	a := newAuth(t, nil)
	s := serve(t, func(io *socket.Server) {
		io.Use(a.Middleware())
		io.Use(a.Require(admins))
	})
	c := s.Dial(t, with(token(t, "ada", time.Hour, object{"role": "admin"})))
	c.Connected(t)
	got := c.EmitAck(t, "auth:refresh", token(t, "ada", 2*time.Hour, object{"role": "user"})).Args()
	if code(got[0]) != "forbidden" {
		t.Errorf("%v", got)
	}
	got = c.EmitAck(t, "auth:refresh", token(t, "ada", 2*time.Hour, object{"role": "admin"})).Args()
	if code(got[0]) != "" {
		t.Errorf("%v", got)
	}
}
