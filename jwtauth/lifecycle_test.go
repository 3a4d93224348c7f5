package jwtauth_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestDisconnectAtExpiry(t *testing.T) {
	t.Parallel()
	for _, d := range []siotest.Dial{{}, {Polling: true}, {EIO: 3}} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			a := newAuth(t, &jwtauth.Options[claims]{Sources: []jwtauth.Source{jwtauth.Query("token")}})
			s, sockets := authenticated(t, a)
			d.Query = map[string][]string{"token": {token(t, "ada", 2*time.Second)}}
			c := s.Dial(t, d)
			c.Connected(t)
			so := <-sockets
			exp := func() time.Time { id, _ := a.Identity(so); return id.ExpiresAt }()
			gone := make(chan time.Time, 1)
			_ = so.On("disconnect", func(...any) { gone <- time.Now() })
			ttl, _ := c.NextEvent(t, "auth:expiring").Args()[0].(object)["ttlMs"].(float64)
			if ttl <= 0 || ttl > 2000 {
				t.Errorf("expiring in %v ms", ttl)
			}
			if p := c.Next(t); p.Event() != "kicked" || code(p.Args()[0]) != "token_expired" {
				t.Errorf("%v after the warning, of which there is one", p)
			}
			if at := <-gone; at.Before(exp) {
				t.Errorf("disconnected %v before exp", exp.Sub(at))
			}
		})
	}
}

func TestDowngradeAtExpiry(t *testing.T) {
	t.Parallel()
	var changes atomic.Int32
	a := newAuth(t, &jwtauth.Options[claims]{
		OnExpiry: jwtauth.Downgrade, Warning: -1,
		Changed: func(_ *socket.Socket, before, after *jwtauth.Identity[claims]) {
			switch changes.Add(1) {
			case 1:
				if before == nil || before.Subject != "ada" || after != nil {
					t.Errorf("first change: %v, %v", before, after)
				}
			case 2:
				if before != nil || after == nil || after.Subject != "ada" {
					t.Errorf("second change: %v, %v", before, after)
				}
			}
		},
	})
	s, sockets := authenticated(t, a)
	c := s.Dial(t, with(token(t, "ada", 2*time.Second)))
	c.Connected(t)
	so := <-sockets
	if got := c.NextEvent(t, "auth:expired").Args(); code(got[0]) != "token_expired" {
		t.Errorf("auth:expired %v", got)
	}
	if _, ok := a.From(so); ok {
		t.Error("still somebody")
	}
	siotest.Eventually(t, "the first change is told", func() bool { return changes.Load() == 1 }) // or it becomes one with the second
	if got := c.EmitAck(t, "auth:refresh", token(t, "bob", time.Hour)).Args(); code(got[0]) != "forbidden" {
		t.Errorf("refresh as another user: %v", got)
	}
	if got := c.EmitAck(t, "auth:refresh", token(t, "ada", time.Hour)).Args()[0].(object); got["ttlMs"].(float64) < 3590e3 {
		t.Errorf("refresh: %v", got)
	}
	if got, ok := a.From(so); !ok || got.Subject != "ada" {
		t.Errorf("From = %v, %v", got, ok)
	}
	if n := jwtauth.Armed(a); n != 1 {
		t.Errorf("%d alarms for the new token", n)
	}
	siotest.Eventually(t, "both changes are told", func() bool { return changes.Load() == 2 })
}

func TestNotifyAtExpiry(t *testing.T) {
	t.Parallel()
	a := newAuth(t, &jwtauth.Options[claims]{OnExpiry: jwtauth.Notify, Warning: -1})
	s, sockets := authenticated(t, a)
	c := s.Dial(t, with(token(t, "ada", 2*time.Second)))
	c.Connected(t)
	so := <-sockets
	c.NextEvent(t, "auth:expired")
	if got, ok := a.From(so); !ok || got.Subject != "ada" {
		t.Errorf("From = %v, %v", got, ok)
	}
	c.EmitAck(t, "whoami")
}

// TestExpiryWithLeeway: a socket stays as long as its token would be accepted.
func TestExpiryWithLeeway(t *testing.T) {
	t.Parallel()
	const leeway = 2500 * time.Millisecond
	a := newAuth(t, &jwtauth.Options[claims]{Leeway: leeway})
	s, sockets := authenticated(t, a)
	c := s.Dial(t, with(token(t, "ada", -time.Second)))
	c.Connected(t)
	so := <-sockets
	id, _ := a.Identity(so)
	gone := make(chan time.Time, 1)
	context.AfterFunc(wrap.Context(so), func() { gone <- time.Now() })
	kicked(t, c, "token_expired")
	if at := <-gone; at.Before(id.ExpiresAt.Add(leeway)) {
		t.Errorf("disconnected %v after exp", at.Sub(id.ExpiresAt))
	}
}

// TestExpiryWhileConnecting: if other middlewares keep a socket waiting, its
// client is told what has happened once it is connected.
func TestExpiryWhileConnecting(t *testing.T) {
	t.Parallel()
	for policy, want := range map[jwtauth.ExpiryPolicy]string{
		jwtauth.Disconnect: "kicked", jwtauth.Downgrade: "auth:expired", jwtauth.Notify: "auth:expired",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			a := newAuth(t, &jwtauth.Options[claims]{OnExpiry: policy, Warning: -1})
			entered, leave := make(chan *socket.Socket), make(chan struct{})
			s := serve(t, func(io *socket.Server) {
				io.Use(a.Middleware())
				io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
					entered <- s
					<-leave
					next(nil)
				})
			})
			c := s.Dial(t, with(token(t, "ada", 2*time.Second)))
			id, _ := a.Identity(<-entered)
			passed(t, id.ExpiresAt.Add(600*time.Millisecond)) // the disconnect may come 500 after exp
			close(leave)
			if p := c.Next(t); p.Type != siotest.TypeConnect {
				t.Fatalf("%v before the socket is connected", p)
			}
			if got := c.NextEvent(t, want).Args(); code(got[0]) != "token_expired" {
				t.Errorf("%s %v", want, got)
			}
		})
	}
}

// TestChangesPileUp: Changed gets one change at a time, and those that came
// during a call as one.
func TestChangesPileUp(t *testing.T) {
	t.Parallel()
	told, goOn := make(chan string, 10), make(chan struct{})
	a := newAuth(t, &jwtauth.Options[claims]{
		Changed: func(_ *socket.Socket, before, after *jwtauth.Identity[claims]) {
			told <- before.ID + " " + after.ID
			<-goOn
		},
	})
	s, _ := authenticated(t, a)
	c := s.Dial(t, with(token(t, "ada", time.Hour, object{"jti": "0"})))
	c.Connected(t)
	next := func(id string) {
		if got := refresh(t, c, token(t, "ada", 2*time.Hour, object{"jti": id})); got != "" {
			t.Errorf("refresh: %s", got)
		}
	}
	next("1")
	if got := <-told; got != "0 1" {
		t.Errorf("told %q first", got)
	}
	next("2")
	next("3")
	close(goOn)
	if got := <-told; got != "1 3" {
		t.Errorf("told %q then", got)
	}
	next("4")
	if got := <-told; got != "3 4" {
		t.Errorf("told %q in the end", got)
	}
}

// TestLeavingStopsTheClock: nothing is planned for a socket that has gone.
func TestLeavingStopsTheClock(t *testing.T) {
	t.Parallel()
	a := newAuth(t, nil)
	s, _ := authenticated(t, a)
	c := s.Dial(t, with(token(t, "ada", time.Hour)))
	c.Connected(t)
	if n := jwtauth.Armed(a); n != 1 {
		t.Errorf("%d alarms for one socket", n)
	}
	c.Disconnect("")
	siotest.Eventually(t, "no alarm is left", func() bool { return jwtauth.Armed(a) == 0 })
}
