package session_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
)

// crowd does all that can be done with one session at once.
type crowd struct {
	*server
	store *memory

	mu     sync.RWMutex // over cookie: held while it is replaced
	cookie string

	added atomic.Int64 // changes that were made
}

func (c *crowd) browser() string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.cookie
}

// expected checks what may come of an operation while others end the session.
func expected(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, session.ErrGone) {
		t.Errorf("%s: %v", what, err)
	}
}

// handle works with the session as an HTTP handler does.
func (c *crowd) handle(t *testing.T, f func(s *session.Session)) {
	t.Helper()
	w := request(c.m, c.browser(), func(_ http.ResponseWriter, r *http.Request) {
		if s, ok := c.m.FromContext(r.Context()); ok {
			f(s)
		}
	})
	if w.Code != http.StatusOK && w.Code != http.StatusUnauthorized {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func (c *crowd) update(t *testing.T, s *session.Session) {
	t.Helper()
	err := s.Update(context.Background(), add)
	expected(t, "Update", err)
	if err == nil {
		c.added.Add(1)
	}
}

// connect joins two namespaces, works with the session, and leaves.
func (c *crowd) connect(t *testing.T, polling bool) {
	t.Helper()
	client, err := c.Open(t, as(siotest.Dial{Polling: polling}, c.browser()))
	if err != nil {
		return // refused
	}
	defer client.Close()
	for _, nsp := range []string{"/", "/other"} {
		client.Connect(nsp, nil)
		p := client.Next(t)
		for p.Type != siotest.TypeConnect && p.Type != siotest.TypeConnectError {
			if client.Reason() != "" {
				return
			}
			p = client.Next(t) // "kicked", and DISCONNECT, of the other one
		}
		if p.Type == siotest.TypeConnectError {
			if got := code(p.Data); got != "session_expired" {
				t.Errorf("refused with %q", got)
			}
			continue
		}
		s, ok := c.m.From(<-c.sockets)
		if !ok {
			t.Error("no session")
			continue
		}
		c.update(t, s)
		_, _ = count.Get(s)
		expected(t, "Reload", s.Reload(context.Background()))
	}
}

// renew signs in, over HTTP or by a ticket.
func (c *crowd) renew(t *testing.T, byTicket bool) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if byTicket {
		var ticket string
		request(c.m, c.cookie, func(_ http.ResponseWriter, r *http.Request) {
			s, _ := c.m.FromContext(r.Context())
			ticket, _ = s.Renew(nil)
		})
		w := post(c.cookie, ticket, c.m.Claim)
		if w.Code != http.StatusNoContent {
			t.Errorf("Claim: %d %s", w.Code, w.Body)
			return
		}
		c.cookie = cookie(t, w)
		return
	}
	w, err := renew(t, c.m, c.cookie, nil)
	if err != nil {
		t.Errorf("Renew: %v", err)
		return
	}
	c.cookie = cookie(t, w)
}

// TestCrowd: whatever is done at once, no change is lost, renewed sessions take all
// along, ended ones stay away, and nobody is left behind.
func TestCrowd(t *testing.T) {
	t.Parallel()
	const rounds = 25
	for _, ending := range []bool{false, true} {
		store := newMemory()
		c := &crowd{store: store, server: serve(t, newManager(t, store, &session.Options{Missing: session.Refuse, Check: often}))}
		c.cookie = c.visit(t)
		var wg sync.WaitGroup
		run := func(f func(i int)) {
			wg.Go(func() {
				for i := range rounds {
					f(i)
				}
			})
		}
		for range 2 {
			run(func(i int) { c.connect(t, i%2 == 0) })
			run(func(int) { c.handle(t, func(s *session.Session) { c.update(t, s) }) })
			run(func(int) {
				c.handle(t, func(s *session.Session) {
					_, _ = count.Get(s)
					expected(t, "Reload", s.Reload(t.Context()))
				})
			})
		}
		run(func(i int) { c.renew(t, i%2 == 0) })
		if ending {
			run(func(i int) {
				if i%5 > 0 {
					c.handle(t, func(s *session.Session) { c.update(t, s) })
					return
				}
				c.mu.Lock()
				defer c.mu.Unlock()
				if _, _, err := destroy(t, c.m, c.cookie); err != nil || store.has(c.cookie) {
					t.Errorf("Destroy: %v", err)
				}
				c.cookie = visit(t, c.m)
			})
		}
		wg.Wait()
		if n := store.len(); n != 1 || !store.has(c.cookie) {
			t.Errorf("%d sessions in the store", n)
		}
		seen, _ := plain(t, store, c.cookie, nil)
		if n, _ := seen.Values["count"].(int); !ending && n != int(c.added.Load()) || n > int(c.added.Load()) {
			t.Errorf("%d changes end at %d", c.added.Load(), n)
		}
		if _, _, err := destroy(t, c.m, c.cookie); err != nil || store.len() != 0 {
			t.Errorf("Destroy: %v", err)
		}
		siotest.Eventually(t, "no socket is left", func() bool {
			return c.IO.Sockets().Sockets().Len() == 0 && c.IO.Of("/other", nil).Sockets().Len() == 0
		})
	}
}
