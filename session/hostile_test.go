package session_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
)

// rogue is a store that does what a test says.
type rogue struct {
	sessions.Store
	new  func(r *http.Request) (*sessions.Session, error)
	save func(r *http.Request, w http.ResponseWriter, s *sessions.Session) error
}

func (g *rogue) New(r *http.Request, name string) (*sessions.Session, error) {
	if g.new != nil {
		return g.new(r)
	}
	return g.Store.New(r, name)
}

func (g *rogue) Save(r *http.Request, w http.ResponseWriter, s *sessions.Session) error {
	if g.save != nil {
		return g.save(r, w, s)
	}
	return g.Store.Save(r, w, s)
}

var errSecret = errors.New("secret text of the store")

// TestNewFails: whatever the store returns in place of a session, a client is told that
// it should come back, on the handshake and on CONNECT.
func TestNewFails(t *testing.T) {
	t.Parallel()
	fresh := func() *sessions.Session {
		s := sessions.NewSession(nil, "sid")
		s.ID = "adopted"
		return s
	}
	for name, f := range map[string]func(*http.Request) (*sessions.Session, error){
		"nothing":              func(*http.Request) (*sessions.Session, error) { return nil, nil },
		"nil and an error":     func(*http.Request) (*sessions.Session, error) { return nil, errSecret },
		"session and an error": func(*http.Request) (*sessions.Session, error) { return fresh(), errSecret },
		"panic":                func(*http.Request) (*sessions.Session, error) { panic(errSecret) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &rogue{Store: newMemory(), new: f}
			o := &session.Options{Logger: quiet, Missing: session.Create}
			s := serve(t, newManager(t, store, o))
			for _, cookie := range []string{"", "sid=x"} {
				turned(t, s.Server, with(cookie), http.StatusServiceUnavailable, "unavailable")
				turned(t, s.Server, as(siotest.Dial{Polling: true}, cookie), http.StatusServiceUnavailable, "unavailable")
			}
			bare := setup{bare: true}.serve(t, newManager(t, store, o))
			refused(t, bare.Server, with("sid=x"), "unavailable")
			n, w, err := destroy(t, s.m, "sid=x")
			if n != 0 || !errors.Is(err, session.ErrUnavailable) || !strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=0") {
				t.Errorf("Destroy: %d, %v, %v", n, err, w.Header())
			}
			if w, err := renew(t, s.m, "sid=x", nil); !errors.Is(err, session.ErrUnavailable) || len(w.Header()) != 0 {
				t.Errorf("Renew: %v, %v", err, w.Header())
			}
		})
	}
}

// TestPanicIsLogged: the log says where a store has panicked. The panic value is not
// logged, unless it comes from the runtime.
func TestPanicIsLogged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		panic func()
		text  string
	}{
		"string":  {func() { panic("secret") }, `"session: panic in the store" error="the store panicked: string"`},
		"error":   {func() { panic(errSecret) }, `error="the store panicked: *errors.errorString"`},
		"runtime": {func() { _ = make([]int, 1)[len(errSecret.Error())] }, "index out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			store := &rogue{Store: newMemory(), new: func(*http.Request) (*sessions.Session, error) {
				c.panic()
				return nil, nil
			}}
			m := newManager(t, store, &session.Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Missing: session.Refuse})
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Cookie", "sid=x")
			w := httptest.NewRecorder()
			m.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
			told(t, w.Code, w.Body.Bytes(), http.StatusServiceUnavailable, "unavailable")
			s := log.String()
			if !strings.Contains(s, c.text) || !strings.Contains(s, "level=ERROR") || !strings.Contains(s, "TestPanicIsLogged") || strings.Contains(s, "secret") {
				t.Errorf("the log has %s", s)
			}
			if strings.Contains(w.Body.String(), "panic") {
				t.Errorf("the client is told %s", w.Body)
			}
		})
	}
}

// TestSaveFails: what goes wrong when a session is made or saved.
func TestSaveFails(t *testing.T) {
	t.Parallel()
	type save = func(*http.Request, http.ResponseWriter, *sessions.Session) error
	for name, c := range map[string]struct {
		save   save
		age    int
		status int // of a new client
		code   string
		update error // of one that is there; nil for another
	}{
		"error":     {save: func(*http.Request, http.ResponseWriter, *sessions.Session) error { return errSecret }, status: 503, code: "unavailable", update: session.ErrUnavailable},
		"panic":     {save: func(*http.Request, http.ResponseWriter, *sessions.Session) error { panic("secret") }, status: 503, code: "unavailable", update: session.ErrUnavailable},
		"no cookie": {save: func(_ *http.Request, _ http.ResponseWriter, s *sessions.Session) error { s.ID = "x"; return nil }, status: 500, code: "internal"},
		"nothing":   {save: func(*http.Request, http.ResponseWriter, *sessions.Session) error { return nil }, status: 500, code: "internal"},
		"writes a status": {save: func(_ *http.Request, w http.ResponseWriter, _ *sessions.Session) error {
			w.WriteHeader(http.StatusTeapot)
			_, err := w.Write([]byte("secret"))
			return err
		}, status: 500, code: "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inner := newMemory()
			store := &rogue{Store: inner, save: c.save}
			s := serve(t, newManager(t, store, &session.Options{Logger: quiet}))
			turned(t, s.Server, siotest.Dial{}, c.status, c.code)
			turned(t, s.Server, siotest.Dial{Polling: true}, c.status, c.code)
			_, cookie := plain(t, inner, "", func(map[any]any) {})
			client, sess := s.join(t, with(cookie))
			err := sess.Update(t.Context(), add)
			if c.update != nil && !errors.Is(err, c.update) {
				t.Errorf("Update: %v", err)
			}
			if n, ok := count.Get(sess); err != nil && ok {
				t.Errorf("count %d, %v", n, ok)
			}
			client.NoPacket(t, 0)
		})
	}
}

// TestMaxAgeZero: gorilla's stores delete what is saved without a MaxAge.
func TestMaxAgeZero(t *testing.T) {
	t.Parallel()
	store := shortLived(t, maxAge)
	_, cookie := plain(t, store, "", func(values map[any]any) { values["name"] = "ada" })
	store.Options.MaxAge = 0
	s := serve(t, newManager(t, store, &session.Options{Logger: quiet}))
	turned(t, s.Server, siotest.Dial{}, http.StatusInternalServerError, "internal")
	_, sess := s.join(t, with(cookie))
	if name, _ := sess.Get("name"); name != "ada" {
		t.Errorf("name %v", name)
	}
	err := sess.Update(t.Context(), add)
	var told *wrap.Error
	if err == nil || errors.As(err, &told) {
		t.Errorf("Update: %v", err)
	}
	if err := sess.Reload(t.Context()); err != nil {
		t.Errorf("the session is gone: %v", err)
	}
}

// TestCookies: all cookies that a store sets reach the client, and ours is found.
func TestCookies(t *testing.T) {
	t.Parallel()
	inner := newMemory()
	store := &rogue{Store: inner, save: func(r *http.Request, w http.ResponseWriter, s *sessions.Session) error {
		http.SetCookie(w, &http.Cookie{Name: "first", Value: "1"})
		err := inner.Save(r, w, s)
		http.SetCookie(w, &http.Cookie{Name: "last", Value: "2"})
		return err
	}}
	s := serve(t, newManager(t, store, nil))
	for _, polling := range []bool{false, true} {
		c, sess := s.join(t, siotest.Dial{Polling: polling})
		var names []string
		for _, cookie := range c.Handshake.Cookies() {
			names = append(names, cookie.Name)
		}
		if !slices.Equal(names, []string{"first", "sid", "last"}) {
			t.Errorf("cookies %q", names)
		}
		if err := sess.Update(t.Context(), add); err != nil {
			t.Error(err)
		}
	}
}

// TestForgets: a store that does not keep what it was given ends the session, and
// nobody gets it back.
func TestForgets(t *testing.T) {
	t.Parallel()
	inner := newMemory()
	store := &rogue{Store: inner, save: func(r *http.Request, w http.ResponseWriter, s *sessions.Session) error {
		err := inner.Save(r, w, s)
		inner.mu.Lock()
		defer inner.mu.Unlock()
		clear(inner.all)
		return err
	}}
	s := serve(t, newManager(t, store, &session.Options{Check: 100 * time.Millisecond}))
	c, sess := s.join(t, siotest.Dial{})
	kicked(t, c, "session_expired")
	if err := sess.Update(t.Context(), add); !errors.Is(err, session.ErrGone) {
		t.Errorf("Update: %v", err)
	}
	c, sess = s.join(t, siotest.Dial{})
	if err := sess.Update(t.Context(), add); !errors.Is(err, session.ErrGone) {
		t.Errorf("Update: %v", err)
	}
	kicked(t, c, "session_expired")
}

// TestPlanted: the ID that a client brings is never used, neither at once nor when
// somebody signs in.
func TestPlanted(t *testing.T) {
	t.Parallel()
	store := newMemory()
	s := serve(t, newManager(t, store, nil))
	const planted = "sid=PLANTED"
	c, sess := s.join(t, with(planted))
	if given(t, c) == planted || store.has(planted) {
		t.Error("the ID was adopted")
	}
	if err := sess.Update(t.Context(), add); err != nil || store.has(planted) {
		t.Errorf("the ID was adopted, %v", err)
	}
	w, err := renew(t, s.m, planted, add)
	if err != nil || cookie(t, w) == planted || store.has(planted) {
		t.Errorf("the ID was adopted: %v, %v", err, w.Header())
	}
	if w := request(s.m, planted, func(_ http.ResponseWriter, r *http.Request) {
		if _, ok := s.m.FromContext(r.Context()); ok {
			t.Error("a session")
		}
	}); w.Code != http.StatusOK || len(w.Result().Cookies()) != 0 {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}

// unknown is a type that is not registered with gob.
type unknown struct{ X int }

// TestUnknownType: a value that cannot be saved is a fault of ours, and changes nothing.
func TestUnknownType(t *testing.T) {
	t.Parallel()
	s := serve(t, newManager(t, files(t), nil))
	c, sess := s.join(t, siotest.Dial{})
	for _, value := range []any{unknown{1}, func() {}, make(chan int), strings.Repeat("x", 5000)} {
		err := sess.Update(t.Context(), func(values map[any]any) error { values["x"] = value; return nil })
		if err == nil || errors.Is(err, session.ErrUnavailable) || errors.Is(err, session.ErrGone) {
			t.Errorf("%T: %v", value, err)
		}
		if _, ok := sess.Get("x"); ok {
			t.Errorf("%T was kept", value)
		}
	}
	if err := sess.Update(t.Context(), add); err != nil {
		t.Error(err)
	}
	c.NoPacket(t, 0)
}

// TestInPlace: a change that fails leaves what sockets see as it was, even if it has
// worked in place.
func TestInPlace(t *testing.T) {
	t.Parallel()
	s := serve(t, newManager(t, files(t), nil))
	_, sess := s.join(t, siotest.Dial{})
	list := session.Key[[]string]("list")
	if err := sess.Update(t.Context(), func(values map[any]any) error {
		list.Set(values, []string{"a", "b"})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("failed")
	if err := sess.Update(t.Context(), func(values map[any]any) error {
		list.In(values)[0] = "changed"
		return failed
	}); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	if got, _ := list.Get(sess); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("a change that failed is seen: %q", got)
	}
}

// TestSameForAll: a store may return the same *Session to everyone, which must not
// be written to. Only the race detector notices.
func TestSameForAll(t *testing.T) {
	t.Parallel()
	one := sessions.NewSession(nil, "sid")
	one.Options = &sessions.Options{Path: "/", MaxAge: maxAge}
	one.Values["count"] = 1
	store := &rogue{
		new: func(*http.Request) (*sessions.Session, error) { return one, nil },
		save: func(_ *http.Request, w http.ResponseWriter, s *sessions.Session) error {
			s.ID = "one"
			http.SetCookie(w, sessions.NewCookie("sid", "one", s.Options))
			return nil
		},
	}
	m := newManager(t, store, nil)
	var values *session.Session
	one.ID = "one"
	request(m, "sid=one", func(_ http.ResponseWriter, r *http.Request) { values, _ = m.FromContext(r.Context()) })
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := renew(t, m, "", nil); err != nil {
				t.Error(err)
			}
			request(m, "sid=one", func(_ http.ResponseWriter, r *http.Request) {
				sess, ok := m.FromContext(r.Context())
				if !ok {
					t.Error("no session")
				} else if err := sess.Reload(r.Context()); err != nil {
					t.Error(err)
				}
			})
			_ = values.Update(t.Context(), add)
		})
	}
	wg.Wait()
}
