package session_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sioware/sioware/session"
)

// TestPageFresh: a page sees what the store held when its request came, also where
// sockets have looked at the session before.
func TestPageFresh(t *testing.T) {
	t.Parallel()
	store := newMemory()
	s := serve(t, newManager(t, store, nil))
	_, browser := plain(t, store, "", func(v map[any]any) { v["user"] = "ada" })
	_, sess := s.join(t, with(browser))
	plain(t, store, browser, func(v map[any]any) { v["user"] = "bob" }) // another node does
	request(s.m, browser, func(_ http.ResponseWriter, r *http.Request) {
		of, ok := s.m.FromContext(r.Context())
		if !ok {
			t.Fatal("no session")
		}
		if user, _ := of.Get("user"); user != "bob" {
			t.Errorf("the page sees %v", user)
		}
	})
	if user, _ := sess.Get("user"); user != "bob" { // it is the same one
		t.Errorf("the socket sees %v", user)
	}
}

// TestPageGone: a client that leaves while the store is asked is no fault of the store's.
// It sets the default logger, so that it is not parallel.
func TestPageGone(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	inner := newMemory()
	store := &tap{Store: inner}
	m := newManager(t, store, nil)
	_, browser := plain(t, inner, "", func(map[any]any) {})
	ctx, leave := context.WithCancel(t.Context())
	asked := make(chan struct{})
	t.Cleanup(func() { close(asked) })
	store.set(func(string, string, func() error) error {
		leave()
		<-asked
		return errors.New("away")
	})
	r := httptest.NewRequest(http.MethodGet, "http://host.example/page", nil).WithContext(ctx)
	r.Header.Set("Cookie", browser)
	w := httptest.NewRecorder()
	m.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || out.Len() > 0 {
		t.Errorf("status %d, logged %s", w.Code, out.String())
	}
}

// TestChangeFails: an error that a change gets from another session says nothing about
// the one that it changes.
func TestChangeFails(t *testing.T) {
	t.Parallel()
	store := newMemory()
	s := serve(t, newManager(t, store, nil))
	_, sess := s.join(t, with(""))
	_, other := s.join(t, with(""))
	if _, err := other.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := sess.Update(t.Context(), func(map[any]any) error { return other.Reload(t.Context()) })
	if !errors.Is(err, session.ErrGone) {
		t.Errorf("Update returns %v", err)
	}
	if err := sess.Reload(t.Context()); err != nil {
		t.Errorf("the session has ended: %v", err)
	}

	_, browser := plain(t, store, "", func(v map[any]any) { v["cart"] = "full" })
	var none *session.Session
	for _, of := range []*session.Session{none, other} {
		runs := 0
		_, err = renew(t, s.m, browser, func(map[any]any) error {
			if runs++; runs > 1 {
				return nil
			}
			return of.Update(t.Context(), func(map[any]any) error { return nil })
		})
		if runs != 1 || err == nil {
			t.Errorf("%d runs of the change of Renew, which returns %v", runs, err)
		}
	}
}
