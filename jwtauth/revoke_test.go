package jwtauth_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestRevoke(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		revoke func(id *jwtauth.Identity[claims]) jwtauth.Revocation
		other  bool // concerns other tokens of the user too
	}{
		"id":      {func(id *jwtauth.Identity[claims]) jwtauth.Revocation { return jwtauth.ByID(id.ID) }, false},
		"subject": {func(id *jwtauth.Identity[claims]) jwtauth.Revocation { return jwtauth.BySubject(id.Subject) }, true},
		"time": {func(id *jwtauth.Identity[claims]) jwtauth.Revocation {
			return jwtauth.IssuedBefore(id.Subject, id.IssuedAt.Add(time.Second))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := jwtauth.NewMemoryStore()
			here, there := newAuth(t, &jwtauth.Options[claims]{Store: store}), newAuth(t, &jwtauth.Options[claims]{Store: store})
			s, sockets := authenticated(t, here)
			remote, _ := authenticated(t, there)
			good, second := token(t, "ada", time.Hour), token(t, "ada", time.Hour)
			c, elsewhere, polls := s.Dial(t, with(good)), remote.Dial(t, with(good)), with(good)
			polls.Polling = true
			p := s.Dial(t, polls)
			bystander := s.Dial(t, with(token(t, "bob", time.Hour)))
			for _, c := range []*siotest.Client{c, elsewhere, p, bystander} {
				c.Connected(t)
			}
			id, _ := here.Identity(<-sockets)
			for id.Subject != "ada" {
				id, _ = here.Identity(<-sockets)
			}
			n, err := here.Revoke(t.Context(), tt.revoke(id))
			if n != 2 || err != nil {
				t.Errorf("Revoke = %d, %v", n, err)
			}
			for _, c := range []*siotest.Client{c, p, elsewhere} {
				kicked(t, c, "token_revoked")
			}
			refused(t, s, with(good), "token_revoked")
			refused(t, remote, with(good), "token_revoked")
			if tt.other {
				refused(t, s, with(second), "token_revoked")
			} else {
				s.Dial(t, with(second)).Connected(t)
			}
			if got := bystander.EmitAck(t, "auth:refresh", token(t, "bob", 2*time.Hour)).Args(); code(got[0]) != "" {
				t.Errorf("bystander: %v", got)
			}
		})
	}
	a := newAuth(t, nil)
	for _, r := range []jwtauth.Revocation{{}, jwtauth.ByID(""), {ID: "a", Subject: "b"}} {
		if _, err := a.Revoke(t.Context(), r); err == nil {
			t.Errorf("Revoke(%+v) did not fail", r)
		}
	}
}

// TestRevokedWhileConnecting: a revocation at any moment of the connect is seen.
func TestRevokedWhileConnecting(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} { // in Verify, or in a middleware behind ours
		var a *jwtauth.Auth[claims]
		revoke := func() error {
			_, err := a.Revoke(context.Background(), jwtauth.BySubject("ada"))
			return err
		}
		a = newAuth(t, &jwtauth.Options[claims]{Verify: func(context.Context, *jwtauth.Identity[claims]) error {
			if late {
				return nil
			}
			return revoke()
		}})
		s := serve(t, func(io *socket.Server) {
			io.Use(a.Middleware())
			if late {
				io.Use(wrap.Func(func(context.Context, *socket.Socket) error { return revoke() }))
			}
		})
		refused(t, s, with(token(t, "ada", time.Hour)), "token_revoked")
	}
}

// broken is a store that fails on demand, and whose contents can be changed
// behind the backs of those who watch it.
type broken struct {
	atomic.Pointer[jwtauth.MemoryStore]
	down    atomic.Bool
	watcher func(jwtauth.Change)
}

func newBroken() *broken {
	b := new(broken)
	b.Store(jwtauth.NewMemoryStore())
	return b
}

func (b *broken) Admit(ctx context.Context, l jwtauth.Login) (jwtauth.Verdict, error) {
	if b.down.Load() {
		return jwtauth.Admitted, errors.New("connection to 10.0.0.1 refused")
	}
	return b.Load().Admit(ctx, l)
}

func (b *broken) Revoke(ctx context.Context, r jwtauth.Revocation) error {
	return b.Load().Revoke(ctx, r)
}

func (b *broken) Watch(f func(jwtauth.Change)) func() {
	b.watcher = f
	return func() {}
}

// TestStoreDown: nobody comes in, and nobody is put out.
func TestStoreDown(t *testing.T) {
	t.Parallel()
	b := newBroken()
	a := newAuth(t, &jwtauth.Options[claims]{Store: b})
	s, _ := authenticated(t, a)
	c := s.Dial(t, with(token(t, "ada", time.Hour)))
	c.Connected(t)
	b.down.Store(true)
	b.watcher(jwtauth.Change{})
	got := refused(t, s, with(token(t, "ada", time.Hour)), "unavailable")
	if data, _ := got["data"].(object); data["retryable"] != true {
		t.Errorf("not retryable: %v", got)
	}
	if got := c.EmitAck(t, "auth:refresh", token(t, "ada", 2*time.Hour)).Args(); code(got[0]) != "unavailable" {
		t.Errorf("refresh: %v", got)
	}
	b.down.Store(false)
	if got := c.EmitAck(t, "auth:refresh", token(t, "ada", 2*time.Hour)).Args(); code(got[0]) != "" {
		t.Errorf("refresh: %v", got)
	}
}

// TestMissedChanges: what a node has not been told it finds out.
func TestMissedChanges(t *testing.T) {
	t.Parallel()
	b := newBroken()
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
