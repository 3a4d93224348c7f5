package session

import (
	"context"
	"net/http"

	"github.com/gorilla/sessions"
)

// Destroy logs the client of r out: its session is removed from the store, its cookie
// from the browser, and every socket of the session is disconnected, with code
// session_expired, on all nodes. To reach other nodes at once the servers need an
// adapter for clusters; otherwise they notice when they next look at the store
// (Options.Check). It returns how many sockets of this node it disconnected.
//
// Nothing that was under way can bring the session back, and its ID is never used
// again. A store that keeps sessions in cookies alone cannot forget one: whoever has
// copied the cookie can use it until it is too old, except for a minute or two on
// the nodes that were notified.
//
// It must be called before a body is written. Without a session it does nothing, and
// returns 0. With [ErrUnavailable] the store did not do its part: the cookie is removed
// even so, and Destroy goes on trying in the background for an hour. If it can tell whose
// cookie it is, the sockets are disconnected too, and nobody on this node gets the session
// meanwhile; if it cannot, because the session has no sockets here, that is done as soon as
// the store answers again.
//
// It waits for listeners of "disconnect", for Options.Timeout at most.
func (m *Manager) Destroy(ctx context.Context, w http.ResponseWriter, r *http.Request) (int, error) {
	cookie := m.cookieOf(r)
	if cookie == "" {
		return 0, nil
	}
	st, err := m.load(ctx, &work{m: m}, r.Host, cookie)
	var s *Session
	if st != nil {
		s = m.newSession(r.Host, st) // even if the store does not have it any more
	} else {
		m.mu.Lock()
		s = m.live.byCookie[cookie] // nothing else tells whose it is
		m.mu.Unlock()
	}
	n := 0
	var cookies []string
	switch {
	case s != nil:
		var fault error
		if n, cookies, fault = s.destroy(ctx); err == nil || isGone(err) {
			err = fault
		}
	case !isGone(err):
		m.eraseSoon("", lead{r.Host, cookie})
	}
	if len(cookies) == 0 {
		cookies = m.dropCookie()
	}
	for _, c := range cookies {
		w.Header().Add("Set-Cookie", c)
	}
	if isGone(err) {
		err = nil
	}
	return n, err
}

// Destroy ends the session from a socket, as [Manager.Destroy] does: the cookie stays
// in the browser, and leads nowhere, unless the cookie is the session itself.
func (s *Session) Destroy(ctx context.Context) (int, error) {
	if s == nil {
		return 0, refusal(ErrMissing, nil)
	}
	n, _, err := s.destroy(ctx)
	return n, err
}

func (s *Session) destroy(ctx context.Context) (int, []string, error) {
	// From here on nobody joins it, and no change is saved, whatever the store says.
	s.m.end(s.key, false)
	out := make(chan int, 1)
	go func() { out <- s.m.putOut(s.key, nil) }() // store and listeners do not wait for each other
	s.m.notifyNodes(ctx, s.key, false)
	cookies, err := s.eraseNow(ctx)
	if err != nil {
		s.m.eraseSoon(s.key, lead{s.host, s.getCookie()})
	}
	return <-out, cookies, err
}

// eraseNow removes the session from the store.
func (s *Session) eraseNow(ctx context.Context) ([]string, error) {
	w, err := s.m.begin(ctx, s.key)
	if err != nil {
		return nil, err
	}
	defer w.end()
	st, err := s.m.load(ctx, w, s.host, s.getCookie())
	if isGone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.m.erase(ctx, w, s.host, st)
}

// dropCookie returns the headers that remove the cookie from the browser, with the
// attributes that the store gives it, without asking the store.
func (m *Manager) dropCookie() []string {
	options := sessions.Options{Path: "/"}
	if o := m.options.Load(); o != nil {
		options = *o
	}
	options.MaxAge = -1
	return []string{sessions.NewCookie(m.name, "", &options).String()}
}
