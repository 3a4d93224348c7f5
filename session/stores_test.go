package session_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
)

// each runs f for each kind of store over both transports.
func each(t *testing.T, f func(t *testing.T, k kind, d siotest.Dial)) {
	t.Helper()
	for _, k := range kinds(t) {
		for transport, polling := range map[string]bool{"polling": true, "websocket": false} {
			t.Run(k.name+"/"+transport, func(t *testing.T) {
				t.Parallel()
				f(t, k, siotest.Dial{Polling: polling})
			})
		}
	}
}

func as(d siotest.Dial, cookie string) siotest.Dial {
	d.Header = with(cookie).Header
	return d
}

// TestCookie: a client without a session gets one, with the attributes that its
// store gives, and the next handshake leads to it.
func TestCookie(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k kind, d siotest.Dial) {
		s := serve(t, newManager(t, k.open(t), nil))
		c, sess := s.join(t, d)
		got := c.Handshake.Cookies()
		if len(got) != 1 {
			t.Fatalf("cookies %v", c.Handshake.Header["Set-Cookie"])
		}
		if g := got[0]; g.Name != "sid" || g.Path != "/" || g.Domain != "host.example" || g.MaxAge != maxAge ||
			!g.HttpOnly || !g.Secure || g.SameSite != http.SameSiteLaxMode {
			t.Errorf("Set-Cookie: %s", g.Raw)
		}
		again, same := s.join(t, as(d, given(t, c)))
		if same != sess {
			t.Error("the cookie leads to another session")
		}
		if set := again.Handshake.Header["Set-Cookie"]; len(set) != 0 {
			t.Errorf("Set-Cookie: %q", set)
		}
		if id := strings.TrimPrefix(given(t, c), "sid="); strings.Contains(string(sess.Room()), id) {
			t.Error("the room has the cookie in its name")
		}
	})
}

// TestShared: sockets and HTTP handlers see what the other has saved.
func TestShared(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k kind, d siotest.Dial) {
		store := &tap{Store: k.open(t)}
		s := serve(t, newManager(t, store, nil))
		if k.readOnly {
			shareCookies(t, s, store, d)
			return
		}
		c, sess := s.join(t, d)
		cookie := given(t, c)
		if err := sess.Update(t.Context(), func(values map[any]any) error {
			values["name"], values["count"], values["admin"], values["list"] = "ada", 41, true, []string{"a", "b"}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		seen, _ := plain(t, store, cookie, nil)
		if seen.IsNew || seen.Values["name"] != "ada" {
			t.Errorf("a handler sees %v", seen.Values)
		}
		plain(t, store, cookie, func(values map[any]any) { values["name"] = "bob" })
		if name, _ := sess.Get("name"); name != "ada" {
			t.Errorf("before Reload: %v", name)
		}
		if err := sess.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if name, _ := sess.Get("name"); name != "bob" {
			t.Errorf("after Reload: %v", name)
		}
		if _, ok := sess.Get("sioware:saved"); ok {
			t.Error("values of our own are shown")
		}
		checkKeys(t, k, sess)

		// Without a change nothing is saved. A list may have been changed in place.
		if err := sess.Update(t.Context(), func(values map[any]any) error { delete(values, "list"); return nil }); err != nil {
			t.Error(err)
		}
		saves := store.saves.Load()
		for _, change := range []func(values map[any]any) error{
			func(map[any]any) error { return nil },
			func(values map[any]any) error { values["name"] = "bob"; return nil },
			func(values map[any]any) error {
				values["x"] = 1
				delete(values, "x")
				values["sioware:saved"] = "x"
				return nil
			},
		} {
			if err := sess.Update(t.Context(), change); err != nil {
				t.Error(err)
			}
		}
		mine := errors.New("mine")
		if err := sess.Update(t.Context(), func(values map[any]any) error { values["name"] = "eve"; return mine }); !errors.Is(err, mine) {
			t.Errorf("got %v", err)
		}
		if n := store.saves.Load() - saves; n != 0 {
			t.Errorf("%d saves without a change", n)
		}
		if name, _ := sess.Get("name"); name != "bob" {
			t.Errorf("after a failed change: %v", name)
		}
	})
}

// checkKeys: keys find values of their types.
func checkKeys(t *testing.T, k kind, sess *session.Session) {
	t.Helper()
	if name, ok := session.Key[string]("name").Get(sess); name != "bob" || !ok {
		t.Errorf("name %q, %v", name, ok)
	}
	if n, ok := count.Get(sess); n != 41 || !ok {
		t.Errorf("count %d, %v", n, ok)
	}
	if admin, ok := session.Key[bool]("admin").Get(sess); !admin || !ok {
		t.Errorf("admin %v, %v", admin, ok)
	}
	small, ok := session.Key[uint8]("count").Get(sess) // from a float64 alone
	if ok != k.json || k.json && small != 41 {
		t.Errorf("as an uint8 %d, %v", small, ok)
	}
	if f, ok := session.Key[float64]("count").Get(sess); ok != k.json || k.json && f != 41 {
		t.Errorf("as a float64 %v, %v", f, ok)
	}
	list, ok := session.Key[[]string]("list").Get(sess)
	if !k.json && (!ok || !slices.Equal(list, []string{"a", "b"})) {
		t.Errorf("list %v, %v", list, ok)
	}
	if _, ok := count.Get(sess); !ok {
		t.Error("no count")
	}
	if _, ok := session.Key[int]("none").Get(sess); ok {
		t.Error("a value that is not there")
	}
}

// shareCookies is TestShared for a store that nothing but a browser can change.
func shareCookies(t *testing.T, s *server, store *tap, d siotest.Dial) {
	t.Helper()
	c, _ := s.join(t, d)
	_, cookie := plain(t, store, given(t, c), func(values map[any]any) { values["name"] = "ada" })
	_, sess := s.join(t, as(d, cookie))
	saves := store.saves.Load()
	if err := sess.Update(t.Context(), add); !errors.Is(err, session.ErrReadOnlyStore) {
		t.Errorf("Update: %v", err)
	}
	if err := sess.Reload(t.Context()); err != nil {
		t.Errorf("Reload: %v", err)
	}
	if store.saves.Load() != saves {
		t.Error("something was saved")
	}
	// One that somebody else has made, without an ID of ours.
	_, foreign := plain(t, store.Store, "", func(values map[any]any) { values["name"] = "eve" })
	_, other := s.join(t, as(d, foreign))
	if name, _ := other.Get("name"); name != "eve" || other == sess {
		t.Errorf("name %v", name)
	}
	if err := other.Reload(t.Context()); err != nil {
		t.Errorf("Reload: %v", err)
	}
}

// TestSignIn: a socket renews its session, and what was planted leads nowhere.
func TestSignIn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k kind, d siotest.Dial) {
		store := k.open(t)
		s := serve(t, newManager(t, store, nil))
		c, sess := s.join(t, d)
		old := given(t, c)
		ticket, err := sess.Renew(func(values map[any]any) error { values["user"] = "ada"; return nil })
		if err != nil {
			t.Fatal(err)
		}
		w := post(old, " "+ticket+"\n", s.m.Claim)
		if w.Code != http.StatusNoContent {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		fresh := cookie(t, w)
		if data := kicked(t, c, "session_expired"); data["retryAfterMs"] != 1000.0 || data["retryable"] != true {
			t.Errorf("kicked with %v", data)
		}
		_, next := s.join(t, as(d, fresh))
		if user, _ := next.Get("user"); user != "ada" || next.Room() == sess.Room() {
			t.Errorf("user %v", user)
		}
		turned(t, s.Server, as(d, old), http.StatusUnauthorized, "session_expired")
		if seen, _ := plain(t, store, old, nil); !k.readOnly && !seen.IsNew {
			t.Errorf("the old session is in the store: %v", seen.Values)
		}
	})
}

// lost checks that a cookie leads to none of these sessions.
func lost(t *testing.T, s *server, d siotest.Dial, old ...*session.Session) {
	t.Helper()
	c, sess := s.join(t, d)
	for _, o := range old {
		if sess == o || sess.Room() == o.Room() {
			t.Error("the cookie leads to an old session")
		}
	}
	if "sid="+strings.TrimPrefix(d.Header.Get("Cookie"), "sid=") == given(t, c) {
		t.Error("the cookie was kept")
	}
	if user, ok := sess.Get("user"); ok {
		t.Errorf("a new session has user %v", user)
	}
}

// TestLogout: the cookie of a destroyed session leads nowhere.
func TestLogout(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k kind, d siotest.Dial) {
		store := k.open(t)
		s := serve(t, newManager(t, store, nil))
		_, browser := plain(t, store, "", func(values map[any]any) { values["user"] = "ada" })
		c, sess := s.join(t, as(d, browser))
		n, w, err := destroy(t, s.m, browser)
		if n != 1 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		got := w.Result().Cookies()
		if len(got) != 1 || got[0].MaxAge >= 0 || got[0].Path != "/" || got[0].Domain != "host.example" {
			t.Errorf("Set-Cookie: %v", w.Header()["Set-Cookie"])
		}
		kicked(t, c, "session_expired")
		lost(t, s, as(d, browser), sess)
		if err := sess.Reload(t.Context()); !errors.Is(err, session.ErrGone) {
			t.Errorf("Reload: %v", err)
		}
		if seen, _ := plain(t, store, browser, nil); !k.readOnly && !seen.IsNew {
			t.Errorf("the session is in the store: %v", seen.Values)
		}
	})
}
