package session_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestManySockets: of 1,000 sockets of one session, those that are left after others have
// gone, in whatever order, are disconnected by Destroy, each once.
func TestManySockets(t *testing.T) {
	t.Parallel()
	const conns, namespaces = 25, 40
	m := newManager(t, newMemory(), &session.Options{Check: time.Hour})
	names := []string{"/"}
	for i := range namespaces - 1 {
		names = append(names, fmt.Sprintf("/n%d", i))
	}
	s := setup{also: func(io *socket.Server) {
		for _, name := range names[1:] {
			io.Of(name, nil)
		}
	}}.serve(t, m)
	browser := s.visit(t)
	other, _ := s.join(t, siotest.Dial{})
	clients := make([]*siotest.Client, conns)
	type place struct{ client, name int }
	var all []place
	for i := range clients {
		d := as(siotest.Dial{Polling: i%5 == 0}, browser)
		d.NoConnect = true
		clients[i] = s.Dial(t, d)
		for j, name := range names {
			clients[i].Connect(name, nil)
			clients[i].Connected(t)
			all = append(all, place{i, j})
		}
	}
	if n := session.Seats(m); n != len(all)+1 {
		t.Fatalf("%d sockets", n)
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	leave, stay := all[:600], all[600:]
	for _, p := range leave {
		clients[p.client].Disconnect(names[p.name])
	}
	siotest.Eventually(t, "they have left", func() bool { return session.Seats(m) == len(stay)+1 })
	n, _, err := destroy(t, m, browser)
	if n != len(stay) || err != nil {
		t.Errorf("put out %d of %d, %v", n, len(stay), err)
	}
	want := make([]map[string]bool, conns)
	for i := range want {
		want[i] = make(map[string]bool)
	}
	for _, p := range stay {
		want[p.client][names[p.name]] = true
	}
	for i, c := range clients {
		for range 2 * len(want[i]) { // the event, and DISCONNECT
			p := c.Next(t)
			if p.Event() == "kicked" {
				if !want[i][p.Namespace] || code(p.Args()[0]) != "session_expired" {
					t.Errorf("client %d: %s", i, p)
				}
				delete(want[i], p.Namespace)
			} else if p.Type != siotest.TypeDisconnect {
				t.Errorf("client %d: %s", i, p)
			}
		}
		if len(want[i]) != 0 {
			t.Errorf("client %d: not kicked from %v", i, want[i])
		}
		c.NoPacket(t, 0)
	}
	other.NoPacket(t, 0)
	if keys, cookies := session.Live(m); keys != 1 || cookies != 1 || session.Seats(m) != 1 {
		t.Errorf("%d sessions are left, %d cookies, %d sockets", keys, cookies, session.Seats(m))
	}
}

// TestNothingLeft: when the last socket has gone a Manager remembers nothing of a session,
// whether one cookie led to it or several.
func TestNothingLeft(t *testing.T) {
	t.Parallel()
	for _, k := range kinds(t) {
		store := k.open(t)
		m := newManager(t, store, nil)
		s := serve(t, m)
		c, _ := s.join(t, siotest.Dial{})
		older := given(t, c)
		_, newer := plain(t, store, older, func(values map[any]any) { _ = login(values) })
		clients := []*siotest.Client{c}
		for i := range 20 {
			c, _ := s.join(t, with([]string{older, newer}[i%2]))
			clients = append(clients, c)
		}
		if keys, _ := session.Live(m); keys != 1 || session.Seats(m) != len(clients) {
			t.Errorf("%s: %d sessions, %d sockets", k.name, keys, session.Seats(m))
		}
		rand.Shuffle(len(clients), func(i, j int) { clients[i], clients[j] = clients[j], clients[i] })
		for _, c := range clients {
			c.Close()
		}
		siotest.Eventually(t, "nothing is left", func() bool {
			keys, cookies := session.Live(m)
			return keys == 0 && cookies == 0 && session.Seats(m) == 0
		})
	}
}
