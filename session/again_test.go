package session_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/internal/mark"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
)

// TestSignInAgain: a browser that still sends the cookie of a session that has ended,
// because the answer was lost say, can sign in at once. It gets a new session, without
// anything of the old one.
func TestSignInAgain(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, k kind, d siotest.Dial) {
		s := serve(t, newManager(t, k.open(t), nil))
		for name, end := range map[string]func(cookie string) error{
			"Destroy": func(cookie string) error { _, _, err := destroy(t, s.m, cookie); return err },
			"Renew":   func(cookie string) error { _, err := renew(t, s.m, cookie, login); return err },
		} {
			w, err := renew(t, s.m, "", func(values map[any]any) error { values["cart"] = "full"; return nil })
			if err != nil {
				t.Fatal(err)
			}
			old := cookie(t, w)
			_, before := s.join(t, as(d, old))
			if err := end(old); err != nil {
				t.Fatal(err)
			}
			fresh := map[string]bool{old: true}
			for range 3 {
				w, err := renew(t, s.m, old, login)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				now := cookie(t, w)
				if len(w.Result().Cookies()) != 1 || fresh[now] {
					t.Errorf("%s: cookies %v", name, w.Result().Cookies())
				}
				fresh[now] = true
				_, sess := s.join(t, as(d, now))
				has(t, name, sess, "ada")
				if cart, ok := sess.Get("cart"); ok || sess.Room() == before.Room() {
					t.Errorf("%s: the old session goes on, with cart %v", name, cart)
				}
			}
		}
	})
}

// TestSignInAgainBehindHandler: a sign-in behind Manager.Handler, where the documentation
// wants it, gives a new session even to a browser that sends the cookie of one that has
// just been given a new ID, as Manager.Renew does without Handler.
func TestSignInAgainBehindHandler(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t testing.TB, m *session.Manager, cookie string) error{
		"Destroy": destroyed, "Renew": renewed,
	} {
		m := newManager(t, newMemory(), nil)
		old := visit(t, m)
		if err := end(t, m, old); err != nil {
			t.Fatal(err)
		}
		w := request(m, old, func(w http.ResponseWriter, r *http.Request) {
			if err := m.Renew(r.Context(), w, r, login); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		if w.Code != http.StatusOK || cookieOf(w.Header()) == "" {
			t.Errorf("after %s: %d %s", name, w.Code, w.Body)
		}
	}
}

// TestRenewTwice: if one session signs in twice at once, both sign-ins succeed, and both
// cookies are good, so it does not matter which one the browser keeps. Only one of them
// has what the session held.
func TestRenewTwice(t *testing.T) {
	t.Parallel()
	for _, k := range kinds(t) {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			store := k.open(t)
			s := serve(t, newManager(t, store, nil))
			for i := range 20 {
				// Not equal values: in a CookieStore they make equal cookies.
				_, old := plain(t, store, "", func(values map[any]any) { values["cart"] = i })
				const times = 2
				var fresh [times]string
				var wg sync.WaitGroup
				for i := range times {
					wg.Go(func() {
						if w, err := renew(t, s.m, old, login); err != nil {
							t.Errorf("Renew: %v", err)
						} else {
							fresh[i] = cookieOf(w.Header())
						}
					})
				}
				wg.Wait()
				carts := 0
				for _, cookie := range fresh {
					c, sess := s.join(t, with(cookie))
					has(t, "renewed", sess, "ada")
					if set := c.Handshake.Cookies(); len(set) != 0 {
						t.Errorf("the cookie leads nowhere: %v", set)
					}
					if _, ok := sess.Get("cart"); ok {
						carts++
					}
					c.Close()
				}
				if carts != 1 || fresh[0] == fresh[1] {
					t.Errorf("%d of two sessions have what the old one held", carts)
				}
				if seen, _ := plain(t, store, old, nil); !k.readOnly && !seen.IsNew {
					t.Error("the old session is in the store")
				}
			}
		})
	}
}

// back is what a tab is told that comes with the cookie of a session that has a new ID.
func back(t testing.TB, data any, setCookie []string) {
	t.Helper()
	told, _ := data.(object)
	if code(told) != "session_expired" || told["retryAfterMs"] != 1000.0 || told["retryable"] != true || len(setCookie) != 0 {
		t.Errorf("told %v, with cookies %q", data, setCookie)
	}
}

// TestTabComesBack: a tab that connects with the old cookie right after a sign-in is told
// to come again, and gets no session whose cookie would overwrite the new one.
func TestTabComesBack(t *testing.T) {
	t.Parallel()
	inner := newMemory()
	store := &tap{Store: inner}
	m := newManager(t, store, nil)
	s, bare := serve(t, m), setup{bare: true}.serve(t, m)
	old := s.visit(t)
	waits := with(old)
	waits.NoConnect = true
	early := s.Dial(t, waits) // its handshake is before
	w, err := renew(t, m, old, login)
	if err != nil {
		t.Fatal(err)
	}
	saves := store.saves.Load()
	early.Connect("/", nil)
	back(t, early.ConnectError(t).Data.(object)["data"], nil)
	for _, polling := range []bool{false, true} {
		d := as(siotest.Dial{Polling: polling}, old)
		turned(t, s.Server, d, http.StatusUnauthorized, "session_expired")
		c := bare.Dial(t, d)
		back(t, c.ConnectError(t).Data.(object)["data"], c.Handshake.Header["Set-Cookie"])
		c.Close()
	}
	if n := store.saves.Load() - saves; n != 0 || inner.len() != 1 {
		t.Errorf("%d saves, %d sessions", n, inner.len())
	}
	_, sess := s.join(t, with(cookie(t, w)))
	has(t, "the new cookie", sess, "ada")
}

// connecting makes a request one for which package wrap runs a chain.
type connecting struct{}

func (connecting) Connecting() bool { return true }
func (connecting) Passed() bool     { return false }

// TestHandOver: for 5 seconds a tab with the old cookie is told to come again. After that
// it gets a new session, as it does at once after a logout.
func TestHandOver(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func() sessions.Store{
		"memory":      func() sessions.Store { return newMemory() },
		"CookieStore": func() sessions.Store { return sessions.NewCookieStore(secret) },
	} {
		for _, c := range []struct {
			what  string
			end   func(t testing.TB, m *session.Manager, cookie string) error
			after time.Duration
			told  bool
		}{
			{"Renew", renewed, 0, true},
			{"Renew", renewed, 4900 * time.Millisecond, true},
			{"Renew", renewed, 5100 * time.Millisecond, false},
			{"Renew", renewed, 59 * time.Second, false},
			{"Destroy", destroyed, 0, false},
			{"Destroy", destroyed, 59 * time.Second, false},
		} {
			synctest.Test(t, func(t *testing.T) {
				m := newManager(t, open(), nil)
				old := visit(t, m)
				if err := c.end(t, m, old); err != nil {
					t.Fatal(err)
				}
				<-time.After(c.after)
				w := handshake(m, old)
				if c.told {
					told(t, w.Code, w.Body.Bytes(), http.StatusUnauthorized, "session_expired")
					if w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), `"retryAfterMs":1000`) || cookieOf(w.Header()) != "" {
						t.Errorf("%s, %s after %v: %v %s", name, c.what, c.after, w.Header(), w.Body)
					}
				} else if fresh := cookieOf(w.Header()); w.Code != http.StatusOK || fresh == "" || fresh == old {
					t.Errorf("%s, %s after %v: %d %s, cookie %q", name, c.what, c.after, w.Code, w.Body, fresh)
				}
			})
		}
	}
}

// handshake is a request for which package wrap runs the chain of m alone.
func handshake(m *session.Manager, cookie string) *httptest.ResponseRecorder {
	return post(cookie, "", func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), mark.Key{}, connecting{})
		ctx = context.WithValue(ctx, mark.ListenerKey{}, silent{})
		m.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r.WithContext(ctx))
	})
}

func renewed(t testing.TB, m *session.Manager, cookie string) error {
	_, err := renew(t, m, cookie, login)
	return err
}

func destroyed(t testing.TB, m *session.Manager, cookie string) error {
	_, _, err := destroy(t, m, cookie)
	return err
}
