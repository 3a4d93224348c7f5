package session

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/internal/mark"
)

// freshFor is how long sockets may use what their handshake found.
const freshFor = 5 * time.Second

// visitKey is the context key of the visit of a Manager.
type visitKey struct{ m *Manager }

// visit is what Handler found for a request.
type visit struct {
	host, cookie, key string // the latter two empty if there is no session
	checked           bool   // the origin has been checked
	stored            atomic.Pointer[stored]
	session           atomic.Pointer[Session]
}

// fresh returns what the store held at the handshake, only once, since the connection
// keeps its visit as long as it lives; it returns nil if that is out of date.
func (m *Manager) fresh(v *visit) *stored {
	st := v.stored.Swap(nil)
	if st == nil || time.Since(st.began) >= freshFor {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if last, ok := m.written.get(st.key, time.Now()); ok && last.at.After(st.began) {
		return nil // saved since, by a page
	}
	return st
}

// Handler returns next behind the session of the request, as plain net/http middleware.
// Through wrap, on the handshake, it finds the session that [Manager.Middleware] attaches
// to sockets: it refuses pages of other origins, and creates a session where there is none
// (Options.Missing), whose cookie the client gets over long-polling and over WebSocket
// alike. On a route of your own [Manager.FromContext] returns the session; there none is
// created, except by [Manager.Renew], so that a crawler does not fill the store.
//
// A session that a client claims to have but that the store does not know counts as
// none: its ID is never used for a new one. A refused request is answered as *wrap.Error
// does it, which also logs why: 403 for its origin, 401 without a session, 503 if the
// store does not answer. If the client has left meanwhile, nothing is logged.
func (m *Manager) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connecting := mark.Connecting(r.Context())
		if v, ok := r.Context().Value(visitKey{m}).(*visit); ok && v.checked && connecting {
			next.ServeHTTP(w, r) // used twice: another session would replace the first in the browser
			return
		}
		v, cookies, err := m.visit(r, connecting)
		if err != nil && r.Context().Err() != nil {
			w.WriteHeader(http.StatusServiceUnavailable) // to nobody, and no fault to log
			return
		}
		if err != nil {
			asError(err).ServeHTTP(w, r)
			return
		}
		for _, c := range cookies {
			w.Header().Add("Set-Cookie", c)
		}
		if len(cookies) > 0 {
			w.Header().Add("Vary", "Cookie") // a page may have allowed shared caches to keep it
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitKey{m}, v)))
	})
}

// visit finds the session of r, or creates one for a client that is connecting, and
// returns the Set-Cookie headers for that.
func (m *Manager) visit(r *http.Request, connecting bool) (*visit, []string, error) {
	if connecting {
		if err := m.origins.Check(r); err != nil {
			return nil, nil, refusal(ErrOrigin, err)
		}
	}
	if m.closed.Load() {
		return nil, nil, refusal(ErrUnavailable, errClosed)
	}
	ctx := r.Context()
	v := &visit{host: r.Host, checked: connecting}
	st, cookies, err := m.open(ctx, r)
	switch {
	case err == nil:
	case connecting && renewed(err), !isGone(err) && !errors.Is(err, ErrMissing):
		return nil, nil, err
	case m.opts.Missing == Refuse:
		return nil, nil, err
	case m.opts.Missing == Admit || !connecting:
		return v, nil, nil
	default:
		if st, cookies, err = m.create(ctx, r.Host, nil); err != nil {
			return nil, nil, err
		}
	}
	v.cookie, v.key = st.cookie, st.key
	v.stored.Store(st)
	return v, cookies, nil
}

// open loads the session of r, and prolongs it if that is due.
func (m *Manager) open(ctx context.Context, r *http.Request) (*stored, []string, error) {
	cookie := m.cookieOf(r)
	if cookie == "" {
		return nil, nil, refusal(ErrMissing, nil)
	}
	st, err := m.load(ctx, &work{m: m}, r.Host, cookie)
	if err != nil {
		return nil, nil, err
	}
	if err := m.alive(st.key); err != nil {
		return nil, nil, err
	}
	// A session without our stamp is a page's, which may be about to save it.
	if !m.due(st, st.given) || st.saved.IsZero() {
		return st, nil, nil
	}
	fresh, cookies, err := m.touch(ctx, r.Host, st)
	switch {
	case isGone(err):
		return nil, nil, err
	case err != nil:
		if ctx.Err() == nil {
			m.warn(ctx, "session not prolonged", err)
		}
		return st, nil, nil
	}
	return fresh, cookies, nil
}

// touch prolongs a session, as it is by then, and its cookie: even if sockets have just
// prolonged the session, which does not reach the browser's cookie.
func (m *Manager) touch(ctx context.Context, host string, st *stored) (*stored, []string, error) {
	wait, cancel := context.WithTimeout(ctx, m.opts.Timeout)
	defer cancel()
	w, err := m.begin(wait, st.key)
	if err != nil {
		return nil, nil, err
	}
	defer w.end()
	if st, err = m.load(ctx, w, host, st.cookie); err != nil || !m.due(st, st.given) {
		return st, nil, err
	}
	s := m.newSession(host, st)
	if s.isGone() {
		return nil, nil, refusal(ErrGone, nil)
	}
	st.given = time.Now()
	cookies, err := s.store(ctx, w, st, st.values)
	return st, cookies, err
}

// due reports whether a session in use, or its cookie, is to be prolonged, which was
// last done at the given time. If that time is in the future, a clock was wrong: in a
// store that keeps time by itself, as Redis does, the session would end meanwhile.
func (m *Manager) due(st *stored, last time.Time) bool {
	life := m.life(st)
	return life > 0 && time.Since(last).Abs() >= life/4
}

// life returns how long a session lives if nobody uses it, or 0 if it is not for us
// to prolong.
func (m *Manager) life(st *stored) time.Duration {
	if m.opts.NoTouch || st.readOnly {
		return 0
	}
	return time.Duration(max(0, st.Options.MaxAge)) * time.Second
}

func (m *Manager) warn(ctx context.Context, what string, err error) {
	m.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "session: "+what, slog.Any("error", err))
}

// FromContext returns the session that [Manager.Handler] found for a request, and
// false if it has none. On a socket use [Manager.From].
func (m *Manager) FromContext(ctx context.Context) (*Session, bool) {
	v, ok := ctx.Value(visitKey{m}).(*visit)
	if !ok || v.key == "" {
		return nil, false
	}
	m.mu.Lock()
	live := m.live.find(v.key, v.cookie)
	m.mu.Unlock()
	st := v.stored.Load()
	if live != nil {
		if st != nil && !live.readOnly { // otherwise the values are those of another cookie
			live.see(st)
		}
		return live, true
	}
	if st != nil {
		v.session.CompareAndSwap(nil, m.newSession(v.host, st))
	}
	s := v.session.Load()
	return s, s != nil
}
