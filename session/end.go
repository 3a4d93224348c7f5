package session

import (
	"slices"
	"time"

	"github.com/sioware/sioware/internal/deadline"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// For a session that has a new ID.
const (
	// comeBack is how long its clients are to wait before they connect again: by
	// then the browser has the cookie.
	comeBack = time.Second
	// handOver is for how long a client with the old cookie is told to come back. It must
	// not be given a new session meanwhile, whose cookie would overwrite the new one.
	handOver = 5 * time.Second
)

// alive returns an error if the session with this key has ended lately.
func (m *Manager) alive(key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.aliveLocked(key)
}

// aliveLocked is alive with m.mu held.
func (m *Manager) aliveLocked(key string) error {
	if _, ended := m.ended.get(key, time.Now()); !ended {
		return nil
	}
	gone := refusal(ErrGone, nil)
	gone.RetryAfter = m.retryLocked(key)
	return gone
}

// retryLocked returns how long clients of a session that has ended must wait before they
// come back, or 0 for never. m.mu is held.
func (m *Manager) retryLocked(key string) time.Duration {
	now := time.Now()
	if until, _ := m.ended.get(key, now); now.Before(until) {
		return comeBack
	}
	return 0
}

// end records that a session has ended: from here on nobody joins it, and no change to
// it is kept. renewed is whether it has a new ID.
func (m *Manager) end(key string, renewed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var until time.Time
	now := time.Now()
	if renewed {
		until = now.Add(handOver)
	}
	m.ended.add(key, until, now)
}

// rename records that a session has a new ID, unless it has ended meanwhile.
func (m *Manager) rename(key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.aliveLocked(key); err != nil {
		return err
	}
	now := time.Now()
	m.ended.add(key, now.Add(handOver), now)
	return nil
}

// retireLocked ends the Sessions with this key or, for a store that keeps sessions in
// cookies, the Session of one cookie, if only is not nil. It returns those that have
// sockets. m.mu is held.
func (m *Manager) retireLocked(key string, only *Session) (retired []*Session) {
	for _, s := range slices.Clone(m.live.byKey[key]) {
		if only != nil && only.readOnly && s.shown != only.shown {
			continue
		}
		m.live.remove(s)
		m.clock.Stop(&s.alarm)
		s.mu.Lock()
		s.gone = true
		s.mu.Unlock()
		retired = append(retired, s)
	}
	return retired
}

// retire ends the Sessions that retireLocked does. It returns their sockets, and when the
// clients of these may come back.
func (m *Manager) retire(key string, only *Session) (sockets []*socket.Socket, retry time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.retireLocked(key, only) {
		sockets = append(sockets, s.clear()...)
	}
	return sockets, m.retryLocked(key)
}

// putOut disconnects the sockets of a session that has ended, and returns how many. The
// session's lock must not be held: listeners of "disconnect" may want to use the session.
func (m *Manager) putOut(key string, only *Session) int {
	sockets, retry := m.retire(key, only)
	m.kick(sockets, retry)
	return len(sockets)
}

// kick disconnects sockets, whose clients may come back after retry, or never if it is
// 0. It waits for their listeners of "disconnect", but not for one that hangs: neither
// the other sockets nor a logout may wait for it.
func (m *Manager) kick(sockets []*socket.Socket, retry time.Duration) {
	deadline.Each(sockets, m.opts.Timeout, func(so *socket.Socket) {
		e := refusal(ErrGone, nil)
		e.RetryAfter = retry
		wrap.Kick(so, e)
	})
}
