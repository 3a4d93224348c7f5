package jwtauth_test

import (
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestNewestLogin(t *testing.T) {
	t.Parallel()
	store := jwtauth.NewMemoryStore()
	o := &jwtauth.Options[claims]{Store: store, Logins: jwtauth.NewestLogin}
	s, _ := authenticated(t, newAuth(t, o))
	remote, _ := authenticated(t, newAuth(t, o))
	first := token(t, "ada", time.Hour, object{"iat": time.Now().Unix() - 10})
	tab, same := s.Dial(t, with(first)), remote.Dial(t, with(first))
	tab.Connected(t)
	same.Connected(t)

	second := token(t, "ada", time.Hour)
	newer := remote.Dial(t, with(second))
	newer.Connected(t)
	kicked(t, tab, "replaced")
	kicked(t, same, "replaced")
	refused(t, s, with(first), "replaced")
	s.Dial(t, with(second)).Connected(t)

	// A refresh is the same login.
	third := token(t, "ada", 2*time.Hour)
	if got := newer.EmitAck(t, "auth:refresh", third).Args(); code(got[0]) != "" {
		t.Errorf("refresh: %v", got)
	}
	refused(t, s, with(token(t, "", time.Hour)), "token_invalid") // whose login?
	s.Dial(t, with(third)).Connected(t)
}

func TestOldestLogin(t *testing.T) {
	t.Parallel()
	a := newAuth(t, &jwtauth.Options[claims]{Logins: jwtauth.OldestLogin})
	s, sockets := authenticated(t, a)
	first, second := token(t, "ada", time.Hour), token(t, "ada", time.Hour)
	s.Dial(t, with(first)).Connected(t)
	s.Dial(t, with(first)).Connected(t)
	refused(t, s, with(second), "too_many_connections")
	id, _ := a.Identity(<-sockets)
	if _, err := a.Revoke(t.Context(), jwtauth.ByID(id.ID)); err != nil {
		t.Fatal(err)
	}
	s.Dial(t, with(second)).Connected(t)
}

// policies are those under which a user has one login.
var policies = map[string]jwtauth.LoginPolicy{"newest": jwtauth.NewestLogin, "oldest": jwtauth.OldestLogin}

// TestRefreshKeepsTheLogin: a refresh is not a second login, neither for the
// user's other tabs nor for the next token.
func TestRefreshKeepsTheLogin(t *testing.T) {
	t.Parallel()
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := authenticated(t, newAuth(t, &jwtauth.Options[claims]{Logins: policy}))
			iat := time.Now().Unix()
			first := token(t, "ada", time.Hour, object{"iat": iat - 9})
			one, two := s.Dial(t, with(first)), s.Dial(t, with(first))
			one.Connected(t)
			two.Connected(t)
			next := token(t, "ada", 2*time.Hour, object{"iat": iat - 2})
			if got := refresh(t, one, next); got != "" {
				t.Errorf("refresh of the first tab: %s", got)
			}
			for tab, tok := range map[string]string{"old": first, "new": next} {
				if got := answer(t, s.Dial(t, with(tok))); got != "" {
					t.Errorf("a third tab with the %s token: %s", tab, got)
				}
			}
			if got := refresh(t, two, token(t, "ada", 2*time.Hour, object{"iat": iat - 1})); got != "" {
				t.Errorf("refresh of the second tab: %s", got)
			}
		})
	}
}

// TestRefusedRefreshIsNoLogin: what a rule of Require refuses changes nothing,
// not even in the store.
func TestRefusedRefreshIsNoLogin(t *testing.T) {
	t.Parallel()
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newScripted()
			a := newAuth(t, &jwtauth.Options[claims]{Logins: policy, Store: b})
			s := serve(t, func(io *socket.Server) {
				io.Use(a.Middleware())
				io.Use(a.Require(admins))
			})
			iat := time.Now().Unix()
			first := token(t, "ada", time.Hour, object{"role": "admin", "iat": iat - 5})
			c := s.Dial(t, with(first))
			c.Connected(t)
			if got := refresh(t, c, token(t, "ada", 2*time.Hour, object{"iat": iat, "jti": "x"})); got != "forbidden" {
				t.Errorf("refresh: %q", got)
			}
			if n := len(b.logins("x")); n != 0 {
				t.Errorf("the store was asked %d times", n)
			}
			if got := answer(t, s.Dial(t, with(first))); got != "" {
				t.Errorf("the user's own token is refused: %s", got)
			}
		})
	}
}

// TestLoginsOfIssuers: users of two issuers are two users, whatever their
// names, and a login of one does not concern the other.
func TestLoginsOfIssuers(t *testing.T) {
	t.Parallel()
	iat := time.Now().Unix()
	b := newScripted()
	a := newAuth(t, &jwtauth.Options[claims]{Logins: jwtauth.NewestLogin, Store: b})
	s, _ := authenticated(t, a)
	older := token(t, "ada", time.Hour, object{"iss": "a", "sid": "s", "jti": "x", "iat": iat - 9})
	for range 10 { // all are before y in the index
		s.Dial(t, with(older)).Connected(t)
	}
	s.Dial(t, with(token(t, "ada", time.Hour, object{"iss": "b", "jti": "y", "iat": iat}))).Connected(t)
	s.Dial(t, with(older)).Connected(t)

	b.watcher(jwtauth.Change{Login: jwtauth.Login{Issuer: "b", Subject: "ada", Name: "z"}})
	siotest.Eventually(t, "the store is asked again", func() bool { return len(b.logins("y")) == 2 })
	if err := a.Close(t.Context()); err != nil { // waits for questions that were before
		t.Fatal(err)
	}
	if n := len(b.logins("x")); n != 11 {
		t.Errorf("%d questions about a user of the other issuer", n-11)
	}
}
