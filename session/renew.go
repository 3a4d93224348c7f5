package session

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Bounds on the tickets of [Session.Renew].
const (
	ticketLife = 30 * time.Second
	maxTickets = 1 << 14
	maxTicket  = 256 // bytes in the body of a claim
)

var (
	errTickets = errors.New("too many unclaimed tickets")
	errTicket  = errors.New("the ticket is unknown, expired, or for another session")
	errLogout  = errors.New("the session was ended while it was given a new ID")
)

// Renew gives the session of r a new ID, and the browser its cookie. Call it whenever
// somebody signs in or gets other rights: anyone who planted the old ID in the browser
// (session fixation) then holds a session that has ended. change, which may be nil, gets
// the values and turns them into those of the new session; the old one never has them.
//
// Sockets of the old session are disconnected on all nodes, with code session_expired and
// retryAfterMs: the planter's may be among them. Those of the browser come back with the
// new cookie. A handshake with the old cookie gets the same, as a 401, for 5 seconds and
// whatever Options.Missing says: a session created for it would replace the new one in
// the browser. After that, it counts as one for a session that has ended.
//
// Without a session, or with one that has ended, r gets a new one. So it does if the old
// one has just been renewed, as after a second click; what the old one held is then in the
// first new session alone. If another node renews it while Renew runs, change is called a
// second time, with no values. A logout that comes meanwhile wins.
//
// Renew must be called before a body is written. Its errors are those of [Session.Update];
// after an error, nothing has changed. [Manager.FromContext] of r still returns the old
// session.
func (m *Manager) Renew(ctx context.Context, w http.ResponseWriter, r *http.Request, change func(values map[any]any) error) error {
	var theirs error // the error of change: whatever it says is not about the session of r
	if own := change; own != nil {
		change = func(values map[any]any) error {
			theirs = own(values)
			return theirs
		}
	}
	st, err := m.lookUp(ctx, r)
	var cookies []string
	if err == nil {
		cookies, err = m.renew(ctx, m.newSession(r.Host, st), change)
	}
	if theirs == nil && (isGone(err) || errors.Is(err, ErrMissing)) && !errors.Is(err, errLogout) {
		cookies, err = m.renewNone(ctx, r.Host, change)
	}
	if err != nil {
		return err
	}
	for _, c := range cookies {
		w.Header().Add("Set-Cookie", c)
	}
	return nil
}

// lookUp loads the session of r.
func (m *Manager) lookUp(ctx context.Context, r *http.Request) (*stored, error) {
	cookie := m.cookieOf(r)
	if cookie == "" {
		return nil, refusal(ErrMissing, nil)
	}
	return m.load(ctx, &work{m: m}, r.Host, cookie)
}

// renew replaces old with a new session.
func (m *Manager) renew(ctx context.Context, old *Session, change func(map[any]any) error) ([]string, error) {
	w, err := m.begin(ctx, old.key)
	if err != nil {
		return nil, err
	}
	replaced := false
	defer func() {
		w.end()
		if !old.isGone() {
			return
		}
		out := make(chan struct{})
		go func() {
			defer close(out)
			m.putOut(old.key, nil)
		}()
		if replaced {
			m.notifyNodes(ctx, old.key, true) // neither waits for the other
		}
		<-out
	}()
	if err := m.alive(old.key); err != nil {
		return nil, err
	}
	st, err := old.load(ctx, w)
	if err != nil {
		return nil, err
	}
	values := maps.Clone(st.values)
	if change != nil {
		if err := change(values); err != nil {
			return nil, err
		}
	}
	cookies, err := m.replace(ctx, w, old.host, st, values)
	replaced = err == nil
	return cookies, err
}

// renewNone creates a session where there is none.
func (m *Manager) renewNone(ctx context.Context, host string, change func(map[any]any) error) ([]string, error) {
	values := make(map[any]any)
	if change != nil {
		if err := change(values); err != nil {
			return nil, err
		}
	}
	_, cookies, err := m.create(ctx, host, values)
	return cookies, err
}

// replace creates a session with values, and ends st.
func (m *Manager) replace(ctx context.Context, w *work, host string, st *stored, values map[any]any) ([]string, error) {
	fresh, cookies, err := m.create(ctx, host, values)
	if err != nil {
		return nil, err
	}
	_, err = m.erase(ctx, w, host, st)
	if err != nil && !w.lost {
		// It may be erased, and the answer lost. The browser must have one of the two.
		if _, gone := m.load(ctx, w, host, st.cookie); isGone(gone) {
			err = nil
		}
	}
	if err != nil && w.lost {
		// Nobody knows whether it will be erased.
		m.warn(ctx, "the old ID of a renewed session may stay in the store for a while", err)
		m.eraseSoon(st.key, lead{host, st.cookie})
	} else if err != nil {
		// There are two sessions, one of which somebody may have planted: neither
		// may have what change has made.
		m.discard(ctx, host, fresh)
		return nil, err
	}
	if err := m.rename(st.key); err != nil {
		m.discard(ctx, host, fresh)
		if renewed(err) {
			return nil, err // by another node, which counts as the first
		}
		return nil, refusal(ErrGone, errLogout)
	}
	return cookies, nil
}

// discard removes a session whose cookie nobody has.
func (m *Manager) discard(ctx context.Context, host string, st *stored) {
	if _, err := m.erase(context.WithoutCancel(ctx), &work{m: m}, host, st); err != nil {
		m.warn(ctx, "a session that nobody has the cookie of is left in the store", err)
	}
}

// Renew does from a socket what [Manager.Renew] does, as far as a socket can: it returns
// a ticket, valid once and for 30 seconds. The client hands it to [Manager.Claim], which
// changes the session and gives the browser its new cookie; see there. change runs then,
// on what the session holds by then. A second call voids the first ticket.
//
// It is also the way for a socket to write to a store that keeps sessions in cookies alone.
func (s *Session) Renew(change func(values map[any]any) error) (ticket string, err error) {
	if s == nil {
		return "", refusal(ErrMissing, nil)
	}
	if s.isGone() {
		return "", refusal(ErrGone, nil)
	}
	return s.m.tickets.issue(s.key, change, time.Now())
}

// Claim is the HTTP handler that takes the tickets of [Session.Renew]:
//
//	http.HandleFunc("POST /session", sess.Claim)
//
// A page sends the ticket as the body of a POST, with its cookies; the answer is 204
// with the new cookie. Sockets of the old session, its own among them, then get
// "kicked" with code session_expired and retryAfterMs, and connect again with the new
// one:
//
//	const ticket = await socket.emitWithAck("login", password);
//	await fetch("/session", { method: "POST", body: ticket });
//
// Only the browser that has the session can claim its ticket, at the node that issued
// it. Another session gets 403 with code forbidden, and a page of another origin 403
// with origin_denied. Without the cookie of a session the answer is 401 with code
// session_missing, and with that of one that has ended session_expired.
func (m *Manager) Claim(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	if err := m.claim(w, r); err != nil {
		asError(err).ServeHTTP(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

func (m *Manager) claim(w http.ResponseWriter, r *http.Request) error {
	if err := m.origins.Check(r); err != nil {
		return refusal(ErrOrigin, err)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxTicket))
	if err != nil {
		return refusal(ErrForbidden, err)
	}
	st, err := m.lookUp(r.Context(), r)
	if err != nil {
		return err
	}
	change, ok := m.tickets.claim(strings.TrimSpace(string(body)), st.key, time.Now())
	if !ok {
		return refusal(ErrForbidden, errTicket)
	}
	cookies, err := m.renew(r.Context(), m.newSession(r.Host, st), change)
	if err != nil {
		return err
	}
	for _, c := range cookies {
		w.Header().Add("Set-Cookie", c)
	}
	return nil
}

// tickets holds those that nobody has claimed yet, at most one per session.
type tickets struct {
	mu    sync.Mutex
	all   map[string]ticket // by session
	swept time.Time         // when expired tickets were last removed
}

// ticket is kept as a hash, which can be compared without regard to timing.
type ticket struct {
	hash   [sha256.Size]byte
	change func(values map[any]any) error
	until  time.Time
}

func (t *tickets) issue(key string, change func(map[any]any) error, now time.Time) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = make(map[string]ticket)
	}
	if now.Sub(t.swept) > ticketLife {
		maps.DeleteFunc(t.all, func(_ string, old ticket) bool { return now.After(old.until) })
		t.swept = now
	}
	if _, ok := t.all[key]; !ok && len(t.all) >= maxTickets {
		return "", refusal(ErrUnavailable, errTickets)
	}
	text := newID()
	t.all[key] = ticket{sha256.Sum256([]byte(text)), change, now.Add(ticketLife)}
	return text, nil
}

// claim returns the change that the ticket is for. A wrong ticket does not void
// the right one.
func (t *tickets) claim(text, key string, now time.Time) (change func(map[any]any) error, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	got, ok := t.all[key]
	if !ok || got.hash != sha256.Sum256([]byte(text)) || now.After(got.until) {
		return nil, false
	}
	delete(t.all, key)
	return got.change, true
}
