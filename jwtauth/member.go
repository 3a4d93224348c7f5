package jwtauth

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/sioware/sioware/internal/alarm"
	"github.com/sioware/sioware/internal/wire"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

const (
	// maxJitter spreads what happens to many sockets with the same exp.
	maxJitter = 500 * time.Millisecond
	// connecting is how long the host may need to connect a socket that we have
	// admitted: nothing can be sent to it before that.
	connecting = 100 * time.Millisecond
	// recheckAfter is the least wait before a store that could not answer is asked again.
	recheckAfter = 5 * time.Second
)

// member is what this package keeps for a socket. It must not refer to the socket.
type member[C any] struct {
	auth     *Auth[C]
	socket   weak.Pointer[socket.Socket]
	identity atomic.Pointer[Identity[C]] // nil: a guest

	rules   []func(C) error // of Require; complete when the socket connects
	revoked atomic.Bool     // Revoke has counted it

	alarm alarm.Alarm // on the clock: what the token calls for
	check alarm.Alarm // on the chores: what the store calls for
	slots [2]int      // in the index, whose lock guards them

	mu      sync.Mutex
	user    *Identity[C] // the latest identity; it outlives a downgrade
	warnAt  time.Time    // zero if there is no warning to come
	endAt   time.Time    // zero if the identity does not expire
	verdict *wrap.Error  // what to disconnect the socket with
	checkAt time.Time    // when to ask the store, or zero
	ended   bool         // the socket has gone
	limit   throttle     // of refreshes
	news    *news[C]     // not yet told to Options.Changed
	telling bool
}

// news is a change of identity.
type news[C any] struct {
	before, after *Identity[C]
	alarm         alarm.Alarm // on the chores
}

func newMember[C any](a *Auth[C], s *socket.Socket, id *Identity[C]) *member[C] {
	m := &member[C]{auth: a, socket: weak.Make(s), user: id}
	m.alarm.Run, m.check.Run = m.ring, m.recheck
	m.identity.Store(id)
	return m
}

// start arms the alarm for the current identity.
func (m *member[C]) start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.plan(time.Now())
	m.arm(time.Now())
}

// end is called when the socket has gone.
func (m *member[C]) end() {
	m.mu.Lock()
	m.ended = true
	id := m.user
	m.auth.clock.Stop(&m.alarm)
	m.auth.chores.Stop(&m.check)
	m.mu.Unlock()
	m.auth.index.remove(m, id)
}

// plan sets the times for the current identity. m.mu is held.
func (m *member[C]) plan(now time.Time) {
	m.warnAt, m.endAt = time.Time{}, time.Time{}
	exp := m.user.ExpiresAt
	if exp.IsZero() {
		return
	}
	m.endAt = exp.Add(m.auth.opts.Leeway + rand.N(maxJitter))
	lead := min(m.auth.opts.Warning, exp.Sub(now)/2)
	if spread := lead / 2; spread > 0 {
		m.warnAt = exp.Add(-lead + rand.N(spread))
	}
}

// arm sets the alarm for what comes next. m.mu is held.
func (m *member[C]) arm(now time.Time) {
	next := m.endAt
	switch {
	case m.ended:
		return
	case m.verdict != nil:
		next = now
	case !m.warnAt.IsZero():
		next = m.warnAt // before the end
	}
	if !next.IsZero() {
		m.auth.clock.Set(&m.alarm, next)
	}
}

// ring does what is due. It runs on one of the clock's workers.
func (m *member[C]) ring() {
	if act := m.due(time.Now()); act != nil {
		act()
	}
}

// due changes the state as is due at now, and returns what is then to be done without the
// lock, or nil.
func (m *member[C]) due(now time.Time) (act func()) {
	s := m.socket.Value()
	m.mu.Lock()
	defer m.mu.Unlock()
	id := m.identity.Load()
	switch {
	case s == nil || m.ended:
		return nil
	case m.verdict != nil:
		verdict := m.verdict
		return func() { wrap.Kick(s, verdict) }
	case !s.Connected():
		m.auth.clock.Set(&m.alarm, now.Add(connecting))
		return nil
	case hasCome(m.endAt, now):
		return m.expire(s, id)
	case hasCome(m.warnAt, now):
		m.warnAt = time.Time{}
		m.arm(now)
		ttl := max(0, id.ExpiresAt.Sub(now).Milliseconds())
		return func() { wire.Emit(s, "auth:expiring", map[string]any{"ttlMs": ttl}) }
	}
	m.arm(now)
	return nil
}

// hasCome reports whether at is set and not after now.
func hasCome(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// expire changes the state as is due at exp, and returns what is then to be done without
// the lock. m.mu is held.
func (m *member[C]) expire(s *socket.Socket, id *Identity[C]) (act func()) {
	e := refusal(ErrExpired, nil)
	policy := m.auth.opts.OnExpiry
	if policy == Downgrade && len(m.rules) > 0 {
		policy = Disconnect // a guest could not have joined
	}
	m.warnAt, m.endAt = time.Time{}, time.Time{}
	switch policy {
	case Disconnect:
		m.verdict = e // a refresh comes too late
		return func() { wrap.Kick(s, e) }
	case Downgrade:
		m.identity.Store(nil)
		m.changed(id, nil)
	}
	return func() { wire.Emit(s, "auth:expired", e.ClientData()) }
}

// condemn has the socket disconnected with e, if about says that e still concerns its
// identity, and reports whether it does: a refresh that was granted meanwhile holds. It may
// be called on any goroutine.
func (m *member[C]) condemn(e *wrap.Error, about func(*Identity[C]) bool) (still bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !about(m.identity.Load()) {
		return false
	}
	if m.verdict == nil {
		m.verdict = e
	}
	m.arm(time.Now())
	return true
}

// doubt has the store asked about the socket again after the given time.
func (m *member[C]) doubt(after time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := time.Now().Add(after)
	if m.ended || !m.checkAt.IsZero() && m.checkAt.Before(at) {
		return
	}
	m.checkAt = at
	m.auth.chores.Set(&m.check, at)
}

// recheck asks the store about the socket. A store that cannot answer
// disconnects nobody; it is asked again.
func (m *member[C]) recheck() {
	m.mu.Lock()
	m.checkAt = time.Time{}
	m.mu.Unlock()
	id := m.identity.Load()
	if id == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	err := error(refusal(ErrUnavailable, nil))
	guard(m.auth.opts.Logger, "Store", func() { err = m.auth.admit(ctx, id, "") })
	switch {
	case err == nil:
	case errors.Is(err, ErrUnavailable):
		m.doubt(recheckAfter + rand.N(recheckAfter))
	case !m.condemn(asError(err), func(now *Identity[C]) bool { return now == id }):
		m.doubt(0) // refreshed meanwhile
	}
}

// changed has the application notified of one change after the other; those that
// pile up become one. m.mu is held.
func (m *member[C]) changed(before, after *Identity[C]) {
	switch {
	case m.auth.opts.Changed == nil:
	case m.news != nil:
		m.news.after = after
	default:
		m.news = &news[C]{before: before, after: after}
		m.news.alarm.Run = m.tell
		if !m.telling {
			m.auth.chores.Set(&m.news.alarm, time.Now())
		}
	}
}

// tell calls Options.Changed for the pending changes.
func (m *member[C]) tell() {
	for {
		m.mu.Lock()
		next := m.news
		m.news, m.telling = nil, next != nil
		m.mu.Unlock()
		s := m.socket.Value()
		if next == nil || s == nil {
			return
		}
		guard(m.auth.opts.Logger, "Changed", func() { m.auth.opts.Changed(s, next.before, next.after) })
	}
}
