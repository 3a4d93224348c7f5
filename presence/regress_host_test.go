package presence_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestSignedOut: a device that has left everywhere gets nothing any more that is sent to
// its user, nor do sockets that join on the same connection.
func TestSignedOut(t *testing.T) {
	t.Parallel()
	for name, eio := range map[string]int{"4": 4, "3": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newTracker(t, nil)
			s := serve(t, p)
			mine, _ := s.join(t, as("alice"))
			d := as("alice")
			d.EIO = eio
			c, one := s.join(t, d)
			c.Connect("/other", nil)
			c.Connected(t)
			two := <-s.sockets
			if err := p.Leave(t.Context(), one, ""); err != nil {
				t.Fatal(err)
			}
			home := p.Room("alice")
			for _, so := range []*socket.Socket{one, two} {
				if in(so, home) {
					t.Errorf("%s is in the room of its user", so.Nsp().Name())
				}
			}
			c.Leave(t, "/other")
			c.Connect("/other", nil)
			c.Connected(t)
			if three := <-s.sockets; in(three, home) {
				t.Error("the next one is in the room of its user")
			}
			s.IO.To(home).Emit("private")
			mine.NextEvent(t, "private")
			c.NoPacket(t, 0)
		})
	}
}

// in reports whether a room of the host's reaches s.
func in(s *socket.Socket, room socket.Room) bool {
	ids, ok := s.Nsp().Adapter().Rooms().Load(room)
	return ok && ids.Has(s.Id())
}

// TestBackAtOnce: under OldestWins a user who leaves and comes back at once is not
// refused because of the old connection while the Store is still being told of its end;
// nor does the user wait forever.
func TestBackAtOnce(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		timeout time.Duration
		told    bool
	}{{"told", time.Minute, true}, {"not told", short, false}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			store := newRogue(t)
			p := newTracker(t, &presence.Options{Store: store, MaxDevices: 1, Policy: presence.OldestWins, Timeout: test.timeout, Logger: quiet})
			s := serve(t, p)
			c, _ := s.join(t, as("alice"))
			g := newGate(t)
			store.set(func(_ context.Context, op, _ string, pass func() error) error {
				if op == "leave" {
					_ = g.pass(context.Background())
				}
				return pass()
			})
			c.Leave(t, "/")
			g.await(t)
			c.Connect("/", nil)
			if test.told {
				siotest.Eventually(t, "he waits", func() bool { return presence.Awaited(p, "alice") })
				g.open()
			}
			if p := c.Next(t); p.Type != siotest.TypeConnect {
				t.Fatalf("refused: %v", p)
			}
			<-s.sockets
			if !test.told {
				kicked(t, c, "too_many_connections") // when he was to take his seat
				return
			}
			siotest.Eventually(t, "he is there", func() bool { return len(status(t, p, "alice").Devices) == 1 })
		})
	}
}

// TestLateLeave: with Engine.IO 3 a socket that has gone does not remove the next one of
// its connection, which has its ID, from the host's rooms.
func TestLateLeave(t *testing.T) {
	t.Parallel()
	store := newRogue(t)
	p := newTracker(t, &presence.Options{Store: store, Grace: -1})
	s := serve(t, p)
	d := as("alice")
	d.EIO = 3
	c, one := s.join(t, d)
	c.Connect("/other", nil)
	c.Connected(t)
	two := <-s.sockets
	if err := p.Join(t.Context(), two, "lobby", nil); err != nil {
		t.Fatal(err)
	}
	g := newGate(t)
	g.holds(store, "join", "slow")
	var call sync.WaitGroup
	call.Go(func() { _ = p.Join(context.Background(), one, "slow", nil) })
	g.await(t) // the device has the turn: what the socket has joined is forgotten when it is over
	c.Leave(t, "/other")
	c.Connect("/other", nil)
	c.Connected(t)
	three := <-s.sockets
	if three.Id() != two.Id() || three == two {
		t.Fatalf("%s and %s", two.Id(), three.Id())
	}
	reached := func(when string) {
		t.Helper()
		for _, room := range []socket.Room{"lobby", p.Room("alice")} {
			if !in(three, room) {
				t.Errorf("%s %q does not reach the next one", when, room)
			}
		}
	}
	three.Join("lobby")
	presence.LeaveRooms(p, two)
	reached("late,")
	g.open()
	call.Wait()
	if err := p.Join(t.Context(), three, "lobby", nil); err != nil {
		t.Error(err)
	}
	siotest.Eventually(t, "the first one is forgotten", func() bool {
		all, in := presence.SocketsOf(p, three, "lobby")
		return all == 2 && in == 1
	})
	reached("in the end,")
}
