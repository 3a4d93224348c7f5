package session_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
	"github.com/zishang520/socket.io/v2/socket"
)

// gate holds back the next call of an operation. It returns a channel that is closed
// when that call has come, and a function that lets it go on.
func gate(store *tap, op, cookie string) (come <-chan struct{}, pass func()) {
	at, open := make(chan struct{}), make(chan struct{})
	var once sync.Once
	store.set(func(o, c string, call func() error) error {
		if o == op && c == cookie {
			once.Do(func() { close(at); <-open })
		}
		return call()
	})
	return at, func() { close(open) }
}

// found reports whether a page gets a session by this cookie.
func found(m *session.Manager, cookie string) (ok bool) {
	post(cookie, "", m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, ok = m.FromContext(r.Context())
	})).ServeHTTP)
	return ok
}

// role is what the session of so says.
func role(t *testing.T, m *session.Manager, so *socket.Socket) any {
	t.Helper()
	s, ok := m.From(so)
	if !ok {
		t.Fatal("no session")
	}
	v, _ := s.Get("role")
	return v
}

func setRole(to string) func(map[any]any) error {
	return func(values map[any]any) error { values["role"] = to; return nil }
}

// TestRenewMeanwhile: a user who logs out while the session gets a new ID is logged out.
func TestRenewMeanwhile(t *testing.T) {
	t.Parallel()
	store := &tap{Store: newMemory()}
	m := newManager(t, store, &session.Options{Logger: quiet})
	_, old := plain(t, store, "", func(v map[any]any) { v["user"] = "ada" })
	come, pass := gate(store, "save", "")
	result := make(chan error, 2)
	var cookies []*http.Cookie
	go func() {
		w, err := renew(t, m, old, nil)
		cookies = w.Result().Cookies()
		result <- err
	}()
	<-come
	out := make(chan error, 1)
	go func() { out <- destroyed(t, m, old) }()
	siotest.Eventually(t, "the session has ended", func() bool { return !found(m, old) })
	pass()
	if err := <-result; !errors.Is(err, session.ErrGone) {
		t.Errorf("Renew: got %v, want %v", err, session.ErrGone)
	}
	if err := <-out; err != nil {
		t.Errorf("Destroy: %v", err)
	}
	if len(cookies) != 0 || store.Store.(*memory).len() != 0 {
		t.Errorf("cookies %v, and %d sessions are left", cookies, store.Store.(*memory).len())
	}
}

// TestUpdateMeanwhile: a handshake that has looked before a change was saved does not
// bring the old values back.
func TestUpdateMeanwhile(t *testing.T) {
	t.Parallel()
	store := &tap{Store: newMemory()}
	m := newManager(t, store, &session.Options{Logger: quiet})
	s := setup{}.serve(t, m)
	_, cookie := plain(t, store, "", func(v map[any]any) { v["role"] = "admin" })
	d := siotest.Dial{Header: http.Header{"Cookie": {cookie}}}
	s.Dial(t, d).Connected(t)
	so := <-s.sockets
	mine, _ := m.From(so)
	come, pass := gate(store, "save", cookie)
	saved := make(chan error, 1)
	go func() { saved <- mine.Update(t.Context(), setRole("none")) }()
	<-come
	tab, err := s.Open(t, d)
	if err != nil {
		t.Fatal(err)
	}
	pass()
	if err := <-saved; err != nil {
		t.Fatal(err)
	}
	tab.Connect("/", nil)
	other := <-s.sockets
	if a, b := role(t, m, so), role(t, m, other); a != "none" || b != "none" {
		t.Errorf("got %v and %v after the change", a, b)
	}
}

// TestPageMeanwhile: what a page changes between the handshake and CONNECT is seen.
func TestPageMeanwhile(t *testing.T) {
	t.Parallel()
	store := newMemory()
	m := newManager(t, store, nil)
	s := setup{}.serve(t, m)
	_, cookie := plain(t, store, "", func(v map[any]any) { v["role"] = "admin" })
	c, err := s.Open(t, siotest.Dial{Header: http.Header{"Cookie": {cookie}}})
	if err != nil {
		t.Fatal(err)
	}
	post(cookie, "", m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mine, _ := m.FromContext(r.Context())
		if err := mine.Update(r.Context(), setRole("none")); err != nil {
			t.Error(err)
		}
	})).ServeHTTP)
	c.Connect("/", nil)
	if got := role(t, m, <-s.sockets); got != "none" {
		t.Errorf("got %v after the change", got)
	}
}

// TestListenerHangs: a listener that does not return keeps neither the other sockets of
// its session nor the store from hearing of a logout.
func TestListenerHangs(t *testing.T) {
	t.Parallel()
	store := newMemory()
	m := newManager(t, store, nil)
	s := setup{}.serve(t, m)
	_, cookie := plain(t, store, "", func(v map[any]any) { v["user"] = "ada" })
	d := siotest.Dial{Header: http.Header{"Cookie": {cookie}}}
	clients := []*siotest.Client{s.Dial(t, d), s.Dial(t, d)}
	hang := make(chan struct{})
	for _, c := range clients {
		c.Connected(t)
		_ = (<-s.sockets).On("disconnect", func(...any) { <-hang })
	}
	done := make(chan error, 1)
	go func() { done <- destroyed(t, m, cookie) }()
	for _, c := range clients {
		kicked(t, c, "session_expired")
	}
	siotest.Eventually(t, "the session is not in the store", func() bool { return !store.has(cookie) })
	close(hang)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestDestroyUnknown: a logout while the store is away is made up for, even if nothing
// tells whose cookie it is.
func TestDestroyUnknown(t *testing.T) {
	t.Parallel()
	data := newMemory()
	store := &tap{Store: data}
	m := newManager(t, store, &session.Options{Logger: quiet})
	_, cookie := plain(t, store, "", func(v map[any]any) { v["user"] = "ada" })
	store.set(func(string, string, func() error) error { return errors.New("away") })
	if err := destroyed(t, m, cookie); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("got %v, want %v", err, session.ErrUnavailable)
	}
	store.set(nil)
	siotest.Eventually(t, "the session is not in the store", func() bool { return !data.has(cookie) })
	if found(m, cookie) {
		t.Error("a page gets it")
	}
}

// TestVary: a page to which a cookie is added must not be cached for others.
func TestVary(t *testing.T) {
	t.Parallel()
	store := newMemory()
	m := newManager(t, store, nil)
	w, err := renew(t, m, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	mine := cookie(t, w)
	page := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=60")
	}))
	if w := post(mine, "", page.ServeHTTP); w.Header()["Vary"] != nil || w.Header()["Set-Cookie"] != nil {
		t.Errorf("nothing to add: got %v", w.Header())
	}
	store.backdate(mine)
	if w := post(mine, "", page.ServeHTTP); w.Header().Get("Vary") != "Cookie" || w.Header()["Set-Cookie"] == nil {
		t.Errorf("got %v", w.Header())
	}
}

// TestSecretPath: the name of the file that a session is kept in contains its ID.
func TestSecretPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := sessions.NewFilesystemStore(dir, secret)
	var log bytes.Buffer
	m, err := session.New(store, "sid", &session.Options{
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	s, cookie := plain(t, store, "", func(v map[any]any) { v["user"] = "ada" })
	file := filepath.Join(dir, "session_"+s.ID)
	if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o700)); err != nil { // it cannot be read
		t.Fatal(err)
	}
	err = destroyed(t, m, cookie)
	if !errors.Is(err, session.ErrUnavailable) || strings.Contains(err.Error(), s.ID) {
		t.Errorf("got %v", err)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), s.ID) {
		t.Errorf("the log has it: %s", log.String())
	}
}

// TestUnknownToErase: a session that somebody else has removed between the two calls of a
// logout has been removed: Options.Unknown says so of a store with an error of its own.
func TestUnknownToErase(t *testing.T) {
	t.Parallel()
	errNone := errors.New("no such row")
	inner := newMemory()
	store := &tap{Store: inner}
	s := serve(t, newManager(t, store, &session.Options{
		Logger:  quiet,
		Unknown: func(err error) bool { return errors.Is(err, errNone) },
	}))
	c, _ := s.join(t, siotest.Dial{})
	browser := given(t, c)
	store.set(func(op, _ string, pass func() error) error {
		if op == "save" {
			if err := pass(); err != nil {
				return err
			}
			return errNone // the row was gone
		}
		return pass()
	})
	n, w, err := destroy(t, s.m, browser)
	if n != 1 || err != nil {
		t.Errorf("put out %d, %v", n, err)
	}
	if c := w.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 {
		t.Errorf("cookies %v", c)
	}
	kicked(t, c, "session_expired")
}

// upsert is a store that makes a new session where it does not find the one that it is to
// save, as gormstore does.
type upsert struct{ *memory }

func (u upsert) Save(r *http.Request, w http.ResponseWriter, s *sessions.Session) error {
	if !u.has(s.ID) {
		s.ID = ""
	}
	return u.memory.Save(r, w, s)
}

// TestSavedAnew: a session that a page removes while a socket saves it does not come back
// under another ID, in which nobody would look for it.
func TestSavedAnew(t *testing.T) {
	t.Parallel()
	inner := newMemory()
	store := &tap{Store: upsert{inner}}
	s := serve(t, newManager(t, store, nil))
	c, sess := s.join(t, siotest.Dial{})
	browser := given(t, c)
	store.set(func(op, cookie string, pass func() error) error {
		if op == "save" && cookie == browser {
			inner.remove(browser)
		}
		return pass()
	})
	if err := sess.Update(t.Context(), login); !errors.Is(err, session.ErrGone) {
		t.Errorf("got %v, want %v", err, session.ErrGone)
	}
	kicked(t, c, "session_expired")
	if n := inner.len(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

// TestUnknownError: the log says how to make an error of the store mean that there is no
// such session, unless it is one of the network.
func TestUnknownError(t *testing.T) {
	t.Parallel()
	for want, fault := range map[bool]error{true: errors.New("no such row"), false: &net.OpError{Op: "dial", Err: errors.New("refused")}} {
		store := &tap{Store: newMemory()}
		m := newManager(t, store, &session.Options{Logger: quiet})
		s := serve(t, m)
		c, _ := s.join(t, siotest.Dial{})
		browser := given(t, c)
		store.set(func(op, _ string, pass func() error) error {
			if op == "new" {
				return fault
			}
			return pass()
		})
		_, _, err := destroy(t, s.m, browser)
		if !errors.Is(err, session.ErrUnavailable) || strings.Contains(err.Error(), "Options.Unknown") != want {
			t.Errorf("%v: %v", fault, err)
		}
	}
}
