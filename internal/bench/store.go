package main

import (
	"crypto/rand"
	"maps"
	"net/http"
	"sync"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
)

// memoryStore keeps sessions in this process, as the MemoryStore of express-session does,
// and signs its cookies.
type memoryStore struct {
	codec *securecookie.SecureCookie

	mu  sync.Mutex
	all map[string]map[any]any
}

func newMemoryStore() *memoryStore {
	codec := securecookie.New([]byte(secret), nil)
	codec.SetSerializer(securecookie.NopEncoder{}) // only signed, like the cookies of express-session
	return &memoryStore{codec: codec, all: make(map[string]map[any]any)}
}

// Get is New, but once per request.
func (m *memoryStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(m, name)
}

// New returns the session named by the request's cookie, or a new one.
func (m *memoryStore) New(r *http.Request, name string) (*sessions.Session, error) {
	s := sessions.NewSession(m, name)
	s.Options = &sessions.Options{Path: "/", MaxAge: 3600, HttpOnly: true}
	s.IsNew = true
	c, err := r.Cookie(name)
	if err != nil {
		return s, nil
	}
	var signed []byte
	if err := m.codec.Decode(name, c.Value, &signed); err != nil {
		return s, err
	}
	id := string(signed)
	m.mu.Lock()
	defer m.mu.Unlock()
	if values, ok := m.all[id]; ok {
		s.ID, s.Values, s.IsNew = id, maps.Clone(values), false
	}
	return s, nil
}

// Save stores a session, or deletes it.
func (m *memoryStore) Save(_ *http.Request, w http.ResponseWriter, s *sessions.Session) error {
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
	value, err := m.codec.Encode(s.Name(), []byte(s.ID))
	if err != nil {
		return err
	}
	m.all[s.ID] = maps.Clone(s.Values)
	http.SetCookie(w, sessions.NewCookie(s.Name(), value, s.Options))
	return nil
}
