package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sioware/sioware/jwtauth/internal/millis"
)

// MemoryStore is a [Store] for one process, and is lost with it. Its size is that of what
// it must remember, give or take a factor of two: what has expired is removed as calls
// come in. It owns no goroutine and need not be closed. It is safe for concurrent use.
//
// Functions given to Watch are called on the goroutines of Admit and Revoke. If
// such a call is under way on another goroutine, that goroutine also reports
// the next change, and Revoke returns before it does.
type MemoryStore struct {
	mu       sync.Mutex
	ids      map[string]int64  // revoked, until
	subjects map[string]cutoff // revoked
	users    map[user]*logins
	names    int // in the maps of all users
	calls    int // since the last sweep
	due      int // number of calls at which the next sweep is worth its cost
	room     int // entries that the maps have grown to

	watchers []*watcher // copied on write
}

// Times are in milliseconds since 1970, as in redisstore: coarse enough for its
// scripts, whose numbers are floats, and small.

// cutoff is a revocation by subject.
type cutoff struct{ before, until int64 }

type user struct{ issuer, subject string }

// minSweep keeps a small store from being swept all the time.
const minSweep = 1024

// NewMemoryStore returns an empty MemoryStore.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{
		ids:      make(map[string]int64),
		subjects: make(map[string]cutoff),
		users:    make(map[user]*logins),
		due:      minSweep,
	}
}

// Len returns how many entries the store holds: revocations, current logins, the
// names of logins that have several, and the names of logins that were replaced.
// It includes entries that have expired but have not been removed yet.
func (m *MemoryStore) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.size()
}

func (m *MemoryStore) size() int {
	return len(m.ids) + len(m.subjects) + len(m.users) + m.names
}

// Admit implements [Store]. It returns an error only if ctx has ended or l breaks
// the rules of [Login].
func (m *MemoryStore) Admit(ctx context.Context, l Login) (Verdict, error) {
	if err := ctx.Err(); err != nil {
		return Revoked, err // rather than Admitted, in case the error is overlooked
	}
	if l.Policy < ManyLogins || l.Policy > OldestLogin {
		return Revoked, fmt.Errorf("jwtauth: unknown policy %d", l.Policy)
	}
	if l.Policy != ManyLogins && l.Subject == "" {
		return Revoked, errors.New("jwtauth: a login without a subject")
	}
	m.mu.Lock()
	now := time.Now().UnixMilli()
	m.sweep(now)
	verdict, replaced := m.decide(l, now)
	var watchers []*watcher
	if replaced {
		watchers = m.queue(Change{Login: l})
	}
	m.mu.Unlock()
	m.drainAll(watchers)
	return verdict, nil
}

// Revoke implements [Store]. It returns an error only if ctx has ended or r does
// not have exactly one of ID and Subject.
func (m *MemoryStore) Revoke(ctx context.Context, r Revocation) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if (r.ID == "") == (r.Subject == "") {
		return errors.New("jwtauth: a revocation names either an ID or a subject")
	}
	m.mu.Lock()
	now := time.Now()
	m.sweep(now.UnixMilli())
	until := millis.Of(r.Until)
	if r.Until.IsZero() {
		until = millis.Of(now.Add(defaultKeep))
	}
	switch cut, ok := m.subjects[r.Subject]; {
	case until <= now.UnixMilli(): // all of these tokens have expired
	case r.ID != "":
		m.ids[r.ID] = max(m.ids[r.ID], until)
	case ok && cut.until > now.UnixMilli():
		m.subjects[r.Subject] = cutoff{max(cut.before, millis.Ceil(r.Before)), max(cut.until, until)}
	default:
		m.subjects[r.Subject] = cutoff{millis.Ceil(r.Before), until}
	}
	watchers := m.queue(Change{Revocation: r})
	m.mu.Unlock()
	m.drainAll(watchers)
	return nil
}

// sweep removes what has expired, once there have been as many calls as there are
// entries, so that the amortized cost of a call is constant.
func (m *MemoryStore) sweep(now int64) {
	if m.calls++; m.calls < m.due {
		return
	}
	m.room = max(m.room, m.size())
	maps.DeleteFunc(m.ids, func(_ string, until int64) bool { return until <= now })
	maps.DeleteFunc(m.subjects, func(_ string, cut cutoff) bool { return cut.until <= now })
	m.names = 0
	maps.DeleteFunc(m.users, func(_ user, u *logins) bool {
		u.trim(now)
		m.names += len(u.names) + len(u.marks)
		return u.marks == nil && u.current.until <= now
	})
	m.calls, m.due = 0, max(m.size(), minSweep)
	if m.size() < m.room/2 {
		m.ids, m.subjects, m.users = fresh(m.ids), fresh(m.subjects), fresh(m.users)
		m.room = m.size()
	}
}

// fresh returns a copy of m in less memory: maps do not shrink, nor does maps.Clone
// promise to.
func fresh[K comparable, V any](m map[K]V) map[K]V {
	c := make(map[K]V, len(m))
	maps.Copy(c, m)
	return c
}

// watcher is a function given to Watch, with the changes that it is yet to be told.
type watcher struct {
	f     func(Change)
	queue []Change
	busy  bool // a goroutine is calling f
}

// Watch implements [Store]. It never calls f with the zero Change: nothing gets
// lost. A call that is under way when stop is called ends after stop has returned.
func (m *MemoryStore) Watch(f func(Change)) (stop func()) {
	w := &watcher{f: f}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watchers = append(slices.Clone(m.watchers), w)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		w.queue = nil
		if i := slices.Index(m.watchers, w); i >= 0 {
			m.watchers = slices.Delete(slices.Clone(m.watchers), i, i+1)
		}
	}
}

// queue queues c for all watchers, and returns them for drainAll. m.mu is held.
func (m *MemoryStore) queue(c Change) []*watcher {
	for _, w := range m.watchers {
		w.queue = append(w.queue, c)
	}
	return m.watchers
}

// drainAll calls watchers with what is queued for them. m.mu is not held.
func (m *MemoryStore) drainAll(watchers []*watcher) {
	for _, w := range watchers {
		m.drain(w)
	}
}

// drain calls w until its queue is empty, unless another goroutine is doing so.
func (m *MemoryStore) drain(w *watcher) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if w.busy {
		return
	}
	w.busy = true
	defer func() { w.busy = false }() // also if f panics
	for len(w.queue) > 0 {
		c := w.queue[0]
		w.queue = w.queue[1:]
		func() {
			m.mu.Unlock()
			defer m.mu.Lock()
			w.f(c)
		}()
	}
	w.queue = nil
}
