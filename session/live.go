package session

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/internal/alarm"
	"github.com/zishang520/socket.io/v2/socket"
)

// farewell is how long after Reload or Update has noticed the end of a session its sockets
// are disconnected: an event of theirs may have to get its ack first.
const farewell = 50 * time.Millisecond

// Session is a session of the store. The sockets of one session on one node share a
// Session; it is safe for concurrent use. [Manager.From] and [Manager.FromContext]
// return it. A socket that was let in without a session has a nil *Session: it holds
// nothing, and all that would change it returns [ErrMissing].
type Session struct {
	m    *Manager
	key  string
	room socket.Room
	host string        // Host of requests for it
	life time.Duration // how long it lives if nobody uses it; 0 if it is not for us to prolong

	values   atomic.Pointer[snapshot]
	readOnly bool
	active   atomic.Bool      // a client has sent something since it was last prolonged
	alarm    alarm.Alarm      // for the next check
	shown    string           // the cookie that a browser has; the Manager's lock guards it
	seats    []*seat          // of its sockets; guarded likewise
	leaving  []*socket.Socket // sockets to be disconnected; guarded likewise

	mu     sync.Mutex
	cookie string    // that leads to it
	led    time.Time // as of when
	gone   bool
}

// snapshot is what the store held. It is immutable.
type snapshot struct {
	values map[any]any
	began  time.Time // when loading it began, or saving it ended
}

func (m *Manager) newSession(host string, st *stored) *Session {
	s := &Session{
		m: m, key: st.key, room: socket.Room(st.key), host: host, readOnly: st.readOnly,
		cookie: st.cookie, shown: st.cookie, led: st.began,
	}
	s.values.Store(&snapshot{st.values, st.began})
	if st.Session != nil {
		s.life = m.life(st)
	}
	s.alarm.Run = s.check
	return s
}

// attach makes so a socket of the session that v found. st is what the store holds for
// it; if st is nil, attach returns nil unless the session has sockets, which means
// that the store has been asked lately.
func (m *Manager) attach(so *socket.Socket, v *visit, st *stored) (*Session, *seat, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := v.key
	if st != nil {
		key = st.key
	}
	if err := m.aliveLocked(key); err != nil {
		return nil, nil, err
	}
	s := m.live.find(key, v.cookie)
	switch {
	case s == nil && st == nil:
		return nil, nil, nil
	case s == nil:
		s = m.newSession(v.host, st)
		m.live.add(s)
		m.clock.Set(&s.alarm, s.nextCheck())
	case st != nil:
		s.learn(st)
	}
	m.live.show(s, v.cookie)
	return s, s.take(so), nil
}

// detach removes a socket whose context has ended.
func (m *Manager) detach(s *Session, p *seat) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.at < 0 {
		return // it was disconnected by us
	}
	if s.leave(p); len(s.seats) == 0 {
		m.live.remove(s)
		m.clock.Stop(&s.alarm)
	}
}

// learn takes over cookie and values of st if they are newer.
func (s *Session) learn(st *stored) {
	s.mu.Lock()
	if !st.began.Before(s.led) {
		s.cookie, s.led = st.cookie, st.began
	}
	s.mu.Unlock()
	s.see(st)
}

// see takes over the values of st if they are newer.
func (s *Session) see(st *stored) {
	for {
		old := s.values.Load()
		if old.began.After(st.began) || s.values.CompareAndSwap(old, &snapshot{st.values, st.began}) {
			return
		}
	}
}

// publish is learn for s, and for the Session that sockets share if that is another one.
func (s *Session) publish(st *stored) {
	s.learn(st)
	if s.readOnly {
		return // another cookie
	}
	s.m.mu.Lock()
	live := s.m.live.find(s.key, "")
	s.m.mu.Unlock()
	if live != nil && live != s {
		live.learn(st)
	}
}

// Room returns the room that the sockets of the session are in, on all nodes and in
// all namespaces, for emitting to all windows of a browser. Its name is made from the
// session's ID and does not reveal it.
func (s *Session) Room() socket.Room {
	if s == nil {
		return ""
	}
	return s.room
}

// Get returns the value of key as of the last look at the store: by an [Session.Update]
// or [Session.Reload] on this node, or by the regular check (Options.Check). It takes
// no lock. Do not change what the value points to.
func (s *Session) Get(key any) (any, bool) {
	if s == nil {
		return nil, false
	}
	v, ok := s.values.Load().values[key]
	return v, ok
}

func (s *Session) getCookie() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cookie
}

func (s *Session) isGone() bool {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone || s.m.ended.has(s.key, time.Now())
}
