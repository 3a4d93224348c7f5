package session

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/internal/alarm"
	"github.com/zishang520/socket.io/v2/socket"
)

// farewell is how long after the end of a session its sockets are put out, if it is an
// event of theirs by which the end was noticed.
const farewell = 50 * time.Millisecond

var errOther = errors.New("the cookie leads to another session")

// Session is a session of the store. The sockets of one session on one node share a
// Session; it is safe for concurrent use. [Manager.From] and [Manager.FromContext]
// return it. A nil *Session is what a socket has that was let in without one: it holds
// nothing, and all that would change it returns [ErrMissing].
type Session struct {
	m    *Manager
	key  string
	room socket.Room
	host string        // of requests that lead to it
	life time.Duration // how long it lives if nobody uses it; 0 if that is not for us to prolong

	values   atomic.Pointer[snapshot]
	readOnly bool
	active   atomic.Bool // a client has sent something since the store was told
	alarm    alarm.Alarm // for the next look at the store
	shown    string      // the cookie that a browser has; the Manager's lock guards it
	seats    []*seat     // of its sockets; likewise

	mu      sync.Mutex
	cookie  string    // leads to it
	led     time.Time // when that was found out
	gone    bool
	leaving []*socket.Socket // those that are to be put out; the Manager's lock guards it
}

// snapshot is what the store held. It does not change.
type snapshot struct {
	values map[any]any
	began  time.Time // when its loading began, or it had been saved
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

// attach makes so a socket of the session that v has found. st is what the store holds
// of it; without, it returns nil unless the session has sockets, which means that the
// store has been asked lately.
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

// detach forgets a socket, whose context has ended.
func (m *Manager) detach(s *Session, p *seat) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.at < 0 {
		return // it was put out
	}
	if s.leave(p); len(s.seats) == 0 {
		m.live.remove(s)
		m.clock.Stop(&s.alarm)
	}
}

// learn takes over what is newer in st.
func (s *Session) learn(st *stored) {
	s.mu.Lock()
	if !st.began.Before(s.led) {
		s.cookie, s.led = st.cookie, st.began
	}
	s.mu.Unlock()
	for {
		old := s.values.Load()
		if old.began.After(st.began) || s.values.CompareAndSwap(old, &snapshot{st.values, st.began}) {
			return
		}
	}
}

// publish is learn for s and for the Session that sockets share, if it is another.
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

// Room is the room that the sockets of the session are in, on all nodes and in all
// namespaces, to emit to all windows of a browser. Its name is made from the session's
// ID and does not tell it.
func (s *Session) Room() socket.Room {
	if s == nil {
		return ""
	}
	return s.room
}

// Get returns the value of key as of the last look at the store: by an [Session.Update]
// or [Session.Reload] on this node, or the regular one (Options.Check). It takes no
// lock. Do not change what it points to.
func (s *Session) Get(key any) (any, bool) {
	if s == nil {
		return nil, false
	}
	v, ok := s.values.Load().values[key]
	return v, ok
}

// Reload looks at the store now. Of calls that come while one is under way, one more
// is made for all.
//
// It returns [ErrGone] if the session has ended, whose sockets are put out then, and
// [ErrUnavailable] if the store does not answer, as a middleware can return them.
func (s *Session) Reload(ctx context.Context) error {
	if s == nil {
		return refusal(ErrMissing, nil)
	}
	called := time.Now()
	w, err := s.m.begin(ctx, s.key)
	if err != nil {
		return err
	}
	if s.isGone() {
		w.end()
		return refusal(ErrGone, nil)
	}
	if !s.values.Load().began.Before(called) {
		w.end()
		return nil // somebody has looked while we waited
	}
	_, err = s.fetch(ctx, w)
	w.end()
	return s.settle(err)
}

// Update changes the session: change gets its values as the store has them now, and
// what it makes of them is saved, unless it returns an error, which Update returns.
// Nobody else changes the session on this node meanwhile, so that no change is lost; a
// change must not work with the same session in another way, by Reload or Destroy say. If it has
// changed nothing, nothing is saved, as far as that can be told: of a value with pointers
// it cannot. Keep values that are plain or that gob knows.
//
// Other nodes, and HTTP handlers that save the session by themselves, do not wait: of
// two that save at one moment the later one wins, as with any gorilla store. Let such
// handlers use [Manager.FromContext].
//
// It returns [ErrGone] if the session has ended, and does not bring it back. (One that
// another node ends at the very moment is erased again when that node has told this one,
// which takes an adapter for clusters.) It returns [ErrUnavailable] if the store does not
// answer, when it may have saved or not; and [ErrReadOnlyStore] for a store that keeps
// sessions in cookies alone, whose browser nothing can reach any more: use
// [Session.Renew]. ctx bounds how long it waits for others; a call of the store takes
// Options.Timeout at most, and there are two.
func (s *Session) Update(ctx context.Context, change func(values map[any]any) error) error {
	if s == nil {
		return refusal(ErrMissing, nil)
	}
	if s.readOnly {
		return refusal(ErrReadOnlyStore, nil)
	}
	w, err := s.m.begin(ctx, s.key)
	if err != nil {
		return err
	}
	err = func() error {
		defer w.end() // change may panic
		return s.update(ctx, w, change)
	}()
	return s.settle(err)
}

// update is Update under the lock.
func (s *Session) update(ctx context.Context, w *work, change func(values map[any]any) error) error {
	if s.isGone() {
		return refusal(ErrGone, nil)
	}
	st, err := s.load(ctx, w)
	if err != nil {
		return err
	}
	values, before := maps.Clone(st.values), freeze(st.values)
	if before != nil { // else change may reach into what the values point to
		seen := *st
		seen.values = before
		s.publish(&seen)
	}
	if err := change(values); err != nil {
		return err
	}
	delete(values, valueSaved)
	delete(values, valueGiven)
	delete(values, valueID)
	if before != nil && reflect.DeepEqual(before, values) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return refusal(ErrUnavailable, err)
	}
	_, err = s.store(ctx, w, st, values)
	return err
}

// load loads the session anew.
func (s *Session) load(ctx context.Context, w *work) (*stored, error) {
	st, err := s.m.load(ctx, w, s.host, s.getCookie())
	if err == nil && st.key != s.key {
		return nil, refusal(ErrGone, errOther)
	}
	return st, err
}

// fetch loads the session anew, and publishes what it is.
func (s *Session) fetch(ctx context.Context, w *work) (*stored, error) {
	st, err := s.load(ctx, w)
	if err == nil {
		s.publish(st)
	}
	return st, err
}

// store saves values, and publishes them.
func (s *Session) store(ctx context.Context, w *work, st *stored, values map[any]any) ([]string, error) {
	lead, id := lead{s.host, st.cookie}, st.ID
	w.late = func() { s.m.saved(s.key, lead) }
	cookies, err := s.m.save(ctx, w, s.host, st, values)
	if err != nil {
		return nil, err
	}
	w.late = nil
	st.began = time.Now() // who has looked during the save may have seen what was before
	s.m.wrote(s.key, lead, st.began)
	if s.isGone() || st.ID != id {
		// Another node, or a page, has ended it while we saved, and so have brought it
		// back: some stores make a new one then, which nobody would look for.
		ctx := context.WithoutCancel(ctx)
		if _, err := s.m.erase(ctx, w, s.host, st); err != nil {
			s.m.warn(ctx, "a session that has ended is in the store again", err)
		}
		return nil, refusal(ErrGone, nil)
	}
	s.publish(st)
	return cookies, nil
}

// settle has the sockets put out if err says that the session has ended, and returns
// err. Not at once: an event that is refused with err gets its ack first.
func (s *Session) settle(err error) error {
	m := s.m
	switch {
	case !isGone(err):
	case m.closed.Load():
		m.putOut(s.key, s)
	default:
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, gone := range m.retireLocked(s.key, s) {
			gone.leaving = gone.clear()
			m.clock.Set(&gone.alarm, time.Now().Add(farewell))
		}
	}
	return err
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
