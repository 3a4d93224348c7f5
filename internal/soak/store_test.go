//go:build linux

package soak

import (
	"crypto/rand"
	"io/fs"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
)

// memorySessions is an in-memory gorilla store that forgets sessions when they are too
// old.
type memorySessions struct {
	codecs []securecookie.Codec

	mu  sync.Mutex
	all map[string]kept
}

type kept struct {
	values map[any]any
	ends   time.Time
}

func newMemorySessions() *memorySessions {
	return &memorySessions{codecs: securecookie.CodecsFromPairs([]byte(secret)), all: make(map[string]kept)}
}

func (m *memorySessions) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(m, name)
}

func (m *memorySessions) New(r *http.Request, name string) (*sessions.Session, error) {
	s := sessions.NewSession(m, name)
	s.Options = &sessions.Options{Path: "/", MaxAge: sessionLife, HttpOnly: true}
	s.IsNew = true
	c, err := r.Cookie(name)
	if err != nil {
		return s, nil
	}
	if err := securecookie.DecodeMulti(name, c.Value, &s.ID, m.codecs...); err != nil {
		return s, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.all[s.ID]
	if !ok || time.Now().After(k.ends) {
		return s, fs.ErrNotExist
	}
	s.Values = maps.Clone(k.values)
	s.IsNew = false
	return s, nil
}

func (m *memorySessions) Save(_ *http.Request, w http.ResponseWriter, s *sessions.Session) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.Options.MaxAge <= 0 {
		delete(m.all, s.ID)
		http.SetCookie(w, sessions.NewCookie(s.Name(), "", s.Options))
		return nil
	}
	if s.ID == "" {
		s.ID = rand.Text()
	}
	encoded, err := securecookie.EncodeMulti(s.Name(), s.ID, m.codecs...)
	if err != nil {
		return err
	}
	m.all[s.ID] = kept{maps.Clone(s.Values), time.Now().Add(time.Duration(s.Options.MaxAge) * time.Second)}
	http.SetCookie(w, sessions.NewCookie(s.Name(), encoded, s.Options))
	return nil
}

// count removes what is too old, and counts the rest.
func (m *memorySessions) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.all, func(_ string, k kept) bool { return time.Now().After(k.ends) })
	return len(m.all)
}
