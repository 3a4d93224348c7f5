package session_test

import (
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
)

// TestCookieProlonged: a handshake prolongs the cookie of the browser, even if the
// events of a socket have just prolonged the session in the store. Otherwise a user who
// is always there would lose it after one life.
func TestCookieProlonged(t *testing.T) {
	t.Parallel()
	store := newMemory()
	s := serve(t, newManager(t, store, &session.Options{Check: often}))
	c, sess := s.join(t, siotest.Dial{})
	browser := given(t, c)
	store.backdate(browser)
	c.Emit("hello")
	siotest.Eventually(t, "the session is prolonged", func() bool { return time.Since(store.saved(browser)) < time.Minute })
	other, same := s.join(t, with(browser))
	if same != sess || given(t, other) != browser {
		t.Error("another session")
	}
	again, _ := s.join(t, with(browser))
	if set := again.Handshake.Cookies(); len(set) != 0 {
		t.Errorf("prolonged at once: %v", set)
	}
}

// TestClockBack: sessions that were saved by a clock that was wrong are prolonged all the
// same, when it has been set back.
func TestClockBack(t *testing.T) {
	t.Parallel()
	store := newMemory()
	s := serve(t, newManager(t, store, &session.Options{Check: often}))
	c, _ := s.join(t, siotest.Dial{})
	browser := given(t, c)
	wrong := time.Now().Add(24 * time.Hour)
	store.stamp(browser, wrong)
	c.Emit("hello")
	siotest.Eventually(t, "a socket prolongs it", func() bool { return store.saved(browser).Before(wrong.Add(-time.Hour)) })
	store.stamp(browser, wrong)
	other, _ := s.join(t, with(browser))
	if given(t, other) != browser || !store.saved(browser).Before(wrong.Add(-time.Hour)) {
		t.Error("a handshake does not prolong it")
	}
}
