package jwtauth_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sioware/sioware/jwtauth"
)

// scripted is a MemoryStore that tests can get in front of. It tells its watcher
// nothing by itself: tests do, by watcher.
type scripted struct {
	*jwtauth.MemoryStore
	admit     atomic.Pointer[admission]
	revoke    atomic.Pointer[func(jwtauth.Revocation)]
	watcher   func(jwtauth.Change)
	unwatched atomic.Bool

	mu      sync.Mutex
	asked   []jwtauth.Login
	revoked []jwtauth.Revocation
}

type admission = func(ctx context.Context, l jwtauth.Login) (jwtauth.Verdict, error)

func newScripted() *scripted { return &scripted{MemoryStore: jwtauth.NewMemoryStore()} }

// onAdmit has f answer in place of the MemoryStore; nil gives that one back.
func (s *scripted) onAdmit(f admission) {
	if f == nil {
		s.admit.Store(nil)
		return
	}
	s.admit.Store(&f)
}

// onRevoke has f called before what is revoked is remembered.
func (s *scripted) onRevoke(f func(jwtauth.Revocation)) { s.revoke.Store(&f) }

// logins returns what Admit was asked about so far, by the ID of the token.
func (s *scripted) logins(id string) (logins []jwtauth.Login) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.asked {
		if l.ID == id {
			logins = append(logins, l)
		}
	}
	return logins
}

// revocations returns what was revoked so far.
func (s *scripted) revocations() []jwtauth.Revocation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.revoked)
}

func (s *scripted) Admit(ctx context.Context, l jwtauth.Login) (jwtauth.Verdict, error) {
	s.mu.Lock()
	s.asked = append(s.asked, l)
	s.mu.Unlock()
	if f := s.admit.Load(); f != nil {
		return (*f)(ctx, l)
	}
	return s.MemoryStore.Admit(ctx, l)
}

func (s *scripted) Revoke(ctx context.Context, r jwtauth.Revocation) error {
	s.mu.Lock()
	s.revoked = append(s.revoked, r)
	s.mu.Unlock()
	if f := s.revoke.Load(); f != nil {
		(*f)(r)
	}
	return s.MemoryStore.Revoke(ctx, r)
}

func (s *scripted) Watch(f func(jwtauth.Change)) func() {
	s.watcher = f
	return func() { s.unwatched.Store(true) }
}

// down is what a store answers that cannot be reached.
func down(context.Context, jwtauth.Login) (jwtauth.Verdict, error) {
	return jwtauth.Admitted, errors.New("connection to 10.0.0.1 refused")
}

// panics is a store that fails altogether.
func panics(context.Context, jwtauth.Login) (jwtauth.Verdict, error) { panic("a store") }
