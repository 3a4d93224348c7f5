package redisstore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/redisstore"
)

var policies = []jwtauth.LoginPolicy{jwtauth.ManyLogins, jwtauth.NewestLogin, jwtauth.OldestLogin}

// short is for tests that expect no answer.
var short = &redisstore.Options{Timeout: 300 * time.Millisecond}

// refuses checks that every call returns an error, and in time.
func refuses(t *testing.T, s *redisstore.Store, timeout time.Duration) {
	t.Helper()
	within := func(what string, f func() error) {
		t.Helper()
		began := time.Now()
		if err := f(); err == nil {
			t.Errorf("%s: no error", what)
		}
		// The rest is for a machine that is busy.
		if took := time.Since(began); took > timeout+time.Second {
			t.Errorf("%s took %v, with a timeout of %v", what, took, timeout)
		}
	}
	var wg sync.WaitGroup
	for _, p := range policies {
		wg.Go(func() {
			within("Admit", func() error {
				v, err := s.Admit(t.Context(), login(p, "user", "a", 0))
				if v == jwtauth.Admitted {
					t.Errorf("policy %d: admitted, %v", p, err)
				}
				return err
			})
		})
	}
	wg.Go(func() {
		within("Revoke", func() error { return s.Revoke(t.Context(), jwtauth.BySubject("user")) })
	})
	wg.Go(func() {
		within("Revoke", func() error { return s.Revoke(t.Context(), jwtauth.ByID("id")) })
	})
	wg.Wait()
}

// works checks that every call succeeds, once Redis is there.
func works(t *testing.T, s *redisstore.Store) {
	t.Helper()
	siotest.Eventually(t, "it works again", func() bool {
		return s.Revoke(t.Context(), jwtauth.ByID("other")) == nil
	})
	for _, p := range policies {
		v := jwtauth.Revoked
		siotest.Eventually(t, "an answer", func() (ok bool) {
			var err error
			v, err = s.Admit(t.Context(), login(p, "works", "a", 0))
			return err == nil
		})
		if v != jwtauth.Admitted {
			t.Errorf("policy %d: %d", p, v)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	refuses(t, open(t, redistest.Client(t, "127.0.0.1:1"), short), short.Timeout)
}

func TestHang(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		client func(tb testing.TB, addr string) *redis.Client
	}{{"prompt", redistest.Client}, {"patient", redistest.Patient}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			proxy := redistest.NewProxy(t, redistest.Start(t).Addr)
			s := open(t, test.client(t, proxy.Addr), short)
			works(t, s)
			proxy.Hang() // with connections in the pool, and then new ones
			refuses(t, s, short.Timeout)
			refuses(t, s, short.Timeout)
			proxy.Restore()
			works(t, s)
			proxy.Cut()
			refuses(t, s, short.Timeout)
			proxy.Restore()
			works(t, s)
		})
	}
}

func TestContextEndsFirst(t *testing.T) {
	t.Parallel()
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr)
	proxy.Hang()
	for _, client := range []*redis.Client{redistest.Client(t, proxy.Addr), redistest.Patient(t, proxy.Addr)} {
		s := open(t, client, &redisstore.Options{Timeout: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := s.Admit(ctx, login(jwtauth.NewestLogin, "user", "a", 0)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Admit: %v", err)
		}
	}
}

func TestKilledAndPaused(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.NeedReal(t)
	s := open(t, server.Client(t), short)
	works(t, s)
	server.Pause(t)
	refuses(t, s, short.Timeout)
	server.Resume(t)
	works(t, s)
	l := login(jwtauth.ManyLogins, "user", "a", 0)
	if err := s.Revoke(t.Context(), jwtauth.ByID(l.ID)); err != nil {
		t.Fatal(err)
	}
	server.Kill(t)
	refuses(t, s, short.Timeout)
	server.Restart(t)
	works(t, s)
	// As the documentation warns.
	if v := admitted(t, s, l); v != jwtauth.Admitted {
		t.Errorf("an empty Redis remembers a revocation: %d", v)
	}
}

func TestScriptFlush(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, c := open(t, server.Client(t), unhurried), server.Client(t)
	for _, p := range policies {
		for _, name := range []string{"a", "b"} {
			if err := c.ScriptFlush(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Admit(t.Context(), login(p, "user", name, 0)); err != nil {
				t.Errorf("Admit: %v", err)
			}
		}
	}
	if err := c.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Revoke(t.Context(), jwtauth.BySubject("user")); err != nil {
		t.Errorf("Revoke: %v", err)
	}
}

func TestWrongType(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, c := open(t, server.Client(t), unhurried), server.Client(t)
	l := login(jwtauth.OldestLogin, "user", "a", 0)
	// Which policies read which of the keys: of the subject, the login, the names
	// that were replaced, those of the login, and the ID.
	reads := [][]jwtauth.LoginPolicy{policies, policies[1:], policies[1:2], policies[1:], policies}
	for i, key := range s.Keys(l) {
		for _, other := range []func() error{
			func() error { return c.RPush(t.Context(), key, "a").Err() },
			func() error { return c.HSet(t.Context(), key, "until", "soon", "id", "b").Err() },
			func() error { return c.Set(t.Context(), key, "soon", 0).Err() },
		} {
			if err := c.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			if err := other(); err != nil {
				t.Fatal(err)
			}
			for _, p := range policies {
				l.Policy = p
				v, err := s.Admit(t.Context(), l)
				if v == jwtauth.Admitted && (err != nil || slices.Contains(reads[i], p)) {
					t.Errorf("key %s, policy %d: %d, %v", key, p, v, err)
				}
			}
			if c.Type(t.Context(), key).Val() == "string" {
				continue // which is what a revocation is
			}
			byID, bySubject := s.Revoke(t.Context(), jwtauth.ByID(l.ID)), s.Revoke(t.Context(), jwtauth.BySubject(l.Subject))
			if (bySubject == nil) == (i == 0) || (byID == nil) == (i == 4) {
				t.Errorf("key %s: Revoke: %v, %v", key, byID, bySubject)
			}
		}
	}
}

// A replica without its primary answers reads and refuses writes.
func TestReadOnlyReplica(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Start(t, "--replicaof", "127.0.0.1 1").Client(t), short)
	v, err := s.Admit(t.Context(), login(jwtauth.NewestLogin, "user", "a", 0))
	if err == nil || v == jwtauth.Admitted {
		t.Errorf("Admit: %d, %v", v, err)
	}
	if err := s.Revoke(t.Context(), jwtauth.ByID("id")); err == nil {
		t.Error("Revoke: no error")
	}
}

func TestMisuse(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Client(t, "127.0.0.1:1"), short)
	for _, l := range []jwtauth.Login{
		login(jwtauth.NewestLogin, "", "a", 0),
		login(jwtauth.OldestLogin, "", "a", 0),
		login(jwtauth.OldestLogin+1, "user", "a", 0),
		login(-1, "user", "a", 0),
	} {
		if v, err := s.Admit(t.Context(), l); v == jwtauth.Admitted || err == nil {
			t.Errorf("%+v: %d, %v", l, v, err)
		}
	}
	for _, r := range []jwtauth.Revocation{{}, {ID: "a", Subject: "b"}} {
		if err := s.Revoke(t.Context(), r); err == nil || !strings.Contains(err.Error(), "subject") {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Start(t).Client(t), unhurried)
	for range 2 {
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if v, err := s.Admit(t.Context(), login(jwtauth.ManyLogins, "user", "a", 0)); v == jwtauth.Admitted || !errors.Is(err, redisstore.ErrClosed) {
		t.Errorf("Admit: %d, %v", v, err)
	}
	if err := s.Revoke(t.Context(), jwtauth.ByID("a")); !errors.Is(err, redisstore.ErrClosed) {
		t.Errorf("Revoke: %v", err)
	}
	s.Watch(func(jwtauth.Change) { t.Error("told after Close") })()
}
