package jwtauth_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestClientGone: a client that leaves while its user is looked up ends the
// lookup, and leaves nothing behind.
func TestClientGone(t *testing.T) {
	t.Parallel()
	entered, left := make(chan struct{}), make(chan error, 1)
	a := newAuth(t, &jwtauth.Options[claims]{Verify: func(ctx context.Context, _ *jwtauth.Identity[claims]) error {
		close(entered)
		<-ctx.Done()
		left <- ctx.Err()
		return ctx.Err()
	}})
	s, _ := authenticated(t, a)
	c := s.Dial(t, with(token(t, "ada", time.Hour)))
	<-entered
	c.Close()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the context ended with %v", err)
	}
	siotest.Eventually(t, "the index is empty", func() bool { return jwtauth.Indexed(a) == 0 })
}

// TestRefusedIsCollected: nothing of ours keeps a socket that was refused, or
// has left, from being collected.
func TestRefusedIsCollected(t *testing.T) {
	t.Parallel()
	a := newAuth(t, nil)
	var sockets siotest.Garbage
	s := serve(t, func(io *socket.Server) {
		io.Use(wrap.Func(func(_ context.Context, s *socket.Socket) error {
			sockets.Add(s)
			return nil
		}))
		io.Use(a.Middleware())
		io.Use(wrap.Func(func(context.Context, *socket.Socket) error { return &wrap.Error{Code: "forbidden"} }))
		onConnection(io.Of("/stay", nil), func(*socket.Socket) {})
	})
	c := s.Dial(t, siotest.Dial{Namespace: "/stay"})
	c.Connected(t)
	for range 5 {
		c.Connect("/", object{"token": token(t, "ada", time.Hour)}) // refused behind ours
		c.ConnectError(t)
		c.Connect("/", nil) // refused by ours
		c.ConnectError(t)
	}
	sockets.Await(t, 10, 1)
	if n := jwtauth.Indexed(a); n != 0 {
		t.Errorf("%d members in the index", n)
	}
}

// TestApplicationPanics: in Changed, and in Verify during a refresh.
func TestApplicationPanics(t *testing.T) {
	t.Parallel()
	var refresh atomic.Bool
	told := make(chan struct{}, 10)
	a := newAuth(t, &jwtauth.Options[claims]{
		Verify: func(context.Context, *jwtauth.Identity[claims]) error {
			if refresh.Swap(false) {
				panic("secret cause")
			}
			return nil
		},
		Changed: func(*socket.Socket, *jwtauth.Identity[claims], *jwtauth.Identity[claims]) {
			told <- struct{}{}
			panic("of the application")
		},
	})
	s, _ := authenticated(t, a)
	c := s.Dial(t, with(token(t, "ada", time.Hour)))
	c.Connected(t)
	refresh.Store(true)
	if got := c.EmitAck(t, "auth:refresh", token(t, "ada", 2*time.Hour)).Args(); code(got[0]) != "internal" {
		t.Errorf("%v", got)
	}
	for range 2 {
		if got := c.EmitAck(t, "auth:refresh", token(t, "ada", 2*time.Hour)).Args(); code(got[0]) != "" {
			t.Errorf("%v", got)
		}
		<-told
	}
}

// TestNilError: an error that is a nil pointer, or has one for its cause, is a server
// fault, and does not panic on a page or in Authenticate.
func TestNilError(t *testing.T) {
	t.Parallel()
	b := newScripted()
	b.onAdmit(func(context.Context, jwtauth.Login) (jwtauth.Verdict, error) {
		return jwtauth.Revoked, siotest.NilError()
	})
	for name, o := range map[string]*jwtauth.Options[claims]{
		"of the Store": {Store: b},
		"of Verify": {Verify: func(context.Context, *jwtauth.Identity[claims]) error {
			return &wrap.Error{Code: "forbidden", Err: siotest.NilError()}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Logger = slog.New(slog.DiscardHandler)
			a := newAuth(t, o)
			good := token(t, "ada", time.Hour)
			_, err := a.Authenticate(t.Context(), good)
			if e := (*wrap.Error)(nil); !errors.As(err, &e) || e.Code != "internal" {
				t.Errorf("Authenticate: %v", err)
			}
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Authorization", "Bearer "+good)
			a.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
			if w.Code != http.StatusInternalServerError {
				t.Errorf("a page: %d %s", w.Code, w.Body)
			}
		})
	}
}

// TestChurn: many clients that connect, refresh, are revoked, expire and vanish
// at once leave nothing in the index nor on the clock.
func TestChurn(t *testing.T) {
	t.Parallel()
	a := newAuth(t, &jwtauth.Options[claims]{Guests: true, Logins: jwtauth.NewestLogin})
	s, _ := authenticated(t, a)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 12 {
				user := fmt.Sprint("user", (i+j)%5)
				ttl := time.Hour
				if j%3 == 0 {
					ttl = time.Second
				}
				d := with(token(t, user, ttl)) // over WebSocket: polls of the host outlive their clients
				c, err := s.Open(t, d)
				if err != nil {
					t.Error(err)
					return
				}
				c.Connect("/", d.Auth)
				c.Emit("auth:refresh", token(t, user, 2*time.Hour))
				if j%4 == 0 {
					if _, err := a.Revoke(t.Context(), jwtauth.BySubject(user)); err != nil {
						t.Error(err)
					}
				}
				if j%2 == 0 {
					c.Close()
				} else {
					c.Kill()
				}
			}
		})
	}
	wg.Wait()
	siotest.Eventually(t, "index and clock are empty", func() bool { return jwtauth.Indexed(a) == 0 && jwtauth.Armed(a) == 0 })
}
