package presence_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/zishang520/socket.io/v2/socket"
)

// lobby joins users into a room, each a client of its own.
func (s *server) lobby(t testing.TB, users ...string) (clients []*siotest.Client, sockets []*socket.Socket) {
	t.Helper()
	for _, user := range users {
		c, so := s.join(t, as(user))
		clients, sockets = append(clients, c), append(sockets, so)
	}
	for _, so := range sockets {
		if err := s.p.Join(t.Context(), so, "lobby", nil); err != nil {
			t.Fatal(err)
		}
	}
	return clients, sockets
}

// TestCoalesced: neither a user who joins and leaves at once, nor one who leaves and
// joins again, is announced.
func TestCoalesced(t *testing.T) {
	t.Parallel()
	p := newTracker(t, &presence.Options{Grace: -1})
	p.Broadcast("online")
	p.Broadcast("online")
	s := serve(t, p)
	clients, _ := s.lobby(t, "alice")
	online(t, clients[0], "join", "alice", 1)
	_, sockets := s.lobby(t, "bob")
	for range 10 {
		if err := p.Leave(t.Context(), sockets[0], "lobby"); err != nil {
			t.Fatal(err)
		}
		if err := p.Join(t.Context(), sockets[0], "lobby", nil); err != nil {
			t.Fatal(err)
		}
	}
	online(t, clients[0], "join", "bob", 2)
	clients[0].NoPacket(t, 2*short)
}

// TestMany: after many changes at once only the members are sent.
func TestMany(t *testing.T) {
	t.Parallel()
	p := newTracker(t, &presence.Options{Grace: -1, MaxClients: 5})
	p.Broadcast("online")
	store := make([]string, 40)
	for i := range store {
		store[i] = fmt.Sprint("user-", i)
	}
	s := serve(t, p)
	clients, _ := s.lobby(t, store...)
	for _, c := range clients[:3] {
		for count, synced := 0.0, false; count < 40 || !synced; {
			args := c.NextEvent(t, "online").Args()
			got, _ := args[0].(object)
			named, _ := got["clients"].([]any)
			if len(named) > 5 {
				t.Errorf("%d are named", len(named))
			}
			count, _ = got["count"].(float64)
			synced = synced || got["action"] == "sync" // not the last, if the last few join later
		}
	}
}

// TestHidden: nothing about a hidden user gets to those who may not see that user.
func TestHidden(t *testing.T) {
	t.Parallel()
	p := newTracker(t, &presence.Options{Grace: -1, Visible: func(viewer *socket.Socket, who string) bool {
		user, _ := query(viewer)
		return who != "ghost" || user == "admin"
	}})
	p.Broadcast("online")
	s := serve(t, p)
	clients, _ := s.lobby(t, "alice")
	online(t, clients[0], "join", "alice", 1)
	admin, _ := s.lobby(t, "admin")
	clients = append(clients, admin...)
	for _, c := range clients {
		online(t, c, "join", "admin", 2)
	}
	ghost, _ := s.lobby(t, "ghost")
	online(t, clients[1], "join", "ghost", 3)
	ghost[0].Close()
	online(t, clients[1], "leave", "ghost", 2)
	clients[0].NoPacket(t, 2*short)
}

// TestBroadcastAway: when the Store is back, and whenever events may have been lost, all
// are sent the members.
func TestBroadcastAway(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Grace: -1, Logger: quiet})
	p.Broadcast("online")
	s := serve(t, p)
	clients, _ := s.lobby(t, "alice")
	online(t, clients[0], "join", "alice", 1)
	store.tell(presence.Event{Lost: time.Second})
	online(t, clients[0], "sync", "", 1)
	store.leave()
	bob, so := s.join(t, as("bob"))
	_ = p.Join(t.Context(), so, "lobby", nil)
	clients[0].NoPacket(t, 2*short)
	store.comeBack(time.Millisecond)
	online(t, clients[0], "sync", "", 2)
	online(t, bob, "sync", "", 2)
}

// TestBroadcastAgain: members that a Store reports again after it has lost them are not
// announced, for as long as it has said that this may happen; others are after that.
func TestBroadcastAgain(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Grace: -1})
	p.Broadcast("online")
	s := serve(t, p)
	clients, _ := s.lobby(t, "alice")
	alice := clients[0]
	online(t, alice, "join", "alice", 1)
	store.tell(presence.Event{Lost: time.Millisecond}) // less than what changes are gathered for
	online(t, alice, "sync", "", 1)
	s.lobby(t, "bob")
	online(t, alice, "join", "bob", 2)
	for _, patience := range []time.Duration{time.Minute, time.Millisecond} { // the longer one holds
		store.tell(presence.Event{Lost: patience})
		online(t, alice, "sync", "", 2)
	}
	store.tell(presence.Event{Change: &presence.Change{Kind: presence.Joined, Room: "lobby", User: "bob", Version: 1 << 62}})
	online(t, alice, "sync", "", 2)
	s.lobby(t, "carol")
	online(t, alice, "sync", "", 3)
}

// TestOutgoingPanics: a listener of one socket that panics keeps nothing from others.
func TestOutgoingPanics(t *testing.T) {
	t.Parallel()
	p := newTracker(t, &presence.Options{Grace: -1, Logger: quiet})
	for _, event := range []string{"connect", "online"} { // the first is the host's
		p.Broadcast(event)
	}
	s := serve(t, p, func(io *socket.Server) {
		_ = io.On("connection", func(args ...any) {
			so, _ := args[0].(*socket.Socket)
			if user, _ := query(so); user == "bad" {
				so.OnAnyOutgoing(func(...any) { panic("no") })
			}
		})
	})
	clients, _ := s.lobby(t, "bad", "alice", "bob")
	for _, c := range clients[1:] {
		seen := make(map[any]bool)
		for range 3 {
			got, _ := c.NextEvent(t, "online").Args()[0].(object)
			seen[got["user"]] = true
		}
		if len(seen) != 3 {
			t.Errorf("told of %v", seen)
		}
	}
}
