package jwtauth_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
)

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
		"Bearer":     {[]any{"Bearer " + token(t, "ada", 2*time.Hour, object{"role": "admin"})}, "", "admin"},
		"other user": {[]any{token(t, "bob", 2*time.Hour)}, "forbidden", ""},
		"no user":    {[]any{token(t, "", 2*time.Hour)}, "forbidden", ""},
		"issuer":     {[]any{token(t, "ada", 2*time.Hour, object{"iss": "x"})}, "forbidden", ""},
		"older":      {[]any{token(t, "ada", time.Minute)}, "forbidden", ""},
		"expired":    {[]any{token(t, "ada", -time.Minute)}, "token_expired", ""},
		"garbage":    {[]any{"x"}, "token_invalid", ""},
		"nothing":    {nil, "token_missing", ""},
		"a scheme":   {[]any{object{"token": "bearer "}}, "token_missing", ""},
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

// TestRefreshOfNobody: a token without a subject may be anybody's, so that it
// cannot replace another one.
func TestRefreshOfNobody(t *testing.T) {
	t.Parallel()
	s, _ := authenticated(t, newAuth(t, nil))
	c := s.Dial(t, with(token(t, "", time.Hour, object{"sub": nil})))
	c.Connected(t)
	if got := refresh(t, c, token(t, "", 2*time.Hour, object{"sub": nil})); got != "forbidden" {
		t.Errorf("code %q", got)
	}
}

// TestRefreshWithoutExpiry: a token that never expires is older than none, and
// none that does can replace it.
func TestRefreshWithoutExpiry(t *testing.T) {
	t.Parallel()
	s, _ := authenticated(t, newAuth(t, &jwtauth.Options[claims]{InsecureNoExpiry: true}))
	never, once := token(t, "ada", 0, object{"exp": nil}), token(t, "ada", time.Hour)
	for _, tt := range []struct {
		name, first, next, want string
	}{
		{"neither expires", never, token(t, "ada", 0, object{"exp": nil}), ""},
		{"from one that does", once, never, ""},
		{"to one that does", never, once, "forbidden"},
	} {
		c := s.Dial(t, with(tt.first))
		c.Connected(t)
		got := c.EmitAck(t, "auth:refresh", tt.next).Args()[0].(object)
		if code(got) != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, got, tt.want)
		}
		if ttl, ok := got["ttlMs"]; tt.want == "" && (!ok || ttl != nil) {
			t.Errorf("%s: ttlMs %v, want null", tt.name, got)
		}
	}
}

// TestRefreshMovesTheSocket: from then on the new token is the one to revoke.
func TestRefreshMovesTheSocket(t *testing.T) {
	t.Parallel()
	a := newAuth(t, nil)
	s, _ := authenticated(t, a)
	c := s.Dial(t, with(token(t, "ada", time.Hour, object{"jti": "old"})))
	c.Connected(t)
	if got := refresh(t, c, token(t, "ada", 2*time.Hour, object{"jti": "new"})); got != "" {
		t.Fatalf("refresh: %s", got)
	}
	for _, tt := range []struct {
		id string
		n  int
	}{{"old", 0}, {"new", 1}} {
		if n, err := a.Revoke(t.Context(), jwtauth.ByID(tt.id)); n != tt.n || err != nil {
			t.Errorf("Revoke of the %s token: %d, %v; want %d", tt.id, n, err, tt.n)
		}
	}
	kicked(t, c, "token_revoked")
	siotest.Eventually(t, "the index is empty", func() bool { return jwtauth.Indexed(a)+jwtauth.IndexKeys(a) == 0 })
}

// TestRefreshPostponesExpiry: the exp of the old token is nothing to a socket that
// has a new one, whose own it is then.
func TestRefreshPostponesExpiry(t *testing.T) {
	t.Parallel()
	a := newAuth(t, &jwtauth.Options[claims]{Warning: -1})
	s, sockets := authenticated(t, a)
	c := s.Dial(t, with(token(t, "ada", 2*time.Second)))
	c.Connected(t)
	so := <-sockets
	first, _ := a.Identity(so)
	if got := refresh(t, c, token(t, "ada", 4*time.Second)); got != "" {
		t.Errorf("refresh: %s", got)
	}
	next, _ := a.Identity(so)
	passed(t, first.ExpiresAt.Add(600*time.Millisecond)) // the disconnect would come within 500
	if got := c.EmitAck(t, "whoami").Args(); got[0] != "ada" {
		t.Errorf("after the first exp: %v", got)
	}
	kicked(t, c, "token_expired")
	if early := time.Until(next.ExpiresAt); early > 0 {
		t.Errorf("disconnected %v before exp", early)
	}
}
