package session

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// nextCheck returns when to check a session next: give or take a tenth, so that the
// sessions of sockets that came together are not all checked at one moment.
func (s *Session) nextCheck() time.Time {
	d := s.m.opts.Check
	if s.life > 0 {
		d = min(d, s.life/4) // or it may end before it is prolonged
	}
	return time.Now().Add(d - d/10 + rand.N(d/5+1))
}

// check looks at the store: whether the session still exists, and what it holds. An
// outage of the store ends nothing.
func (s *Session) check() {
	s.m.mu.Lock()
	leaving, retry := s.leaving, s.m.retryLocked(s.key)
	s.leaving = nil
	s.m.mu.Unlock()
	if leaving != nil {
		s.m.kick(leaving, retry)
		return
	}
	ctx := context.Background() // each call of the store has its timeout
	err := s.refresh(ctx)
	if isGone(err) {
		s.m.putOut(s.key, s)
		return
	}
	if err != nil {
		s.m.outage(ctx, err)
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if len(s.seats) > 0 {
		s.m.clock.Set(&s.alarm, s.nextCheck())
	}
}

// outage logs that sessions cannot be checked: one record every 10 seconds at most, for
// all of them.
func (m *Manager) outage(ctx context.Context, err error) {
	const pause = 10 * time.Second
	n, now, last := m.faults.Add(1), time.Now().UnixNano(), m.warned.Load()
	if now-last < int64(pause) || !m.warned.CompareAndSwap(last, now) {
		return
	}
	m.faults.Add(-n)
	m.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "session: sessions cannot be checked", slog.Int64("times", n), slog.Any("error", err))
}

// refresh loads the session, and prolongs it if its clients have used it.
func (s *Session) refresh(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, s.m.opts.Timeout)
	defer cancel()
	w, err := s.m.begin(wait, s.key)
	if err != nil {
		return err
	}
	defer w.end()
	if s.isGone() {
		return refusal(ErrGone, nil)
	}
	st, err := s.fetch(ctx, w)
	if err != nil || !s.m.due(st, st.saved) || !s.active.Swap(false) {
		return err
	}
	if _, err = s.store(ctx, w, st, st.values); err != nil {
		s.active.Store(true) // for the next check
	}
	return err
}
