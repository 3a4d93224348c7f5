package session_test

import (
	"errors"
	"testing"
	"time"

	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
)

// TestNotStamped: a handshake does not save a session that a page has made, for the page
// may be about to save it. It is prolonged once its clients use it.
func TestNotStamped(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func() sessions.Store{
		"memory": func() sessions.Store { return newMemory() },
		"files":  func() sessions.Store { return files(t) },
	} {
		for _, polling := range []bool{false, true} {
			inner := open()
			store := &tap{Store: inner}
			s := serve(t, newManager(t, store, &session.Options{Check: often}))
			_, browser := plain(t, inner, "", func(values map[any]any) { values["cart"] = "full" })
			d := as(siotest.Dial{Polling: polling}, browser)
			for range 2 {
				c, _ := s.join(t, d)
				if set := c.Handshake.Cookies(); len(set) != 0 {
					t.Errorf("%s: cookies %v", name, set)
				}
				page(t, s.m, browser, "")
			}
			if n := store.saves.Load(); n != 0 {
				t.Errorf("%s: %d saves", name, n)
			}
			// What a page saves at that moment stays, and nothing is saved for who is idle.
			plain(t, inner, browser, func(values map[any]any) { _ = login(values) })
			c, sess := s.join(t, d)
			has(t, name, sess, "ada")
			before := store.news.Load()
			siotest.Eventually(t, "three looks", func() bool { return store.news.Load() >= before+3 })
			if n := store.saves.Load(); n != 0 {
				t.Errorf("%s: %d saves for clients that are idle", name, n)
			}
			c.Emit("hello")
			var kept *sessions.Session
			siotest.Eventually(t, "it is prolonged", func() bool {
				if store.saves.Load() > 0 { // counted before it is done
					kept, _ = plain(t, inner, browser, nil)
				}
				return kept != nil && kept.Values["sioware:saved"] != nil
			})
			if kept.Values["user"] != "ada" || kept.Values["cart"] != "full" {
				t.Errorf("%s: the store has %v", name, kept.Values)
			}
			before = store.news.Load()
			c.Emit("hello")
			siotest.Eventually(t, "three looks", func() bool { return store.news.Load() >= before+3 })
			if n := store.saves.Load(); n != 1 {
				t.Errorf("%s: %d saves", name, n)
			}
		}
	}
}

// TestPageSavesLater: a page that has loaded its session before a client connects, and
// saves it after that, loses nothing.
func TestPageSavesLater(t *testing.T) {
	t.Parallel()
	store := newMemory()
	s := serve(t, newManager(t, store, nil))
	_, browser := plain(t, store, "", func(map[any]any) {})
	var sess *session.Session
	plain(t, store, browser, func(values map[any]any) {
		_, sess = s.join(t, with(browser))
		_ = login(values)
	})
	if err := sess.Update(t.Context(), add); err != nil {
		t.Error(err)
	}
	has(t, "the socket", sess, "ada")
	page(t, s.m, browser, "ada")
}

// TestProlongAgain: a session whose prolonging the store has refused is prolonged by the
// next look, though its client has sent nothing since.
func TestProlongAgain(t *testing.T) {
	t.Parallel()
	inner := newMemory()
	store := &tap{Store: inner}
	s := serve(t, newManager(t, store, &session.Options{Check: often, Logger: quiet}))
	c, _ := s.join(t, siotest.Dial{})
	browser := given(t, c)
	failed := make(chan struct{}, 100)
	store.set(func(op, _ string, pass func() error) error {
		if op != "save" {
			return pass()
		}
		failed <- struct{}{}
		return errors.New("away")
	})
	inner.backdate(browser)
	c.Emit("hello")
	<-failed
	store.set(nil)
	siotest.Eventually(t, "the session is prolonged", func() bool { return time.Since(inner.saved(browser)) < time.Minute })
}
