package jwtauth_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestStoreDown: nobody comes in, and nobody is put out.
func TestStoreDown(t *testing.T) {
	t.Parallel()
	b := newScripted()
	a := newAuth(t, &jwtauth.Options[claims]{Store: b})
	s, _ := authenticated(t, a)
	c := s.Dial(t, with(token(t, "ada", time.Hour)))
	c.Connected(t)
	b.onAdmit(down)
	b.watcher(jwtauth.Change{})
	got := refused(t, s, with(token(t, "ada", time.Hour)), "unavailable")
	if data, _ := got["data"].(object); data["retryable"] != true {
		t.Errorf("not retryable: %v", got)
	}
	if got := c.EmitAck(t, "auth:refresh", token(t, "ada", 2*time.Hour)).Args(); code(got[0]) != "unavailable" {
		t.Errorf("refresh: %v", got)
	}
	b.onAdmit(nil)
	if got := c.EmitAck(t, "auth:refresh", token(t, "ada", 2*time.Hour)).Args(); code(got[0]) != "" {
		t.Errorf("refresh: %v", got)
	}
}

// TestMissedChanges: what a node has not been told it finds out.
func TestMissedChanges(t *testing.T) {
	t.Parallel()
	b := newScripted()
	a := newAuth(t, &jwtauth.Options[claims]{Store: b})
	s, sockets := authenticated(t, a)
	c := s.Dial(t, with(token(t, "ada", time.Hour)))
	c.Connected(t)
	id, _ := a.Identity(<-sockets)
	if err := b.Revoke(t.Context(), jwtauth.Revocation{ID: id.ID, Until: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	b.watcher(jwtauth.Change{})
	kicked(t, c, "token_revoked")
}

// TestStoreIsAskedAgain: a question that a store has not answered stays open until
// it has, or until the socket leaves.
func TestStoreIsAskedAgain(t *testing.T) {
	t.Parallel()
	for name, admit := range map[string]admission{"down": down, "panics": panics} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newScripted()
			a := newAuth(t, &jwtauth.Options[claims]{Store: b, Logger: slog.New(slog.DiscardHandler)})
			s, _ := authenticated(t, a)
			c := s.Dial(t, with(token(t, "ada", time.Hour, object{"jti": "x"})))
			c.Connected(t)
			b.onAdmit(admit)
			b.watcher(jwtauth.Change{})
			siotest.Eventually(t, "the store was asked, and is to be asked again", func() bool {
				return len(b.logins("x")) == 2 && jwtauth.Planned(a) == 1
			})
			c.Close()
			siotest.Eventually(t, "no alarm is left", func() bool { return jwtauth.Armed(a)+jwtauth.Planned(a) == 0 })
		})
	}
}

// TestBadStore: whatever a store does when it is asked anew, the token expires.
func TestBadStore(t *testing.T) {
	t.Parallel()
	for name, admit := range map[string]admission{
		"admits": func(context.Context, jwtauth.Login) (jwtauth.Verdict, error) { return jwtauth.Admitted, nil },
		"panics": panics,
		"fails":  down,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newScripted()
			a := newAuth(t, &jwtauth.Options[claims]{Store: b, Warning: -1, Logger: slog.New(slog.DiscardHandler)})
			s, sockets := authenticated(t, a)
			s.Dial(t, with(token(t, "ada", 2*time.Second, object{"jti": "x"}))).Connected(t)
			so := <-sockets
			b.onAdmit(admit)
			b.watcher(jwtauth.Change{})
			siotest.Eventually(t, "the store is asked", func() bool { return len(b.logins("x")) == 2 })
			if got := ended(t, so); got != "token_expired" {
				t.Errorf("put out with %q", got)
			}
		})
	}
}

// TestHangingStore: questions that get no answer hold up neither expiry nor a
// revocation, however many they are.
func TestHangingStore(t *testing.T) {
	t.Parallel()
	b := newScripted()
	a := newAuth(t, &jwtauth.Options[claims]{Store: b, Warning: -1})
	s, sockets := authenticated(t, a)
	dial := func(user string, ttl time.Duration) *socket.Socket {
		s.Dial(t, with(token(t, user, ttl, object{"jti": user}))).Connected(t)
		return <-sockets
	}
	for i := range 15 { // with the two below more than there are workers
		dial(fmt.Sprint("user", i), time.Hour)
	}
	revoked, old := dial("ada", time.Hour), dial("bob", 2*time.Second)
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) }) // before a is closed
	b.onAdmit(func(ctx context.Context, l jwtauth.Login) (jwtauth.Verdict, error) {
		<-hang
		return down(ctx, l)
	})
	b.watcher(jwtauth.Change{})
	siotest.Eventually(t, "the store hangs", func() bool { return len(b.logins("ada")) == 2 })
	b.watcher(jwtauth.Change{Revocation: jwtauth.ByID("ada")})
	for so, want := range map[*socket.Socket]string{revoked: "token_revoked", old: "token_expired"} {
		if got := ended(t, so); got != want {
			t.Errorf("put out with %q, want %q", got, want)
		}
	}
}

// TestRefreshedWhileAsked: what the store says of a token that has been refreshed
// meanwhile concerns nobody; it is asked about the new one.
func TestRefreshedWhileAsked(t *testing.T) {
	t.Parallel()
	b := newScripted()
	a := newAuth(t, &jwtauth.Options[claims]{Store: b})
	s, sockets := authenticated(t, a)
	c := s.Dial(t, with(token(t, "ada", time.Hour, object{"jti": "old"})))
	c.Connected(t)
	so := <-sockets
	decide := make(chan struct{})
	b.onAdmit(func(_ context.Context, l jwtauth.Login) (jwtauth.Verdict, error) {
		if l.ID == "old" {
			<-decide
			return jwtauth.Revoked, nil
		}
		return jwtauth.Admitted, nil
	})
	b.watcher(jwtauth.Change{})
	siotest.Eventually(t, "the store is asked", func() bool { return len(b.logins("old")) == 2 })
	if got := refresh(t, c, token(t, "ada", 2*time.Hour, object{"jti": "new"})); got != "" {
		t.Errorf("refresh: %s", got)
	}
	siotest.Eventually(t, "the store is asked after the refresh", func() bool { return len(b.logins("new")) == 2 })
	close(decide)
	siotest.Eventually(t, "the store is asked about the new token", func() bool { return len(b.logins("new")) == 3 })
	if got := c.EmitAck(t, "whoami").Args(); got[0] != "ada" || wrap.Context(so).Err() != nil {
		t.Errorf("%v, %v", got, wrap.Context(so).Err())
	}
}

// TestLoginUntil: a login is remembered as long as its token is taken, which is
// Leeway longer than exp, and 400 days if it does not expire.
func TestLoginUntil(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		o   jwtauth.Options[claims]
		exp any
	}{
		{jwtauth.Options[claims]{}, time.Now().Add(time.Hour).Unix()},
		{jwtauth.Options[claims]{Leeway: time.Minute}, time.Now().Add(time.Hour).Unix()},
		{jwtauth.Options[claims]{InsecureNoExpiry: true}, nil},
	} {
		b := newScripted()
		tt.o.Store = b
		before := time.Now()
		if _, err := newAuth(t, &tt.o).Authenticate(t.Context(), token(t, "ada", 0, object{"jti": "x", "exp": tt.exp})); err != nil {
			t.Fatal(err)
		}
		l := b.logins("x")[0]
		first, last := before.AddDate(0, 0, 400).Add(-time.Hour), time.Now().AddDate(0, 0, 400).Add(time.Hour)
		if exp, ok := tt.exp.(int64); ok {
			first = time.Unix(exp, 0).Add(tt.o.Leeway)
			last = first
		}
		if l.Until.Before(first) || l.Until.After(last) || (tt.exp == nil) != l.ExpiresAt.IsZero() {
			t.Errorf("exp %v, leeway %v: %+v, want until %v", tt.exp, tt.o.Leeway, l, first)
		}
	}
}
