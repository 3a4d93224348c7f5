package session_test

import (
	"encoding/base32"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/boj/redistore"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/internal/redistest"
)

// maxAge is what the stores of the tests give to sessions, in seconds.
const maxAge = 3600

// kind is a kind of store.
type kind struct {
	name     string
	readOnly bool
	json     bool
	open     func(t testing.TB) sessions.Store
}

// attributes are what the stores of the tests give to cookies.
func attributes(o *sessions.Options) {
	o.Path, o.Domain, o.Secure, o.HttpOnly, o.SameSite = "/", "host.example", true, true, http.SameSiteLaxMode
}

// kinds are those that the tests know. Redis ends with t.
func kinds(t testing.TB) []kind {
	t.Helper()
	server := redistest.Start(t)
	open := func(s redistore.SessionSerializer) func(testing.TB) sessions.Store {
		return func(t testing.TB) sessions.Store { return openRedis(t, server.Addr, s, maxAge) }
	}
	return []kind{
		{name: "CookieStore", readOnly: true, open: func(testing.TB) sessions.Store {
			s := sessions.NewCookieStore(secret)
			attributes(s.Options)
			s.MaxAge(maxAge)
			return s
		}},
		{name: "FilesystemStore", open: func(t testing.TB) sessions.Store {
			s := sessions.NewFilesystemStore(t.TempDir(), secret)
			attributes(s.Options)
			s.MaxAge(maxAge)
			return s
		}},
		{name: "redistore gob", open: open(redistore.GobSerializer{})},
		{name: "redistore JSON", json: true, open: open(redistore.JSONSerializer{})},
	}
}

func openRedis(t testing.TB, addr string, serializer redistore.SessionSerializer, age int) *redistore.RediStore {
	t.Helper()
	s, err := redistore.NewRediStore(4, "tcp", addr, "", "", secret)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	attributes(s.Options)
	s.SetMaxAge(age)
	s.SetSerializer(serializer)
	return s
}

// shortLived is a FilesystemStore whose sessions live for seconds.
func shortLived(t testing.TB, seconds int) *sessions.FilesystemStore {
	t.Helper()
	s := sessions.NewFilesystemStore(t.TempDir(), secret)
	s.MaxAge(seconds)
	return s
}

// tap counts the calls of a store, and lets a test step in.
type tap struct {
	sessions.Store
	news, saves atomic.Int64
	hook        atomic.Pointer[step]
}

// step runs in place of a call, which pass is. What it returns is what the call does.
type step func(op, cookie string, pass func() error) error

func (p *tap) set(s step) {
	if s == nil {
		p.hook.Store(nil)
		return
	}
	p.hook.Store(&s)
}

func (p *tap) New(r *http.Request, name string) (s *sessions.Session, err error) {
	p.news.Add(1)
	pass := func() error {
		s, err = p.Store.New(r, name)
		return err
	}
	if h := p.hook.Load(); h != nil {
		err = (*h)("new", r.Header.Get("Cookie"), pass)
		return s, err
	}
	_ = pass()
	return s, err
}

func (p *tap) Save(r *http.Request, w http.ResponseWriter, s *sessions.Session) error {
	p.saves.Add(1)
	pass := func() error { return p.Store.Save(r, w, s) }
	if h := p.hook.Load(); h != nil {
		return (*h)("save", r.Header.Get("Cookie"), pass)
	}
	return pass()
}

// memory is a store in this process that is made like redistore, down to the ID that
// it keeps for an unknown cookie. Its cookies are not signed.
type memory struct {
	mu  sync.Mutex
	all map[string]map[any]any
	age int
}

func newMemory() *memory { return &memory{all: make(map[string]map[any]any), age: maxAge} }

func (m *memory) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(m, name)
}

func (m *memory) New(r *http.Request, name string) (*sessions.Session, error) {
	s := sessions.NewSession(m, name)
	s.Options = &sessions.Options{Path: "/", MaxAge: m.age}
	s.IsNew = true
	if c, err := r.Cookie(name); err == nil {
		s.ID = c.Value
		m.mu.Lock()
		defer m.mu.Unlock()
		if values, ok := m.all[s.ID]; ok {
			s.Values, s.IsNew = maps.Clone(values), false
		}
	}
	return s, nil
}

func (m *memory) Save(_ *http.Request, w http.ResponseWriter, s *sessions.Session) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.Options.MaxAge <= 0 {
		delete(m.all, s.ID)
		http.SetCookie(w, sessions.NewCookie(s.Name(), "", s.Options))
		return nil
	}
	if s.ID == "" {
		s.ID = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(securecookie.GenerateRandomKey(32))
	}
	m.all[s.ID] = maps.Clone(s.Values)
	http.SetCookie(w, sessions.NewCookie(s.Name(), s.ID, s.Options))
	return nil
}

func (m *memory) has(cookie string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.all[strings.TrimPrefix(cookie, "sid=")]
	return ok
}

// backdate has a session look as if it had last been saved half of its life ago.
func (m *memory) backdate(cookie string) {
	m.stamp(cookie, time.Now().Add(-time.Duration(m.age)*time.Second/2))
}

// stamp has a session look as if it had last been saved then.
func (m *memory) stamp(cookie string, then time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	values := m.all[strings.TrimPrefix(cookie, "sid=")]
	for _, stamp := range []string{"sioware:saved", "sioware:given"} {
		values[stamp] = strconv.FormatInt(then.Unix(), 10)
	}
}

// saved is when a session was last saved by a Manager.
func (m *memory) saved(cookie string) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	text, _ := m.all[strings.TrimPrefix(cookie, "sid=")]["sioware:saved"].(string)
	seconds, _ := strconv.ParseInt(text, 10, 64)
	return time.Unix(seconds, 0)
}

// remove is what a logout by the store's own means does.
func (m *memory) remove(cookie string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, strings.TrimPrefix(cookie, "sid="))
}

func (m *memory) len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.all)
}
