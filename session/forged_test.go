package session_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
)

// TestForged: a cookie that the store does not know makes no session, least of all
// one whose ID somebody has chosen.
func TestForged(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k kind, d siotest.Dial) {
		store := k.open(t)
		set := func(values map[any]any) { values["user"] = "ada" }
		first, good := plain(t, store, "", set)
		other := sessions.NewFilesystemStore(t.TempDir(), []byte("fedcba9876543210fedcba9876543210"))
		_, foreign := plain(t, other, "", set)
		_, ended := plain(t, store, "", set)
		create := serve(t, newManager(t, store, nil))
		refuse := serve(t, newManager(t, store, &session.Options{Missing: session.Refuse}))
		admit := serve(t, newManager(t, store, &session.Options{Missing: session.Admit}))
		if _, _, err := destroy(t, create.m, ended); err != nil {
			t.Fatal(err)
		}
		bad := map[string]string{
			"forged": "sid=AAAA", "truncated": good[:len(good)-7], "of another key": foreign, "deleted": ended,
			"of another name": strings.Replace(good, "=", "=x", 1), "only dots": "sid=../../x", "quoted": `sid="x"`,
		}
		for name, cookie := range bad {
			c, sess := create.join(t, as(d, cookie))
			if given(t, c) == cookie {
				t.Errorf("%s: the cookie was kept", name)
			}
			made, _ := plain(t, store, given(t, c), nil)
			if made.IsNew || made.ID == first.ID && !k.readOnly {
				t.Errorf("%s: got %+v", name, made)
			}
			if user, ok := sess.Get("user"); ok {
				t.Errorf("%s: user %v", name, user)
			}
			if k.readOnly && name == "deleted" {
				continue // other nodes do not know, and the store cannot
			}
			turned(t, refuse.Server, as(d, cookie), http.StatusUnauthorized, "session_expired")
			admit.Dial(t, as(d, cookie)).Connected(t)
			if _, ok := admit.m.From(<-admit.sockets); ok {
				t.Errorf("%s: a session", name)
			}
		}
		turned(t, refuse.Server, d, http.StatusUnauthorized, "session_missing")
		turned(t, refuse.Server, as(d, "sid="), http.StatusUnauthorized, "session_missing")
		if _, sess := refuse.join(t, as(d, good)); sess == nil {
			t.Error("no session")
		}
		c := admit.Dial(t, d)
		c.Connected(t)
		if _, ok := admit.m.From(<-admit.sockets); ok || len(c.Handshake.Cookies()) != 0 {
			t.Error("a session")
		}
	})
}

// TestNewerCookie: with a CookieStore each connection has the values of its own cookie:
// one with an old cookie gets nothing of what a newer one holds, and gives it nothing.
func TestNewerCookie(t *testing.T) {
	t.Parallel()
	store := sessions.NewCookieStore(secret)
	s := serve(t, newManager(t, store, nil))
	c, sess := s.join(t, siotest.Dial{})
	_, newer := plain(t, store, given(t, c), func(values map[any]any) { values["name"] = "ada" })
	_, later := s.join(t, with(newer))
	s.join(t, with(given(t, c)))
	for range 2 {
		if name, ok := sess.Get("name"); ok {
			t.Errorf("the old cookie has %v", name)
		}
		if name, _ := later.Get("name"); name != "ada" {
			t.Errorf("the new cookie has %v", name)
		}
		for _, sess := range []*session.Session{sess, later} {
			if err := sess.Reload(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	if sess.Room() != later.Room() {
		t.Error("two rooms")
	}
	if n, _, err := destroy(t, s.m, newer); n != 3 || err != nil {
		t.Errorf("put out %d, %v", n, err)
	}
}
