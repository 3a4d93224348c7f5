package session_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestOrigin: a page of another site cannot use the session of its visitor.
func TestOrigin(t *testing.T) {
	t.Parallel()
	m := newManager(t, newMemory(), &session.Options{Origins: []string{"https://*.good.example"}})
	s, bare := serve(t, m), setup{bare: true}.serve(t, m)
	browser := s.visit(t)
	for _, polling := range []bool{false, true} {
		from := func(origin string) siotest.Dial {
			return siotest.Dial{Polling: polling, Header: http.Header{"Cookie": {browser}, "Origin": {origin}}}
		}
		for _, bad := range []string{"https://evil.example", "null", "https://good.example.evil.example", "x"} {
			turned(t, s.Server, from(bad), http.StatusForbidden, "origin_denied")
			if polling { // gorilla/websocket's client does not mind
				refused(t, bare.Server, from(bad), "origin_denied")
			}
		}
		for _, good := range []string{s.URL, "https://app.good.example"} {
			s.join(t, from(good))
		}
		bare.join(t, from(bare.URL))
		d := siotest.Dial{Polling: polling, Header: http.Header{"Cookie": {browser}, "Sec-Fetch-Site": {"cross-site"}}}
		turned(t, s.Server, d, http.StatusForbidden, "origin_denied")
	}
}

// TestWithoutHandler: Middleware alone finds sessions, but creates none.
func TestWithoutHandler(t *testing.T) {
	t.Parallel()
	for missing, codes := range map[session.Missing][2]string{
		session.Create: {"session_missing", "session_expired"},
		session.Refuse: {"session_missing", "session_expired"},
		session.Admit:  {},
	} {
		store := &tap{Store: newMemory()}
		s := setup{bare: true}.serve(t, newManager(t, store, &session.Options{Missing: missing}))
		for i, cookie := range []string{"", "sid=x"} {
			if codes[i] != "" {
				refused(t, s.Server, with(cookie), codes[i])
				continue
			}
			c := s.Dial(t, with(cookie))
			c.Connected(t)
			if _, ok := s.m.From(<-s.sockets); ok {
				t.Error("a session")
			}
		}
		browser := s.visit(t)
		before := store.news.Load()
		c, one := s.join(t, with(browser))
		c.Connect("/other", nil)
		c.Connected(t)
		if two, _ := s.m.From(<-s.sockets); one != two {
			t.Error("two namespaces of one connection have two sessions")
		}
		if n := store.news.Load() - before; n > 2 { // there is nothing to keep what was found
			t.Errorf("%d looks at the store", n)
		}
		if err := one.Update(t.Context(), add); err != nil {
			t.Error(err)
		}
		c.Disconnect("/other")
		c.Disconnect("/")
	}
}

// TestEngine3: clients of the older protocol have sessions too.
func TestEngine3(t *testing.T) {
	t.Parallel()
	s := serve(t, newManager(t, newMemory(), nil))
	for _, polling := range []bool{false, true} {
		c, sess := s.join(t, siotest.Dial{EIO: 3, Polling: polling})
		_, same := s.join(t, as(siotest.Dial{EIO: 3, Polling: polling}, given(t, c)))
		if sess != same {
			t.Error("another session")
		}
		if n, err := sess.Destroy(t.Context()); n != 2 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		c.NextEvent(t, "kicked")
	}
}

// TestTwice: using the middleware twice still makes one session.
func TestTwice(t *testing.T) {
	t.Parallel()
	store := &tap{Store: newMemory()}
	m := newManager(t, store, nil)
	s := setup{also: func(io *socket.Server) { io.Use(m.Middleware()) }}.serve(t, m)
	c, sess := s.join(t, siotest.Dial{})
	if n := store.news.Load(); n != 1 {
		t.Errorf("%d looks at the store", n)
	}
	if n, err := sess.Destroy(t.Context()); n != 1 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	kicked(t, c, "session_expired")
}

// TestHandlerTwice: with Handler both in front of the server and in the engine there is
// still one session and one cookie, the one that the socket has.
func TestHandlerTwice(t *testing.T) {
	t.Parallel()
	store := newMemory()
	m := newManager(t, store, nil)
	var io *socket.Server
	s := siotest.Config{
		Options: wrap.Harden(nil),
		Handler: func(h http.Handler) http.Handler {
			io.Engine().Use(wrap.Engine(m.Handler))
			return wrap.Handler(h, m.Handler, m.Handler)
		},
	}.NewServer(t, func(server *socket.Server) {
		io = server
		io.Use(m.Middleware())
	})
	for n, polling := range []bool{false, true} {
		c := s.Dial(t, siotest.Dial{Polling: polling})
		c.Connected(t)
		cookie := given(t, c) // the only one
		if !store.has(cookie) || store.len() != n+1 {
			t.Errorf("polling %t: the store has %d sessions, and %s: %t", polling, store.len(), cookie, store.has(cookie))
		}
	}
}

// TestClose: those who are there stay, and nobody gets in.
func TestClose(t *testing.T) {
	t.Parallel()
	store := &tap{Store: newMemory()}
	m, err := session.New(store, "sid", &session.Options{Check: often, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, m)
	c, sess := s.join(t, siotest.Dial{})
	for range 2 {
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	before := store.news.Load()
	turned(t, s.Server, siotest.Dial{}, http.StatusServiceUnavailable, "unavailable")
	c.Connect("/other", nil)
	rejected(t, c, "unavailable")
	if err := sess.Update(t.Context(), add); err != nil {
		t.Error(err)
	}
	c.NoPacket(t, 3*often)
	if n := store.news.Load() - before; n != 1 {
		t.Errorf("%d looks at the store", n)
	}
}

// TestNoSession: there is no session where there cannot be one.
func TestNoSession(t *testing.T) {
	t.Parallel()
	m, other := newManager(t, newMemory(), nil), newManager(t, newMemory(), nil)
	s := serve(t, m)
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	so := <-s.sockets
	if _, ok := other.From(so); ok {
		t.Error("the session of another Manager")
	}
	if _, ok := m.From(so); !ok {
		t.Error("no session")
	}
	for _, ctx := range []context.Context{t.Context(), httptest.NewRequest("GET", "/", nil).Context()} {
		if _, ok := m.FromContext(ctx); ok {
			t.Error("a session without Handler")
		}
	}
	request(m, s.visit(t), func(_ http.ResponseWriter, r *http.Request) {
		_, ok := other.FromContext(r.Context())
		if mine, mok := m.FromContext(r.Context()); ok || !mok || mine == nil {
			t.Error("wrong session")
		}
	})
}
