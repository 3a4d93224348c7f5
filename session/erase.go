package session

import (
	"context"
	"log/slog"
	"time"

	"github.com/sioware/sioware/internal/alarm"
)

// Bounds on what is erased in the background.
const (
	maxErasures = 1 << 14
	eraseFor    = time.Hour
	maxPause    = time.Minute
)

// lead is what leads to a session.
type lead struct{ host, cookie string }

// write is when a session was saved, and what leads to it.
type write struct {
	lead lead
	at   time.Time
}

// erasure removes from the store a session that has ended: one that may have been saved
// once more, or that the store would not remove. It tries until it is done, or an hour
// has passed; meanwhile nobody on this node gets the session.
type erasure struct {
	m     *Manager
	key   string // "" until the store has said whose cookie it is
	lead  lead
	alarm alarm.Alarm
	until time.Time
	pause time.Duration
}

// eraseSoon has a session removed in the background. key is "" if it is not known.
func (m *Manager) eraseSoon(key string, lead lead) {
	if !m.mayErase() {
		m.opts.Logger.Warn("session: an ended session may still be in the store")
		return
	}
	e := &erasure{m: m, key: key, lead: lead, until: time.Now().Add(eraseFor), pause: time.Second}
	e.alarm.Run = e.run
	m.clock.Set(&e.alarm, time.Now())
}

// mayErase takes one of the places for erasures, if there is one.
func (m *Manager) mayErase() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.erasures >= maxErasures {
		return false
	}
	m.erasures++
	return true
}

func (e *erasure) run() {
	m, ctx := e.m, context.Background() // each call of the store has its timeout
	err := e.erase(ctx)
	failed, now := err != nil && !isGone(err), time.Now()
	over := !failed || now.After(e.until)
	if failed && over {
		m.opts.Logger.LogAttrs(ctx, slog.LevelError, "session: an ended session is still in the store", slog.Any("error", err))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if over {
		m.erasures--
		return
	}
	if e.key != "" {
		until, _ := m.ended.get(e.key, now)
		m.ended.add(e.key, until, now)
	}
	m.clock.Set(&e.alarm, now.Add(e.pause))
	e.pause = min(2*e.pause, maxPause/2) // shorter than ended remembers
}

func (e *erasure) erase(ctx context.Context) error {
	if e.key == "" {
		st, err := e.m.load(ctx, &work{m: e.m}, e.lead.host, e.lead.cookie)
		if err != nil {
			return err
		}
		e.key = st.key
		e.m.end(e.key, false)
		e.m.notifyNodes(ctx, e.key, false)
		e.m.putOut(e.key, nil)
	}
	wait, cancel := context.WithTimeout(ctx, e.m.opts.Timeout)
	defer cancel()
	w, err := e.m.begin(wait, e.key)
	if err != nil {
		return err
	}
	defer w.end()
	st, err := e.m.load(ctx, w, e.lead.host, e.lead.cookie)
	if err != nil {
		return err
	}
	_, err = e.m.erase(ctx, w, e.lead.host, st)
	return err
}
