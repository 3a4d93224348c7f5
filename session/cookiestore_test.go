package session_test

import (
	"net/http"
	"testing"

	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
)

// has checks the user of a session, "" for none.
func has(t testing.TB, who string, sess *session.Session, want string) {
	t.Helper()
	if name, _ := user.Get(sess); name != want {
		t.Errorf("%s: user %q, want %q", who, name, want)
	}
}

// page checks the user that an HTTP handler finds behind Manager.Handler.
func page(t testing.TB, m *session.Manager, cookie, want string) {
	t.Helper()
	request(m, cookie, func(_ http.ResponseWriter, r *http.Request) {
		sess, ok := m.FromContext(r.Context())
		if !ok {
			t.Error("no session")
			return
		}
		has(t, "a page with "+cookie[:12], sess, want)
	})
}

// rooms checks that what is emitted to the room of a session reaches these clients.
func rooms(t testing.TB, s *server, sess *session.Session, clients ...*siotest.Client) {
	t.Helper()
	siotest.Eventually(t, "all are in the room", func() bool {
		members, ok := s.IO.Sockets().Adapter().Rooms().Load(sess.Room())
		return ok && members.Len() == len(clients)
	})
	s.IO.To(sess.Room()).Emit("hello")
	for _, c := range clients {
		c.NextEvent(t, "hello")
	}
}

// TestCookiesApart: a page that signs in with a newer cookie of a CookieStore does not
// sign in those who have an older one, and an older one signs nobody out. All are one
// session for the room and for Destroy.
func TestCookiesApart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ polling, bare bool }{
		"polling": {polling: true}, "websocket": {}, "without Handler": {bare: true},
	} {
		polling := c.polling
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := sessions.NewCookieStore(secret)
			s := setup{bare: c.bare}.serve(t, newManager(t, store, nil))
			older := s.visit(t)
			first, stranger := s.join(t, as(siotest.Dial{Polling: polling}, older))
			_, newer := plain(t, store, older, func(values map[any]any) { _ = login(values) })

			// Whatever comes in between, each has the values of its own cookie.
			clients := []*siotest.Client{first}
			olds, news := []*session.Session{stranger}, []*session.Session(nil)
			for range 2 {
				c, sess := s.join(t, as(siotest.Dial{Polling: polling}, newer))
				clients, news = append(clients, c), append(news, sess)
				c, sess = s.join(t, as(siotest.Dial{Polling: polling}, older))
				clients, olds = append(clients, c), append(olds, sess)
			}
			check := func() {
				t.Helper()
				for _, sess := range olds {
					has(t, "older cookie", sess, "")
				}
				for _, sess := range news {
					has(t, "newer cookie", sess, "ada")
				}
				page(t, s.m, older, "")
				page(t, s.m, newer, "ada")
			}
			check()
			for _, sess := range append(olds, news...) {
				if err := sess.Reload(t.Context()); err != nil {
					t.Errorf("Reload: %v", err)
				}
			}
			check()

			// Another namespace has what its connection has.
			clients[1].Connect("/other", nil)
			clients[1].Connected(t)
			sess, _ := s.m.From(<-s.sockets)
			has(t, "another namespace", sess, "ada")

			rooms(t, s, stranger, clients...)
			if n, _, err := destroy(t, s.m, older); n != len(clients)+1 || err != nil {
				t.Errorf("put out %d, %v", n, err)
			}
			for _, c := range clients {
				kicked(t, c, "session_expired")
			}
			if d := as(siotest.Dial{Polling: polling}, newer); c.bare {
				refused(t, s.Server, d, "session_expired")
			} else {
				lost(t, s, d, stranger)
			}
		})
	}
}

// TestCookiesCameBack: a client that leaves with an old cookie and comes back with it
// finds what it held, with and without sockets of the newer one.
func TestCookiesCameBack(t *testing.T) {
	t.Parallel()
	store := sessions.NewCookieStore(secret)
	s := serve(t, newManager(t, store, nil))
	c, _ := s.join(t, siotest.Dial{})
	older := given(t, c)
	_, newer := plain(t, store, older, func(values map[any]any) { _ = login(values) })
	leave := func(c *siotest.Client) {
		left := s.IO.Sockets().Sockets().Len() - 1
		c.Close()
		siotest.Eventually(t, "it has left", func() bool { return s.IO.Sockets().Sockets().Len() == left })
	}
	leave(c)
	for range 2 {
		c, sess := s.join(t, with(newer))
		has(t, "newer cookie", sess, "ada")
		old, other := s.join(t, with(older))
		has(t, "older cookie", other, "")
		leave(old)
		has(t, "newer cookie", sess, "ada")
		if err := sess.Reload(t.Context()); err != nil {
			t.Error(err)
		}
		has(t, "newer cookie", sess, "ada")
		old, other = s.join(t, with(older))
		leave(c)
		if err := other.Reload(t.Context()); err != nil {
			t.Error(err)
		}
		has(t, "older cookie", other, "")
		leave(old)
	}
}

// TestCookiesElsewhere: Destroy on one node disconnects the sockets of all cookies
// of a session on the others, and of no other session.
func TestCookiesElsewhere(t *testing.T) {
	t.Parallel()
	store := sessions.NewCookieStore(secret)
	_, a, b := nodes(t, store, store)
	c, _ := a.join(t, siotest.Dial{})
	older := given(t, c)
	_, newer := plain(t, store, older, func(values map[any]any) { _ = login(values) })
	old, _ := b.join(t, with(older))
	signedIn, sess := b.join(t, with(newer))
	other, _ := b.join(t, siotest.Dial{})
	if n, _, err := destroy(t, a.m, newer); n != 1 || err != nil {
		t.Errorf("put out %d, %v", n, err)
	}
	for _, c := range []*siotest.Client{c, old, signedIn} {
		kicked(t, c, "session_expired")
	}
	other.NoPacket(t, 0)
	lost(t, b, with(older), sess)
}

// TestPlainCookie: a session that a page has created in a CookieStore has no ID.
// Destroy reaches the sockets with that very cookie, and what the page has made of it
// since is another session.
func TestPlainCookie(t *testing.T) {
	t.Parallel()
	store := sessions.NewCookieStore(secret)
	s := serve(t, newManager(t, store, nil))
	_, cookie := plain(t, store, "", func(values map[any]any) { _ = login(values) })
	_, later := plain(t, store, cookie, func(values map[any]any) { values["cart"] = "full" })
	one, sess := s.join(t, with(cookie))
	two, same := s.join(t, as(siotest.Dial{Polling: true}, cookie))
	two.Connect("/other", nil)
	two.Connected(t)
	<-s.sockets
	changed, another := s.join(t, with(later))
	if sess != same || sess.Room() == another.Room() {
		t.Error("a cookie is not what tells these sessions apart")
	}
	n, w, err := destroy(t, s.m, cookie)
	if n != 3 || err != nil || len(w.Result().Cookies()) != 1 || w.Result().Cookies()[0].MaxAge >= 0 {
		t.Errorf("put out %d, %v, %v", n, err, w.Header())
	}
	kicked(t, one, "session_expired")
	out(t, two, "session_expired", "/", "/other")
	changed.NoPacket(t, 0)
	lost(t, s, with(cookie), sess)
	if n, _, err := destroy(t, s.m, later); n != 1 || err != nil {
		t.Errorf("put out %d, %v", n, err)
	}
	kicked(t, changed, "session_expired")
}
