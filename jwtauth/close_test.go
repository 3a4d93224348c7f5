package jwtauth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/jwtauth"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestClose: a closed Auth notifies nobody, and lets nobody in.
func TestClose(t *testing.T) {
	t.Parallel()
	a := newAuth(t, nil)
	s, _ := authenticated(t, a)
	c := s.Dial(t, with(token(t, "ada", 2*time.Second)))
	c.Connected(t)
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(t.Context()); err != nil {
		t.Error("the second Close: ", err)
	}
	refused(t, s, with(token(t, "ada", time.Hour)), "unavailable")
}

// TestClosed: nothing can be verified any more, so nobody gets in, in any way.
func TestClosed(t *testing.T) {
	t.Parallel()
	b := newScripted()
	a := newAuth(t, &jwtauth.Options[claims]{Store: b})
	s, _ := authenticated(t, a)
	good := token(t, "ada", time.Hour)
	c := s.Dial(t, with(good))
	c.Connected(t)
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !b.unwatched.Load() {
		t.Error("the store is still watched")
	}
	if got := refresh(t, c, token(t, "ada", 2*time.Hour)); got != "unavailable" {
		t.Errorf("refresh: %q", got)
	}
	if _, err := a.Authenticate(t.Context(), good); !errors.Is(err, jwtauth.ErrUnavailable) {
		t.Errorf("Authenticate: %v", err)
	}
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+good)
	a.Handler(page(a)).ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"unavailable"`) {
		t.Errorf("Handler: %d %s", w.Code, w.Body)
	}
}

// TestCloseWaits: for Options.Changed, until the context ends.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	running, release := make(chan struct{}), make(chan struct{})
	a := newAuth(t, &jwtauth.Options[claims]{
		Changed: func(*socket.Socket, *jwtauth.Identity[claims], *jwtauth.Identity[claims]) {
			close(running)
			<-release
		},
	})
	t.Cleanup(func() { close(release) })
	s, _ := authenticated(t, a)
	c := s.Dial(t, with(token(t, "ada", time.Hour)))
	c.Connected(t)
	if got := refresh(t, c, token(t, "ada", 2*time.Hour)); got != "" {
		t.Fatalf("refresh: %s", got)
	}
	<-running
	for range 2 { // a second Close waits too, as the caller may close the Store next
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := a.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close = %v while Changed runs", err)
		}
	}
}

// TestCloseWhileConnecting: a socket whose expiry could no longer be enforced is
// not let in, whenever Close comes.
func TestCloseWhileConnecting(t *testing.T) {
	t.Parallel()
	for name, inStore := range map[string]bool{"in Verify": false, "in the store": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newScripted()
			var a *jwtauth.Auth[claims]
			a = newAuth(t, &jwtauth.Options[claims]{Store: b, Verify: func(ctx context.Context, _ *jwtauth.Identity[claims]) error {
				if inStore {
					return nil
				}
				return a.Close(ctx)
			}})
			b.onAdmit(func(ctx context.Context, l jwtauth.Login) (jwtauth.Verdict, error) {
				return jwtauth.Admitted, a.Close(ctx)
			})
			s, _ := authenticated(t, a)
			refused(t, s, with(token(t, "ada", time.Hour)), "unavailable")
		})
	}
}
