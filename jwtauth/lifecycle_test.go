package jwtauth_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
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
			kicked(t, c, "token_expired")
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
	if got := c.EmitAck(t, "auth:refresh", token(t, "bob", time.Hour)).Args(); code(got[0]) != "forbidden" {
		t.Errorf("refresh as another user: %v", got)
	}
	if got := c.EmitAck(t, "auth:refresh", token(t, "ada", time.Hour)).Args()[0].(object); got["ttlMs"].(float64) < 3590e3 {
		t.Errorf("refresh: %v", got)
	}
	if got, ok := a.From(so); !ok || got.Subject != "ada" {
		t.Errorf("From = %v, %v", got, ok)
	}
	siotest.Eventually(t, "both changes are told", func() bool { return changes.Load() == 2 })
}

func TestNotifyAtExpiry(t *testing.T) {
	t.Parallel()
	a := newAuth(t, &jwtauth.Options[claims]{OnExpiry: jwtauth.Notify, Warning: -1})
	s, sockets := authenticated(t, a)
	c := s.Dial(t, with(token(t, "ada", time.Second)))
	c.Connected(t)
	so := <-sockets
	c.NextEvent(t, "auth:expired")
	if got, ok := a.From(so); !ok || got.Subject != "ada" {
		t.Errorf("From = %v, %v", got, ok)
	}
	c.EmitAck(t, "whoami")
}

// TestRefresh: what a refresh may put in place, and that otherwise all is as
// before.
func TestRefresh(t *testing.T) {
	t.Parallel()
	var disabled atomic.Bool
	a := newAuth(t, &jwtauth.Options[claims]{Verify: func(_ context.Context, id *jwtauth.Identity[claims]) error {
		if disabled.Load() {
			return jwtauth.ErrDisabled
		}
		return nil
	}})
	s, sockets := authenticated(t, a)
	for name, tt := range map[string]struct {
		args []any
		want string
		role string
	}{
		"good":       {[]any{token(t, "ada", 2*time.Hour, object{"role": "admin"})}, "", "admin"},
		"object":     {[]any{object{"token": token(t, "ada", 2*time.Hour, object{"role": "admin"})}}, "", "admin"},
		"other user": {[]any{token(t, "bob", 2*time.Hour)}, "forbidden", ""},
		"no user":    {[]any{token(t, "", 2*time.Hour)}, "forbidden", ""},
		"issuer":     {[]any{token(t, "ada", 2*time.Hour, object{"iss": "x"})}, "forbidden", ""},
		"older":      {[]any{token(t, "ada", time.Minute)}, "forbidden", ""},
		"expired":    {[]any{token(t, "ada", -time.Minute)}, "token_expired", ""},
		"garbage":    {[]any{"x"}, "token_invalid", ""},
		"nothing":    {nil, "token_missing", ""},
		"two":        {[]any{"x", "y"}, "token_missing", ""},
		"a number":   {[]any{1}, "token_missing", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := s.Dial(t, with(token(t, "ada", time.Hour)))
			c.Connected(t)
			so := <-sockets
			before, _ := a.Identity(so)
			got := c.EmitAck(t, "auth:refresh", tt.args...).Args()
			if code(got[0]) != tt.want {
				t.Errorf("ack %v, want %q", got, tt.want)
			}
			after, _ := a.Identity(so)
			if tt.want != "" && after != before {
				t.Errorf("identity changed to %+v", after)
			}
			if tt.want == "" && (after == before || after.Claims.Role != tt.role || after.Source != "auth:refresh") {
				t.Errorf("identity %+v", after)
			}
			if got := c.EmitAck(t, "whoami").Args(); got[0] != "ada" || got[1] != tt.role || got[2] != true {
				t.Errorf("whoami: %v", got)
			}
		})
	}

	t.Run("disabled", func(t *testing.T) {
		c := s.Dial(t, with(token(t, "ada", time.Hour)))
		c.Connected(t)
		disabled.Store(true)
		if got := c.EmitAck(t, "auth:refresh", token(t, "ada", 2*time.Hour)).Args(); code(got[0]) != "user_disabled" {
			t.Errorf("ack %v", got)
		}
	})
}

// TestRefreshIsLimited: one at a time, and not too often.
func TestRefreshIsLimited(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}, 1), make(chan struct{})
	var slow atomic.Bool
	a := newAuth(t, &jwtauth.Options[claims]{Verify: func(ctx context.Context, _ *jwtauth.Identity[claims]) error {
		if slow.Load() {
			entered <- struct{}{}
			<-leave
		}
		return nil
	}})
	s, _ := authenticated(t, a)
	c := s.Dial(t, with(token(t, "ada", time.Hour)))
	c.Connected(t)
	slow.Store(true)
	next := token(t, "ada", 2*time.Hour)
	c.Emit("auth:refresh", next)
	<-entered
	got := c.EmitAck(t, "auth:refresh", next).Args()[0].(object)
	if code(got) != "rate_limited" || got["retryAfterMs"] != 1000. {
		t.Errorf("second at a time: %v", got)
	}
	slow.Store(false)
	close(leave)
	limited := false
	for range 1000 { // the slow one may still be under way
		got := c.EmitAck(t, "auth:refresh", "garbage").Args()[0].(object)
		if limited = code(got) == "rate_limited" && got["retryAfterMs"].(float64) > 1000; limited {
			break
		}
	}
	if !limited {
		t.Error("refreshes in a row were not limited")
	}
}
