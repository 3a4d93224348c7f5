package jwtauth_test

import (
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	a := newAuth(t, &jwtauth.Options[claims]{Guests: true})
	s := serve(t, func(io *socket.Server) {
		io.Use(a.Middleware())
		io.Use(a.Events(func(c claims, event string, args []any) error {
			if event == "delete" {
				return admins(c)
			}
			return nil
		}))
		onConnection(io.Sockets(), func(s *socket.Socket) {
			for _, name := range []string{"delete", "read"} {
				_ = s.On(name, func(args ...any) { args[len(args)-1].(socket.Ack)([]any{"done"}, nil) })
			}
		})
	})
	for role, want := range map[string]string{"admin": "", "user": "forbidden", "odd": "odd_role", "panic": "internal"} {
		c := s.Dial(t, with(token(t, "ada", time.Hour, object{"role": role})))
		c.Connected(t)
		if got := c.EmitAck(t, "delete", 1).Args(); code(got[0]) != want {
			t.Errorf("%s: %v", role, got)
		}
		if got := c.EmitAck(t, "read").Args(); got[0] != "done" {
			t.Errorf("%s: %v", role, got)
		}
	}
	guest := s.Dial(t, siotest.Dial{})
	guest.Connected(t)
	if got := guest.EmitAck(t, "delete", 1).Args(); code(got[0]) != "forbidden" {
		t.Errorf("guest: %v", got)
	}
	// A refresh changes what the next event may do.
	c := s.Dial(t, with(token(t, "ada", time.Hour)))
	c.Connected(t)
	c.EmitAck(t, "auth:refresh", token(t, "ada", 2*time.Hour, object{"role": "admin"}))
	if got := c.EmitAck(t, "delete", 1).Args(); got[0] != "done" {
		t.Errorf("after a refresh: %v", got)
	}
	bare := serve(t, func(io *socket.Server) { io.Use(a.Events(func(claims, string, []any) error { return nil })) })
	b := bare.Dial(t, siotest.Dial{})
	b.Connected(t)
	if got := b.EmitAck(t, "read").Args(); code(got[0]) != "internal" {
		t.Errorf("without Middleware: %v", got)
	}
}

// TestEventsAtExpiry: what counts is whether the token would still be accepted,
// not whether its expiry has been handled, which may be late.
func TestEventsAtExpiry(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		o    jwtauth.Options[claims]
		want string
	}{
		"Disconnect": {jwtauth.Options[claims]{}, "token_expired"},
		"Downgrade":  {jwtauth.Options[claims]{OnExpiry: jwtauth.Downgrade}, "token_expired"},
		"Notify":     {jwtauth.Options[claims]{OnExpiry: jwtauth.Notify}, ""},
		"leeway":     {jwtauth.Options[claims]{Leeway: time.Minute}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuth(t, &tt.o)
			sockets := make(chan *socket.Socket, 1)
			s := serve(t, func(io *socket.Server) {
				io.Use(a.Middleware())
				io.Use(a.Events(nil))
				onConnection(io.Sockets(), func(s *socket.Socket) {
					_ = s.On("read", func(args ...any) { args[len(args)-1].(socket.Ack)([]any{"done"}, nil) })
					sockets <- s
				})
			})
			c := s.Dial(t, with(token(t, "ada", 2*time.Second)))
			c.Connected(t)
			id, _ := a.Identity(<-sockets)
			if got := c.EmitAck(t, "read").Args(); got[0] != "done" {
				t.Errorf("before exp: %v", got)
			}
			if err := a.Close(t.Context()); err != nil { // from now on it is very late
				t.Fatal(err)
			}
			passed(t, id.ExpiresAt)
			if got := c.EmitAck(t, "read").Args(); code(got[0]) != tt.want {
				t.Errorf("after exp: %v, want %q", got, tt.want)
			}
		})
	}
}
