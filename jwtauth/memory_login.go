package jwtauth

import (
	"maps"
	"math"
	"time"

	"github.com/sioware/sioware/jwtauth/internal/millis"
)

// login is what is remembered of a [Login]: its name, and the token that represents
// the login when it is compared with others, which is the newest one seen. That
// token counts even if it expires before others, so a login never becomes older.
type login struct {
	name, id      string
	issued, until int64
}

// logins holds the logins of one user.
type logins struct {
	current login            // its until is the latest of its tokens; 0 if there is no login
	names   map[string]int64 // of the current login, until; nil while it has only one
	marks   map[string]int64 // names that were replaced, until
}

// bears reports whether name is a name of the current login, which has not ended: its first,
// or one that a token was refreshed to. Each name goes when its own tokens have expired.
func (u *logins) bears(name string, now int64) bool {
	if u.names == nil {
		return u.current.name == name
	}
	return u.names[name] > now
}

// trim removes the names that have expired.
func (u *logins) trim(now int64) {
	over := func(_ string, until int64) bool { return until <= now }
	if maps.DeleteFunc(u.marks, over); len(u.marks) == 0 {
		u.marks = nil
	}
	maps.DeleteFunc(u.names, over)
	if len(u.names) > 1 {
		return
	}
	for name := range u.names { // the one left, which lasts as long as the login
		u.current.name = name
	}
	u.names = nil
}

// decide returns the verdict, and whether l replaces another login.
func (m *MemoryStore) decide(l Login, now int64) (v Verdict, replaces bool) {
	next := login{l.Name, l.ID, issued(l.IssuedAt), millis.Of(l.Until)}
	if m.revoked(l.Subject, next, now) {
		return Revoked, false
	}
	if l.Policy == ManyLogins {
		return Admitted, false
	}
	key := user{l.Issuer, l.Subject}
	u := m.users[key]
	if u == nil {
		u = &logins{}
		m.users[key] = u
	}
	live := u.current.until > now
	// A revoked login does not hold its place. What counts is the token that
	// represents it: if that one is revoked by its ID the place is free, though
	// other tokens of the login may last; the first of them to come takes it again,
	// unless another login has done so before.
	held := live && (l.Policy != OldestLogin || !m.revoked(l.Subject, u.current, now))
	refresh := live && l.Replaces != "" && u.bears(l.Replaces, now)
	switch {
	case live && u.bears(l.Name, now):
		m.join(u, next, held, now)
		return Admitted, false
	case l.Policy == OldestLogin:
		if held && !refresh {
			return Occupied, false
		}
	case u.marks[l.Name] > now || l.Replaces != "" && u.marks[l.Replaces] > now:
		m.mark(u, l.Name, next.until, now)
		return Replaced, false
	case refresh: // a token with one of the names is the same login
	case held && (next.issued < u.current.issued || next.until <= now):
		m.mark(u, l.Name, next.until, now) // so that it stays out when that login has ended
		return Replaced, false
	case held:
		m.markCurrent(u, now)
		replaces = true
	}
	if refresh {
		m.join(u, next, held, now)
	} else {
		m.names -= len(u.names)
		u.current, u.names = next, nil
	}
	return Admitted, replaces
}

// join makes next one of the tokens of the current login.
func (m *MemoryStore) join(u *logins, next login, held bool, now int64) {
	c := &u.current
	if next.until > now && (u.names != nil || next.name != c.name) {
		m.names -= len(u.names)
		if u.names == nil {
			u.names = map[string]int64{c.name: c.until}
		}
		u.names[next.name] = max(u.names[next.name], next.until)
		m.names += len(u.names)
	}
	if !held || next.issued >= c.issued {
		c.id, c.issued = next.id, next.issued
	}
	c.until = max(c.until, next.until)
}

// revoked reports whether a token of subject is revoked.
func (m *MemoryStore) revoked(subject string, l login, now int64) bool {
	if m.ids[l.id] > now {
		return true
	}
	cut, ok := m.subjects[subject]
	return ok && cut.until > now && l.issued < cut.before
}

// mark remembers that the login called name was replaced.
func (m *MemoryStore) mark(u *logins, name string, until, now int64) {
	if until <= now || until <= u.marks[name] {
		return
	}
	if u.marks == nil {
		u.marks = make(map[string]int64)
	}
	m.names -= len(u.marks)
	u.marks[name] = until
	m.names += len(u.marks)
}

// markCurrent remembers that the current login was replaced, under all its names.
func (m *MemoryStore) markCurrent(u *logins, now int64) {
	if u.names == nil {
		m.mark(u, u.current.name, u.current.until, now)
	}
	for name, until := range u.names {
		m.mark(u, name, until, now)
	}
}

// issued returns the time of issue. A token without one counts as older than all others.
func issued(t time.Time) int64 {
	if t.IsZero() {
		return math.MinInt64
	}
	return millis.Of(t)
}
