package session_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
	"github.com/zishang520/socket.io/v2/socket"
)

// out checks that all sockets of a connection are kicked.
func out(t *testing.T, c *siotest.Client, want string, namespaces ...string) {
	t.Helper()
	left := make(map[string]bool)
	for _, nsp := range namespaces {
		left[nsp] = true
	}
	for range namespaces {
		p := c.NextEvent(t, "kicked")
		if args := p.Args(); len(args) != 1 || code(args[0]) != want {
			t.Errorf("kicked %v, want %q", args, want)
		}
		delete(left, p.Namespace)
	}
	if len(left) > 0 {
		t.Errorf("not kicked: %v", left)
	}
}

// TestOut: every socket of a session is disconnected, whoever ends it, and no other.
func TestOut(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"http", "socket", "socket itself", "context"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			store := newMemory()
			m := newManager(t, store, nil)
			type result struct {
				n   int
				err error
			}
			loggedOut := make(chan result, 1)
			s := setup{also: func(io *socket.Server) {
				_ = io.On("connection", func(args ...any) {
					so := args[0].(*socket.Socket)
					_ = so.On("logout", func(...any) {
						sess, _ := m.From(so)
						n, err := sess.Destroy(context.Background())
						loggedOut <- result{n, err}
					})
				})
			}}.serve(t, m)
			browser, stranger := s.visit(t), s.visit(t)
			one, sess := s.join(t, with(browser))
			two, _ := s.join(t, as(siotest.Dial{Polling: true}, browser))
			other, _ := s.join(t, with(stranger))
			for _, c := range []*siotest.Client{one, two, other} {
				c.Connect("/other", nil)
				c.Connected(t)
			}
			n, err := 4, error(nil)
			switch by {
			case "http":
				n, _, err = destroy(t, m, browser)
			case "socket":
				n, err = sess.Destroy(t.Context())
			case "socket itself":
				one.Emit("logout")
				r := <-loggedOut // sockets learn of it while Destroy is still at the store
				n, err = r.n, r.err
			case "context":
				request(m, browser, func(_ http.ResponseWriter, r *http.Request) {
					here, _ := m.FromContext(r.Context())
					n, err = here.Destroy(r.Context())
				})
			}
			if n != 4 || err != nil {
				t.Errorf("got %d, %v", n, err)
			}
			out(t, one, "session_expired", "/", "/other")
			out(t, two, "session_expired", "/", "/other")
			other.NoPacket(t, 0)
			if store.has(browser) || !store.has(stranger) {
				t.Error("the wrong session was removed")
			}
			// Again, and without any.
			for _, cookie := range []string{browser, "", "sid=unknown"} {
				if n, w, err := destroy(t, m, cookie); n != 0 || err != nil || (cookie == "") != (len(w.Header()) == 0) {
					t.Errorf("again with %q: %d, %v, %v", cookie, n, err, w.Header())
				}
			}
			if n, err := sess.Destroy(t.Context()); n != 0 || err != nil {
				t.Errorf("again from the socket: %d, %v", n, err)
			}
			for _, err := range []error{sess.Update(t.Context(), add), sess.Reload(t.Context())} {
				if !errors.Is(err, session.ErrGone) {
					t.Errorf("got %v", err)
				}
			}
			if _, err := sess.Renew(nil); !errors.Is(err, session.ErrGone) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestDestroyDuringUpdate: a change that is under way does not bring the session back.
func TestDestroyDuringUpdate(t *testing.T) {
	t.Parallel()
	store := newMemory()
	s := serve(t, newManager(t, store, nil))
	browser := s.visit(t)
	c, sess := s.join(t, with(browser))
	inside, proceed := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := sess.Update(context.Background(), func(values map[any]any) error {
			close(inside)
			<-proceed
			return add(values)
		}); !errors.Is(err, session.ErrGone) {
			t.Errorf("Update: %v", err)
		}
	})
	<-inside
	wg.Go(func() {
		if _, _, err := destroy(t, s.m, browser); err != nil {
			t.Errorf("Destroy: %v", err)
		}
	})
	siotest.Eventually(t, "Destroy has begun", func() bool {
		_, err := sess.Renew(nil)
		return errors.Is(err, session.ErrGone)
	})
	close(proceed)
	wg.Wait()
	kicked(t, c, "session_expired")
	if store.has(browser) {
		t.Error("the session is back")
	}
	if _, ok := count.Get(sess); ok {
		t.Error("the change was made")
	}
}

// TestDestroyDuringHang: a store that hangs keeps nobody logged in here.
func TestDestroyDuringHang(t *testing.T) {
	t.Parallel()
	inner := newMemory()
	store := &tap{Store: inner}
	s := serve(t, newManager(t, store, &session.Options{Timeout: 200 * time.Millisecond, Logger: quiet}))
	browser := s.visit(t)
	c, sess := s.join(t, with(browser))
	gate, late := make(chan struct{}), make(chan struct{}, 10)
	release := sync.OnceFunc(func() { close(gate) })
	defer release()
	store.set(func(op, _ string, pass func() error) error {
		if op == "save" {
			<-gate
			defer func() { late <- struct{}{} }()
		}
		return pass()
	})
	if err := sess.Update(t.Context(), add); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Update: %v", err)
	}
	n, w, err := destroy(t, s.m, browser)
	if n != 1 || !errors.Is(err, session.ErrUnavailable) || !strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("got %d, %v, %v", n, err, w.Header())
	}
	kicked(t, c, "session_expired")
	release()
	<-late
	if c, again := s.join(t, with(browser)); again.Room() == sess.Room() || given(t, c) == browser {
		t.Error("the session goes on")
	}
	siotest.Eventually(t, "the session is removed", func() bool {
		n, _, err := destroy(t, s.m, browser)
		return n == 0 && err == nil && !inner.has(browser)
	})
}

// TestDestroyStoreDown: the sockets are disconnected even if the store fails.
func TestDestroyStoreDown(t *testing.T) {
	t.Parallel()
	inner := newMemory()
	store := &tap{Store: inner}
	s := serve(t, newManager(t, store, &session.Options{Logger: quiet}))
	browser := s.visit(t)
	c, _ := s.join(t, with(browser))
	for _, op := range []string{"new", "save"} {
		store.set(func(got, _ string, pass func() error) error {
			if got == op {
				return errSecret
			}
			return pass()
		})
		n, w, err := destroy(t, s.m, browser)
		if want := map[string]int{"new": 1}[op]; n != want || !errors.Is(err, session.ErrUnavailable) ||
			!strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=0") {
			t.Errorf("%s: got %d, %v, %v", op, n, err, w.Header())
		}
	}
	kicked(t, c, "session_expired")
	store.set(nil)
	if n, _, err := destroy(t, s.m, browser); n != 0 || err != nil || inner.len() != 0 {
		t.Errorf("got %d, %v", n, err)
	}
}

// TestDestroyInOutage: a logout while the store is away reaches the sockets of a session
// that has been saved since the browser got its cookie: no browser has the cookie of the
// last save.
func TestDestroyInOutage(t *testing.T) {
	t.Parallel()
	store := &tap{Store: shortLived(t, maxAge)}
	s := serve(t, newManager(t, store, &session.Options{Logger: quiet}))
	_, cookie := plain(t, store, "", func(map[any]any) {})
	c, sess := s.join(t, with(cookie))
	siotest.Eventually(t, "a cookie of another second", func() bool { // securecookie's have a timestamp
		_, other := plain(t, store, cookie, func(map[any]any) {})
		return other != cookie
	})
	if err := sess.Update(t.Context(), add); err != nil {
		t.Fatal(err)
	}
	store.set(func(_, _ string, _ func() error) error { return errSecret })
	n, _, err := destroy(t, s.m, cookie)
	if n != 1 || !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("got %d, %v", n, err)
		return
	}
	kicked(t, c, "session_expired")
}

// TestResurrection: a handler that has loaded a session before it was destroyed, and
// saves it later, does not bring it back here.
func TestResurrection(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k kind, d siotest.Dial) {
		store := k.open(t)
		s := serve(t, newManager(t, store, nil))
		_, cookie := plain(t, store, "", func(values map[any]any) { values["user"] = "ada" })
		c, sess := s.join(t, as(d, cookie))
		plain(t, store, cookie, func(values map[any]any) {
			if _, _, err := destroy(t, s.m, cookie); err != nil {
				t.Error(err)
			}
			values["user"] = "eve"
		})
		kicked(t, c, "session_expired")
		lost(t, s, as(d, cookie), sess)
		request(s.m, cookie, func(_ http.ResponseWriter, r *http.Request) {
			if _, ok := s.m.FromContext(r.Context()); ok {
				t.Error("a handler has the session")
			}
		})
		if err := sess.Update(t.Context(), add); !errors.Is(err, session.ErrGone) && !errors.Is(err, session.ErrReadOnlyStore) {
			t.Errorf("Update: %v", err)
		}
		if w, err := renew(t, s.m, cookie, nil); err == nil {
			seen, _ := plain(t, store, strings.TrimSuffix(cookieOf(w.Header()), ";"), nil)
			if user, ok := seen.Values["user"]; ok {
				t.Errorf("Renew has user %v of a session that has ended", user)
			}
		} else if !errors.Is(err, session.ErrGone) {
			t.Errorf("Renew: %v", err)
		}
	})
}

// cookieOf returns our cookie of a header.
func cookieOf(h http.Header) string {
	for _, c := range (&http.Response{Header: h}).Cookies() {
		if c.Name == "sid" {
			return "sid=" + c.Value
		}
	}
	return ""
}
