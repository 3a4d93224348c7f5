package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
)

// enterRoom moves a client to a room and returns why that was refused, or nil.
func enterRoom(t *testing.T, c *siotest.Client, room string) any {
	t.Helper()
	if args := c.EmitAck(t, "room", room).Args(); len(args) > 0 {
		m, _ := args[0].(map[string]any)
		return m["code"]
	}
	return nil
}

// rooms waits until a client is told that these rooms exist: "lobby 1, attic 2".
func rooms(t *testing.T, c *siotest.Client, want string) {
	t.Helper()
	for {
		list, _ := c.NextEvent(t, "rooms").Args()[0].([]any)
		var all []string
		for _, e := range list {
			m, _ := e.(map[string]any)
			if n, _ := m["people"].(float64); n > 0 {
				all = append(all, fmt.Sprintf("%v %v", m["name"], n))
			}
		}
		if strings.Join(all, ", ") == want {
			return
		}
	}
}

// TestRooms: what is said in a room stays there, and a room disappears with its people.
func TestRooms(t *testing.T) {
	srv := newServer(t, quiet, time.Minute)
	cleo, _ := join(t, srv, "Cleo")
	dan, welcome := join(t, srv, "Dan")
	if got := field(t, welcome, "room"); got != standing[0] {
		t.Errorf("Dan enters %v", got)
	}
	rooms(t, cleo, "lobby 2")
	if why := enterRoom(t, dan, "  The  ATTIC "); why != nil {
		t.Fatalf("got %v", why)
	}
	rooms(t, cleo, "lobby 1, the attic 1")
	welcome = dan.NextEvent(t, "welcome")
	if got := fmt.Sprint(field(t, welcome, "room"), len(field(t, welcome, "people").([]any))); got != "the attic1" {
		t.Errorf("got %s", got)
	}
	for _, c := range []*siotest.Client{cleo, dan} {
		if why := send(t, c, "where am I?"); why != nil {
			t.Errorf("got %v", why)
		}
	}
	if got := field(t, dan.NextEvent(t, "message"), "nickname"); got != "Dan" {
		t.Errorf("Dan has heard %v", got)
	}
	if got := field(t, cleo.NextEvent(t, "message"), "nickname"); got != "Cleo" {
		t.Errorf("Cleo has heard %v", got)
	}
	// People come back to their room, if one of that name may exist; an invalid name
	// leads to the first room.
	for wish, want := range map[string]string{"the attic": "the attic", "a\u200bb": standing[0]} {
		c := srv.Dial(t, siotest.Dial{Auth: map[string]any{"nickname": "Eve of " + want, "room": wish}})
		c.Connected(t)
		if got := field(t, c.NextEvent(t, "welcome"), "room"); got != want {
			t.Errorf("%q: got %v", wish, got)
		}
		c.Disconnect("")
	}
	dan.Disconnect("")
	rooms(t, cleo, "lobby 1")
}

// TestRoomsBounded: the number of rooms is limited.
func TestRoomsBounded(t *testing.T) {
	srv := newServer(t, quiet, time.Minute)
	for n := range maxRooms - len(standing) {
		c, _ := join(t, srv, fmt.Sprint("Guest ", n))
		if why := enterRoom(t, c, fmt.Sprint("room ", n)); why != nil {
			t.Fatalf("room %d: got %v", n, why)
		}
	}
	cleo, _ := join(t, srv, "Cleo")
	if why := enterRoom(t, cleo, "one more"); why != "rooms_full" {
		t.Errorf("got %v", why)
	}
	if why := enterRoom(t, cleo, "room 1"); why != nil {
		t.Errorf("one that is there: got %v", why)
	}
	// A room that is gone, and may not be created again, leads to the first room.
	c := srv.Dial(t, siotest.Dial{Auth: map[string]any{"nickname": "Dan", "room": "gone"}})
	c.Connected(t)
	if got := field(t, c.NextEvent(t, "welcome"), "room"); got != standing[0] {
		t.Errorf("got %v", got)
	}
}
