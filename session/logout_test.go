package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/boj/redistore"
	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
)

// plainLogout is what an HTTP handler does that ends a session by the store alone.
func plainLogout(t testing.TB, store sessions.Store, cookie string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "http://host.example/logout", nil)
	r.Header.Set("Cookie", cookie)
	s, err := store.New(r, "sid")
	if err != nil {
		t.Fatal(err)
	}
	s.Options.MaxAge = -1
	if err := store.Save(r, httptest.NewRecorder(), s); err != nil {
		t.Fatal(err)
	}
}

// TestEraseLater: a session that the store would not remove cannot be used on this
// Manager, and is removed in the background when the store works again.
func TestEraseLater(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files   bool
		news    bool // that look for the session fail too
		tries   int64
		missing session.Missing
	}{
		"memory":              {tries: 2, missing: session.Create},
		"files":               {files: true, tries: 2, missing: session.Refuse},
		"more than one try":   {tries: 3, missing: session.Refuse},
		"all calls":           {news: true, tries: 3, missing: session.Create},
		"all calls, of files": {files: true, news: true, tries: 2, missing: session.Admit},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var inner sessions.Store = newMemory()
			if c.files {
				inner = files(t)
			}
			store := &tap{Store: inner}
			s := serve(t, newManager(t, store, &session.Options{Missing: c.missing, Logger: quiet}))
			w, err := renew(t, s.m, "", login)
			if err != nil {
				t.Fatal(err)
			}
			browser := cookie(t, w)
			client, sess := s.join(t, with(browser))
			var tries atomic.Int64
			var blind atomic.Bool
			blind.Store(c.news)
			store.set(func(op, whose string, pass func() error) error {
				if whose != browser || op == "new" && !blind.Load() {
					return pass()
				}
				tries.Add(1)
				return errSecret
			})
			n, w, err := destroy(t, s.m, browser)
			if n != 1 || !errors.Is(err, session.ErrUnavailable) || !strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=0") {
				t.Errorf("got %d, %v, %v", n, err, w.Header())
			}
			kicked(t, client, "session_expired")
			siotest.Eventually(t, "more tries", func() bool { return tries.Load() >= c.tries })
			if kept, _ := plain(t, inner, browser, nil); kept.IsNew {
				t.Error("it is not in the store")
			}
			blind.Store(false)
			nobodys(t, s, c.missing, browser, sess)
			store.set(nil)
			siotest.Eventually(t, "it is removed", func() bool {
				kept, _ := plain(t, inner, browser, nil)
				return kept.IsNew
			})
			if n, _, err := destroy(t, s.m, browser); n != 0 || err != nil {
				t.Errorf("again: %d, %v", n, err)
			}
		})
	}
}

// nobodys checks that a session that the store still has cannot be used here.
func nobodys(t *testing.T, s *server, missing session.Missing, browser string, sess *session.Session) {
	t.Helper()
	for _, err := range []error{sess.Update(t.Context(), add), sess.Reload(t.Context())} {
		if !errors.Is(err, session.ErrGone) {
			t.Errorf("got %v", err)
		}
	}
	switch missing {
	case session.Create:
		lost(t, s, with(browser), sess)
	case session.Refuse:
		turned(t, s.Server, with(browser), http.StatusUnauthorized, "session_expired")
	case session.Admit:
		s.Dial(t, with(browser)).Connected(t)
		if _, ok := s.m.From(<-s.sockets); ok {
			t.Error("a socket has the session")
		}
	}
	request(s.m, browser, func(_ http.ResponseWriter, r *http.Request) {
		if _, ok := s.m.FromContext(r.Context()); ok {
			t.Error("a page has the session")
		}
	})
	w, err := renew(t, s.m, browser, nil)
	if err != nil {
		t.Fatal(err)
	}
	page(t, s.m, cookie(t, w), "")
}

// TestOutAtOnce: Destroy puts sockets out before it waits for a change that is under way,
// or for a store that takes its time.
func TestOutAtOnce(t *testing.T) {
	t.Parallel()
	for _, slow := range []string{"change", "store"} {
		store := &tap{Store: newMemory()}
		s := serve(t, newManager(t, store, nil))
		browser := s.visit(t)
		c, sess := s.join(t, with(browser))
		inside, proceed := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		if slow == "change" {
			wg.Go(func() {
				if err := sess.Update(context.Background(), func(map[any]any) error {
					close(inside)
					<-proceed
					return errSecret
				}); !errors.Is(err, errSecret) {
					t.Errorf("Update: %v", err)
				}
			})
			<-inside
		} else {
			store.set(func(op, _ string, pass func() error) error {
				if op == "save" {
					<-proceed
				}
				return pass()
			})
		}
		wg.Go(func() {
			if n, _, err := destroy(t, s.m, browser); n != 1 || err != nil {
				t.Errorf("slow %s: got %d, %v", slow, n, err)
			}
		})
		kicked(t, c, "session_expired")
		if !store.Store.(*memory).has(browser) {
			t.Errorf("slow %s: the store was first", slow)
		}
		close(proceed)
		wg.Wait()
		if store.Store.(*memory).has(browser) {
			t.Errorf("slow %s: the session is in the store", slow)
		}
	}
}

// TestEraseEnds: nothing is left to do in the background when the store has no such
// session any more, and Close does not wait for the next try.
func TestEraseEnds(t *testing.T) {
	t.Parallel()
	inner := newMemory()
	store := &tap{Store: inner}
	m, err := session.New(store, "sid", &session.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	gone, kept := visit(t, m), visit(t, m)
	var tries atomic.Int64
	store.set(func(op, whose string, pass func() error) error {
		if op == "save" {
			if whose == kept {
				tries.Add(1)
			}
			return errSecret
		}
		return pass()
	})
	for _, browser := range []string{gone, kept} {
		if _, _, err := destroy(t, m, browser); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}
	plainLogout(t, inner, gone)
	siotest.Eventually(t, "only one is left", func() bool { return session.Erasures(m) == 1 && tries.Load() >= 3 })
	began := time.Now()
	if err := m.Close(t.Context()); err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("Close: %v after %v", err, time.Since(began))
	}
	if !inner.has(kept) {
		t.Error("it was removed")
	}
}

// TestPlainLogout: if a page ends a session by the store and then calls Destroy, its
// sockets are disconnected, on all nodes: the store still tells whose the cookie was.
func TestPlainLogout(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	dir := t.TempDir()
	shared := newMemory()
	for name, open := range map[string]func() sessions.Store{
		"memory":         func() sessions.Store { return shared },
		"files":          func() sessions.Store { return sessions.NewFilesystemStore(dir, secret) },
		"redistore gob":  func() sessions.Store { return openRedis(t, server.Addr, redistore.GobSerializer{}, maxAge) },
		"redistore JSON": func() sessions.Store { return openRedis(t, server.Addr, redistore.JSONSerializer{}, maxAge) },
	} {
		for _, stamped := range []bool{false, true} { // by a Manager, or made by a page
			store := open()
			_, a, b := nodes(t, store, open())
			_, browser := plain(t, store, "", func(values map[any]any) { _ = login(values) })
			if stamped {
				browser = visit(t, a.m)
			}
			stays, _ := a.join(t, siotest.Dial{}) // so that the Managers know their servers
			remains, _ := b.join(t, siotest.Dial{})
			here, sess := a.join(t, with(browser))
			there, _ := b.join(t, as(siotest.Dial{Polling: true}, browser))
			there.Connect("/other", nil)
			there.Connected(t)
			<-b.sockets
			plainLogout(t, store, browser)
			n, w, err := destroy(t, a.m, browser)
			if n != 1 || err != nil || !strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=0") {
				t.Errorf("%s: got %d, %v, %v", name, n, err, w.Header())
			}
			kicked(t, here, "session_expired")
			out(t, there, "session_expired", "/", "/other")
			if err := sess.Reload(t.Context()); !errors.Is(err, session.ErrGone) {
				t.Errorf("%s: Reload: %v", name, err)
			}
			lost(t, b, with(browser), sess)
			stays.NoPacket(t, 0)
			remains.NoPacket(t, 0)
			// From a node that has no socket of it, too.
			browser = visit(t, a.m)
			there, _ = b.join(t, with(browser))
			plainLogout(t, store, browser)
			if n, _, err := destroy(t, a.m, browser); n != 0 || err != nil {
				t.Errorf("%s: got %d, %v", name, n, err)
			}
			kicked(t, there, "session_expired")
		}
	}
}
