package e2e

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestSessionCookie: a client gets its cookie on the handshake and comes back with it. A
// page reads what its socket writes, and vice versa.
func TestSessionCookie(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		s := serveSite(t, siteOptions{})
		c := s.browse(t, v)
		c.await(t, 1, "connect")
		first := c.all("response")[0]
		cookie := given(first)
		if cookie == "" || first.Cookie != "" {
			t.Fatalf("handshake: %s", first.raw)
		}

		room := wantSeen(t, c.call(t, "visit")[0], 1, "")
		if got := wantSeen(t, parsed(t, c.fetch(t, "GET", "/who", "")), 1, ""); got != room {
			t.Error("the page has another session")
		}
		wantSeen(t, parsed(t, c.fetch(t, "POST", "/visit", "")), 2, "")
		wantSeen(t, c.call(t, "who")[0], 2, "") // they share it
		saved := c.fetch(t, "POST", "/gorilla", "")
		if cookie = given(saved); cookie == "" || parsed(t, saved) != nil { // same ID, different time
			t.Error(saved.raw)
		}
		wantSeen(t, c.call(t, "who")[0], 2, "") // nobody knows about that handler
		wantSeen(t, c.call(t, "reload")[0], 3, "")

		c.steady(t)
		c.do(t, action{Do: "disconnect"})
		c.idle(t) // version 2 closes its connection a bit later
		c.do(t, action{Do: "connect"})
		c.await(t, 2, "connect")
		if got := wantSeen(t, c.call(t, "visit")[0], 4, ""); got != room {
			t.Error("the client came back to another session")
		}
		c.steady(t)
		var again int
		for _, r := range c.all("response")[1:] {
			if given(r) != "" {
				t.Errorf("another cookie: %s", r.raw)
			}
			if !strings.Contains(r.Path, "sid=") && r.Cookie == cookie {
				again++
			}
		}
		if again != 1 {
			c.server.excuse(t)
			t.Errorf("%d handshakes with the cookie; %s", again, c.history())
		}

		// Another process with the cookie, and one without.
		d := s.visitor(t, v, cookie)
		d.await(t, 1, "connect")
		if got := wantSeen(t, d.call(t, "who")[0], 4, ""); got != room {
			t.Error("the same cookie, another session")
		}
		e := s.browse(t, v)
		e.await(t, 1, "connect")
		if got := wantSeen(t, e.call(t, "who")[0], 0, ""); got == room {
			t.Error("a client without cookie has the session")
		}
	})
}

// TestSessionRefused: under Refuse the handshake of a client without session is refused.
func TestSessionRefused(t *testing.T) {
	tests := map[string]struct{ cookie, code string }{
		"missing": {"a=b", "session_missing"},
		"expired": {"sid=garbage", "session_expired"},
	}
	each(t, func(t *testing.T, v variant) {
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := serveSite(t, siteOptions{Options: session.Options{Missing: session.Refuse}})
				c := connect(t, v, s.server, func(sc *scenario) {
					sc.Responses = true
					sc.Options["reconnection"] = false
					sc.Options["extraHeaders"] = object{"Cookie": tt.cookie}
				})
				err := c.await(t, 1, "connect_error")[0]
				message, description := "xhr poll error", any(401.0)
				if !v.polls() {
					message, description = "websocket error", "Unexpected server response: 401"
				}
				if err.Message != message || err.Description != description || err.Data != nil {
					t.Errorf("connect_error: %s", err.raw)
				}
				if v.client == 4 && v.polls() && (err.Status != 401 || err.Body != jsonOf(told(tt.code))) {
					t.Errorf("err.context: %s", err.raw)
				}
				if r := c.await(t, 1, "response")[0]; r.Status != 401 || r.Headers["set-cookie"] != nil {
					t.Errorf("response: %s", r.raw)
				}
				c.idle(t)
				if len(c.all("connect")) != 0 || len(c.all("connect_error")) != 1 {
					t.Error(c.history())
				}
			})
		}
	})
}

// TestSessionAlone: without Handler, Middleware cannot set a cookie, and refuses the
// CONNECT of a client without a session. A client with a session gets in.
func TestSessionAlone(t *testing.T) {
	tests := map[string]struct{ cookie, code string }{
		"missing": {"a=b", "session_missing"},
		"expired": {"sid=garbage", "session_expired"},
	}
	each(t, func(t *testing.T, v variant) {
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for _, missing := range []session.Missing{session.Create, session.Refuse} {
					s := serveSite(t, siteOptions{alone: true, lobby: true, Options: session.Options{Missing: missing}})
					c := connect(t, v, s.server, func(sc *scenario) {
						staying(v)(sc)
						sc.Options["extraHeaders"] = object{"Cookie": tt.cookie}
					})
					wantRefusal(t, v, c.await(t, 1, v.refusal(), on("/"))[0], told(tt.code))
					wantNoRetry(t, v, c)
				}
			})
		}
		t.Run("found", func(t *testing.T) {
			t.Parallel()
			s := serveSite(t, siteOptions{alone: true})
			c := s.visitor(t, v, s.signedIn(t))
			c.await(t, 1, "connect")
			wantSeen(t, c.call(t, "visit")[0], 1, "ada")
		})
	})
}

// openTab opens another tab of a browser that has its cookie.
func openTab(t *testing.T, c *client) {
	t.Helper()
	n := len(c.all("connect"))
	c.do(t, action{Do: "open"})
	c.await(t, n+1, "connect")
	c.steady(t)
}

// TestSessionDestroy: a logout over HTTP ends all tabs of the session, and no others.
func TestSessionDestroy(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		s := serveSite(t, siteOptions{})
		other := s.browse(t, v)
		other.await(t, 1, "connect")
		c := s.browse(t, v)
		c.await(t, 1, "connect")
		old := given(c.all("response")[0])
		openTab(t, c)
		room := wantSeen(t, c.call(t, "visit")[0], 1, "")
		got := c.fetch(t, "POST", "/logout", "")
		if parsed(t, got) != 2.0 || given(got) != "sid=" {
			t.Errorf("logout: %s", got.raw)
		}
		wantOut(t, c, 0, false)
		wantOut(t, c, 1, false)
		wantAway(t, c)
		if got := c.fetch(t, "GET", "/who", ""); parsed(t, got) != nil {
			t.Errorf("the page: %s", got.raw)
		}

		// The browser starts over, and so does anybody who has kept the cookie.
		c.do(t, action{Do: "connect"})
		c.await(t, 3, "connect")
		if got := wantSeen(t, c.call(t, "who")[0], 0, ""); got == room {
			t.Error("the session is there again")
		}
		c.steady(t)
		d := s.visitor(t, v, old)
		d.await(t, 1, "connect")
		if got := wantSeen(t, d.call(t, "who")[0], 0, ""); got == room {
			t.Error("the old cookie leads to the session")
		}

		wantSeen(t, other.call(t, "visit")[0], 1, "")
		wantOneConnection(t, other)
	})
}

// TestSessionRenew: after a sign-in over HTTP the tabs come back with the new cookie and
// have the values. Clients with the old cookie are sent back for a while, and then get a
// new session.
func TestSessionRenew(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		s := serveSite(t, siteOptions{})
		c := s.browse(t, v)
		c.await(t, 1, "connect")
		old := given(c.all("response")[0])
		room := wantSeen(t, c.call(t, "visit")[0], 1, "")
		openTab(t, c)
		got := c.fetch(t, "POST", "/login", "")
		fresh := given(got)
		if parsed(t, got) != nil || fresh == "" || fresh == old {
			t.Errorf("login: %s", got.raw)
		}
		wantOut(t, c, 0, true)
		wantOut(t, c, 1, true)
		wantAway(t, c)
		wantBack(t, c, room)

		d := s.visitor(t, v, old)
		d.await(t, 1, "connect")
		answers := d.all("response")
		if answers[0].Status != 401 {
			t.Errorf("the old cookie, at first: %s", answers[0].raw)
		}
		i := slices.IndexFunc(answers, func(r record) bool { return given(r) != "" })
		if i < 0 || given(answers[i]) == old || given(answers[i]) == fresh {
			t.Errorf("the old cookie: %s", d.history())
		}
		if got := wantSeen(t, d.call(t, "who")[0], 0, ""); got == room {
			t.Error("the old cookie leads to the old session")
		}
	})
}

// wantBack connects the first tab again, and checks that it has a session other than the
// one that had room.
func wantBack(t *testing.T, c *client, room string) {
	t.Helper()
	n := len(c.all("connect"))
	c.do(t, action{Do: "connect"})
	c.await(t, n+1, "connect")
	got := wantSeen(t, c.call(t, "who")[0], 1, "ada")
	if page := wantSeen(t, parsed(t, c.fetch(t, "GET", "/who", "")), 1, "ada"); got == room || got != page {
		t.Errorf("rooms: %s before, %s, %s of the page", room, got, page)
	}
	c.steady(t)
}

// TestSessionClaim: a socket gets a ticket, which the page of the same browser exchanges
// for a cookie.
func TestSessionClaim(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		s := serveSite(t, siteOptions{})
		c, other := s.browse(t, v), s.browse(t, v)
		c.await(t, 1, "connect")
		room := wantSeen(t, c.call(t, "visit")[0], 1, "")
		openTab(t, c)
		ticket, _ := c.call(t, "login")[0].(string)
		wantSeen(t, c.call(t, "who")[0], 1, "") // not yet

		forbidden := func(c *client, ticket string) {
			t.Helper()
			if got := c.fetch(t, "POST", "/session", ticket); got.Status != 403 || given(got) != "" || got.Body != jsonOf(told("forbidden")) {
				t.Errorf("claimed: %s", got.raw)
			}
		}
		other.await(t, 1, "connect")
		forbidden(other, ticket)
		forbidden(c, "garbage")
		if got := c.fetch(t, "POST", "/session", ticket); got.Status != 204 || given(got) == "" || got.Body != "" {
			t.Errorf("claimed: %s", got.raw)
		}
		wantOut(t, c, 0, true)
		wantOut(t, c, 1, true)
		wantAway(t, c)
		wantBack(t, c, room)
		forbidden(c, ticket)
		wantOneConnection(t, other)
	})
}

// TestSessionReloadEach: if the store is read for each packet, the next packet of a
// session that has ended reaches no handler: its ack says why, and then its sockets are
// kicked.
func TestSessionReloadEach(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		var handled atomic.Int32
		s := serveSite(t, siteOptions{setup: func(m *session.Manager, io *socket.Server) {
			onConnection(io.Sockets(), func(so *socket.Socket) {
				_ = so.On("who", func(...any) { handled.Add(1) })
			})
			wrap.UseAll(io, wrap.Packet(func(ctx context.Context, so *socket.Socket, _ *wrap.Event) error {
				mine, _ := m.From(so)
				return mine.Reload(ctx)
			}))
		}})
		c := s.browse(t, v)
		c.await(t, 1, "connect")
		openTab(t, c)
		c.fetch(t, "POST", "/gorilla", "")
		wantSeen(t, c.call(t, "who")[0], 1, "")
		s.lose(t)
		if got := c.call(t, "who"); !reflect.DeepEqual(got, []any{told("session_expired")}) {
			t.Errorf("ack: %v", got)
		}
		wantOut(t, c, 0, false)
		wantOut(t, c, 1, false)
		wantAway(t, c)
		if n := handled.Load(); n != 1 {
			t.Errorf("%d events were handled", n)
		}
	})
}
