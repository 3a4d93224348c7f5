package jwtauth_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
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

// TestRevokedInTheStore: a socket is in the index before the store is asked, so
// that there is no moment at which neither of the two tells it.
func TestRevokedInTheStore(t *testing.T) {
	t.Parallel()
	b := newScripted()
	a := newAuth(t, &jwtauth.Options[claims]{Store: b})
	b.onAdmit(func(ctx context.Context, l jwtauth.Login) (jwtauth.Verdict, error) {
		verdict, err := b.MemoryStore.Admit(ctx, l)
		if n, err := a.Revoke(context.WithoutCancel(ctx), jwtauth.ByID(l.ID)); n != 1 || err != nil {
			t.Errorf("Revoke = %d, %v", n, err)
		}
		return verdict, err
	})
	s, _ := authenticated(t, a)
	refused(t, s, with(token(t, "ada", time.Hour)), "token_revoked")
}

// TestRevokeLooksTwice: a socket that comes while the store takes the revocation
// down is put out too.
func TestRevokeLooksTwice(t *testing.T) {
	t.Parallel()
	b := newScripted()
	a := newAuth(t, &jwtauth.Options[claims]{Store: b})
	s, _ := authenticated(t, a)
	good := token(t, "ada", time.Hour)
	before := s.Dial(t, with(good))
	before.Connected(t)
	var meanwhile *siotest.Client
	b.onRevoke(func(jwtauth.Revocation) {
		meanwhile = s.Dial(t, with(good))
		meanwhile.Connected(t)
	})
	if n, err := a.Revoke(t.Context(), jwtauth.BySubject("ada")); n != 2 || err != nil {
		t.Errorf("Revoke = %d, %v", n, err)
	}
	kicked(t, before, "token_revoked")
	kicked(t, meanwhile, "token_revoked")
}

// TestRevokeNotRefused: a socket that was refused is not counted, although the host still
// has it.
func TestRevokeNotRefused(t *testing.T) {
	t.Parallel()
	a := newAuth(t, nil)
	revoke := func() int {
		n, err := a.Revoke(t.Context(), jwtauth.BySubject("ada"))
		if err != nil {
			t.Error(err)
		}
		return n
	}
	revoke()
	counts := make(chan int, 1)
	s := serve(t, func(io *socket.Server) {
		admit := a.Middleware()
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			admit(s, func(err *socket.ExtendedError) {
				counts <- revoke()
				next(err)
			})
		})
	})
	refused(t, s, with(token(t, "ada", time.Hour)), "token_revoked")
	if n := <-counts; n != 0 {
		t.Errorf("Revoke = %d, want 0", n)
	}
}

// TestRevokeSparesYounger: IssuedBefore concerns tokens that are older than that,
// and BySubject those up to the end of this second by our clock: not those of an
// issuer that is further ahead, for which there is IssuedBefore.
func TestRevokeSparesYounger(t *testing.T) {
	t.Parallel()
	a := newAuth(t, &jwtauth.Options[claims]{Leeway: time.Minute})
	s, _ := authenticated(t, a)
	now := time.Now()
	clients := make(map[string]*siotest.Client)
	tokens := make(map[string]string)
	for name, iat := range map[string]time.Duration{"old": -time.Hour, "young": -10 * time.Second, "ahead": 30 * time.Second} {
		tokens[name] = token(t, "ada", time.Hour, object{"iat": now.Add(iat).Unix()})
		clients[name] = s.Dial(t, with(tokens[name]))
		clients[name].Connected(t)
	}
	left := []string{"old", "young", "ahead"}
	for _, r := range []jwtauth.Revocation{
		jwtauth.IssuedBefore("ada", now.Add(-time.Minute)), jwtauth.BySubject("ada"), jwtauth.IssuedBefore("ada", now.Add(time.Minute)),
	} {
		if n, err := a.Revoke(t.Context(), r); n != 1 || err != nil {
			t.Errorf("Revoke(%v) = %d, %v", r, n, err)
		}
		kicked(t, clients[left[0]], "token_revoked")
		refused(t, s, with(tokens[left[0]]), "token_revoked")
		for _, name := range left[1:] {
			if got := clients[name].EmitAck(t, "whoami").Args(); got[0] != "ada" {
				t.Errorf("%s: %v", name, got)
			}
		}
		left = left[1:]
	}
}

// TestRevokedWithinLeeway: until ExpiresAt, as ByID advises, is until the token is
// refused anyway, although that is later.
func TestRevokedWithinLeeway(t *testing.T) {
	t.Parallel()
	a := newAuth(t, &jwtauth.Options[claims]{Leeway: time.Minute})
	s, sockets := authenticated(t, a)
	late := token(t, "ada", -2*time.Second)
	c := s.Dial(t, with(late))
	c.Connected(t)
	id, _ := a.Identity(<-sockets)
	r := jwtauth.ByID(id.ID)
	r.Until = id.ExpiresAt
	if n, err := a.Revoke(t.Context(), r); n != 1 || err != nil {
		t.Errorf("Revoke = %d, %v", n, err)
	}
	kicked(t, c, "token_revoked")
	refused(t, s, with(late), "token_revoked")
}

// TestRevocationUntil: a revocation is remembered as long as a token that it
// concerns may be taken, which is Leeway longer than exp, and exp may be Leeway
// further ahead than MaxLifetime, and a second further after iat.
func TestRevocationUntil(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		o     jwtauth.Options[claims]
		until time.Duration // of the revocation, if not 0
		want  time.Duration
	}{
		{jwtauth.Options[claims]{}, time.Hour, time.Hour},
		{jwtauth.Options[claims]{Leeway: time.Minute}, time.Hour, time.Hour + time.Minute},
		{jwtauth.Options[claims]{MaxLifetime: time.Hour}, 0, time.Hour + time.Second},
		{jwtauth.Options[claims]{MaxLifetime: time.Hour, Leeway: time.Minute}, 0, time.Hour + 2*time.Minute + time.Second},
		{jwtauth.Options[claims]{}, 0, 400 * 24 * time.Hour},
	} {
		b := newScripted()
		tt.o.Store = b
		a := newAuth(t, &tt.o)
		r, before := jwtauth.ByID("x"), time.Now()
		if tt.until != 0 {
			r.Until = before.Add(tt.until)
		}
		if _, err := a.Revoke(t.Context(), r); err != nil {
			t.Error(err)
		}
		if got := b.revocations()[0].Until; got.Before(before.Add(tt.want)) || got.After(time.Now().Add(tt.want)) {
			t.Errorf("%v + %v, %v: until %v, want %v", tt.o.MaxLifetime, tt.o.Leeway, tt.until, got.Sub(before), tt.want)
		}
	}
}

// TestRevocationOutlived: a token that lives longer than MaxLifetime is refused also when
// it has little left, and its revocation is forgotten.
func TestRevocationOutlived(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := jwtauth.NewMemoryStore()
		a := newAuth(t, &jwtauth.Options[claims]{MaxLifetime: 15 * time.Minute, Store: store})
		month := token(t, "ada", 30*24*time.Hour)
		if _, err := a.Revoke(t.Context(), jwtauth.BySubject("ada")); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := a.Authenticate(t.Context(), month); !errors.Is(err, jwtauth.ErrInvalid) {
				t.Errorf("Authenticate = %v", err)
			}
			time.Sleep(30*24*time.Hour - 10*time.Minute) // synctest's
		}
	})
}

// away is a store that cannot remember a revocation.
type away struct{ *jwtauth.MemoryStore }

func (away) Revoke(context.Context, jwtauth.Revocation) error { return errors.New("away") }

// TestRevokeListenerHangs: a listener of "disconnect" that hangs, as it may while the store
// is away, keeps no other socket with the revoked token connected.
func TestRevokeListenerHangs(t *testing.T) {
	t.Parallel()
	a := newAuth(t, &jwtauth.Options[claims]{Store: away{jwtauth.NewMemoryStore()}})
	s, sockets := authenticated(t, a)
	good := token(t, "ada", time.Hour)
	var clients []*siotest.Client
	hang, hangs := make(chan struct{}), make(chan struct{}, 3)
	release := sync.OnceFunc(func() { close(hang) })
	defer release()
	for range 3 {
		c := s.Dial(t, with(good))
		c.Connected(t)
		clients = append(clients, c)
		_ = (<-sockets).On("disconnect", func(...any) {
			hangs <- struct{}{}
			<-hang
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if n, err := a.Revoke(context.Background(), jwtauth.BySubject("ada")); n != 3 || err == nil {
			t.Errorf("Revoke = %d, %v", n, err)
		}
	}()
	<-hangs
	for _, c := range clients {
		kicked(t, c, "token_revoked")
	}
	release()
	<-done
}
