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
	"github.com/sioware/sioware/internal/panics"
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
	// recheckAfter is when a store that could not answer is asked again.
	recheckAfter = 5 * time.Second
)

// session is what this package keeps for a socket. It must not refer to the socket.
type session[C any] struct {
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

func newSession[C any](a *Auth[C], s *socket.Socket, id *Identity[C]) *session[C] {
	n := &session[C]{auth: a, socket: weak.Make(s), user: id}
	n.alarm.Run, n.check.Run = n.ring, n.recheck
	n.identity.Store(id)
	return n
}

// start arms the alarm for the current identity.
func (n *session[C]) start() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.plan(time.Now())
	n.arm(time.Now())
}

// end is called when the socket has gone.
func (n *session[C]) end() {
	n.mu.Lock()
	n.ended = true
	id := n.user
	n.auth.clock.Stop(&n.alarm)
	n.auth.chores.Stop(&n.check)
	n.mu.Unlock()
	n.auth.index.remove(n, id)
}

// plan sets the times for the current identity. n.mu is held.
func (n *session[C]) plan(now time.Time) {
	n.warnAt, n.endAt = time.Time{}, time.Time{}
	exp := n.user.ExpiresAt
	if exp.IsZero() {
		return
	}
	n.endAt = exp.Add(n.auth.opts.Leeway + rand.N(maxJitter))
	lead := min(n.auth.opts.Warning, exp.Sub(now)/2)
	if spread := lead / 2; spread > 0 {
		n.warnAt = exp.Add(-lead + rand.N(spread))
	}
}

// arm sets the alarm for what comes next. n.mu is held.
func (n *session[C]) arm(now time.Time) {
	next := n.endAt
	switch {
	case n.ended:
		return
	case n.verdict != nil:
		next = now
	case !n.warnAt.IsZero():
		next = n.warnAt // before the end
	}
	if !next.IsZero() {
		n.auth.clock.Set(&n.alarm, next)
	}
}

// due reports whether at has come.
func due(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// ring does what is due. It runs on one of the clock's workers.
func (n *session[C]) ring() {
	now := time.Now()
	s := n.socket.Value()
	n.mu.Lock()
	id := n.identity.Load()
	switch {
	case s == nil || n.ended:
		n.mu.Unlock()
	case n.verdict != nil:
		verdict := n.verdict
		n.mu.Unlock()
		wrap.Kick(s, verdict)
	case !s.Connected():
		n.auth.clock.Set(&n.alarm, now.Add(connecting))
		n.mu.Unlock()
	case due(n.endAt, now):
		n.expire(s, id) // unlocks
	case due(n.warnAt, now):
		n.warnAt = time.Time{}
		n.arm(now)
		n.mu.Unlock()
		ttl := max(0, id.ExpiresAt.Sub(now).Milliseconds())
		wire.Emit(s, "auth:expiring", map[string]any{"ttlMs": ttl})
	default:
		n.arm(now)
		n.mu.Unlock()
	}
}

// expire acts at exp. n.mu is held, and released here.
func (n *session[C]) expire(s *socket.Socket, id *Identity[C]) {
	e := refusal(ErrExpired, nil)
	policy := n.auth.opts.OnExpiry
	if policy == Downgrade && len(n.rules) > 0 {
		policy = Disconnect // a guest could not have joined
	}
	n.warnAt, n.endAt = time.Time{}, time.Time{}
	switch policy {
	case Disconnect:
		n.verdict = e // a refresh comes too late
	case Downgrade:
		n.identity.Store(nil)
		n.changed(id, nil)
	}
	n.mu.Unlock()
	if policy == Disconnect {
		wrap.Kick(s, e)
		return
	}
	wire.Emit(s, "auth:expired", e.ClientData())
}

// condemn has the socket disconnected, from whatever goroutine, if e is still about its
// identity: a refresh that was granted holds.
func (n *session[C]) condemn(e *wrap.Error, about func(*Identity[C]) bool) (still bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !about(n.identity.Load()) {
		return false
	}
	if n.verdict == nil {
		n.verdict = e
	}
	n.arm(time.Now())
	return true
}

// doubt has the store asked about the socket again after the given time.
func (n *session[C]) doubt(after time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at := time.Now().Add(after)
	if n.ended || !n.checkAt.IsZero() && n.checkAt.Before(at) {
		return
	}
	n.checkAt = at
	n.auth.chores.Set(&n.check, at)
}

// recheck asks the store about the socket. A store that cannot answer
// disconnects nobody; it is asked again.
func (n *session[C]) recheck() {
	n.mu.Lock()
	n.checkAt = time.Time{}
	n.mu.Unlock()
	id := n.identity.Load()
	if id == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	err := error(refusal(ErrUnavailable, nil))
	n.auth.guard("Store", func() { err = n.auth.admit(ctx, id, "") })
	switch {
	case err == nil:
	case errors.Is(err, ErrUnavailable):
		n.doubt(recheckAfter + rand.N(recheckAfter))
	case !n.condemn(asError(err), func(now *Identity[C]) bool { return now == id }):
		n.doubt(0) // refreshed meanwhile
	}
}

// changed has the application notified of one change after the other; those that
// pile up become one. n.mu is held.
func (n *session[C]) changed(before, after *Identity[C]) {
	switch {
	case n.auth.opts.Changed == nil:
	case n.news != nil:
		n.news.after = after
	default:
		n.news = &news[C]{before: before, after: after}
		n.news.alarm.Run = n.tell
		if !n.telling {
			n.auth.chores.Set(&n.news.alarm, time.Now())
		}
	}
}

// tell calls Options.Changed for the pending changes.
func (n *session[C]) tell() {
	for {
		n.mu.Lock()
		next := n.news
		n.news, n.telling = nil, next != nil
		n.mu.Unlock()
		s := n.socket.Value()
		if next == nil || s == nil {
			return
		}
		n.auth.guard("Changed", func() { n.auth.opts.Changed(s, next.before, next.after) })
	}
}

// guard runs code of the application, and logs its panics.
func (a *Auth[C]) guard(what string, f func()) {
	defer func() {
		if p := recover(); p != nil {
			a.opts.Logger.Error("jwtauth: panic in "+what, panics.Attr(p))
		}
	}()
	f()
}
