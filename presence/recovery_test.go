package presence_test

import (
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/zishang520/socket.io/v2/socket"
)

// recovering returns options with state recovery, and the states.
func recovering(skipMiddlewares bool) (*socket.ServerOptions, *siotest.Recovery) {
	states := new(siotest.Recovery)
	r := &socket.ConnectionStateRecovery{}
	r.SetSkipMiddlewares(skipMiddlewares)
	o := socket.DefaultServerOptions()
	o.SetConnectionStateRecovery(r)
	o.SetAdapter(states)
	return o, states
}

// forbid checks that nobody else's state is given away, and waits until the host has removed
// the refused socket, whose ID the next one may have.
func (s *server) forbid(t *testing.T, d siotest.Dial) {
	t.Helper()
	rejected(t, s.Dial(t, d), "forbidden")
	siotest.Eventually(t, "the refused socket is removed", func() bool {
		return s.IO.Sockets().Adapter().Sids().Len() == 0
	})
}

// TestRecovery: a socket with the recovered state of another user is refused; one with
// its own joins again, and was never away. If the host was told to skip middlewares
// nobody gets in.
func TestRecovery(t *testing.T) {
	t.Parallel()
	for _, skip := range []bool{false, true} {
		o, recovery := recovering(skip)
		p := newTracker(t, nil)
		l := watch(t, p)
		s := serveWith(t, o, p)
		if skip {
			rejected(t, s.Dial(t, as("alice")), "internal")
			continue
		}
		c := s.Dial(t, as("alice"))
		pid, _ := c.Connected(t).Data.(object)["pid"].(string)
		so := <-s.sockets
		if err := p.Join(t.Context(), so, "lobby", "m"); err != nil {
			t.Fatal(err)
		}
		recovery.Lose(t, s.Server, c, pid)
		back := func(d siotest.Dial) siotest.Dial {
			d.Auth = object{"pid": pid, "offset": "0"}
			return d
		}
		s.forbid(t, back(as("bob")))
		s.forbid(t, back(siotest.Dial{}))
		siotest.Eventually(t, "grace", func() bool { return len(members(t, p, "lobby")["alice"].Devices) == 0 })
		_, so = s.join(t, back(as("alice")))
		if !so.Recovered() || !so.Rooms().Has("lobby") || !so.Rooms().Has(p.Room("alice")) {
			t.Errorf("recovered %v, in %v", so.Recovered(), so.Rooms().Keys())
		}
		if m := members(t, p, "lobby")["alice"]; len(m.Devices) != 0 {
			t.Errorf("joined by itself: %+v", m)
		}
		if err := p.Join(t.Context(), so, "lobby", "m"); err != nil {
			t.Error(err)
		}
		if err := p.Leave(t.Context(), so, "lobby"); err != nil {
			t.Error(err)
		}
		siotest.Eventually(t, "the watcher hears that she has left", func() bool {
			all := l.all()
			return len(all) > 0 && all[len(all)-1].Kind == presence.Left
		})
		if all := l.all(); len(all) != 3 { // and that she was online, and had joined, once
			t.Errorf("%+v", all)
		}
	}
}

// TestRecoveryWithoutRooms: a guest who comes back with a state whose rooms are gone is
// refused, since it may be that of a user.
func TestRecoveryWithoutRooms(t *testing.T) {
	t.Parallel()
	o, recovery := recovering(false)
	s := serveWith(t, o, newTracker(t, nil))
	c := s.Dial(t, as("alice"))
	pid, _ := c.Connected(t).Data.(object)["pid"].(string)
	recovery.Lose(t, s.Server, c, pid)
	kept, _ := recovery.States.Load(socket.PrivateSessionId(pid))
	kept.(*socket.SessionToPersist).Rooms.Clear()
	rejected(t, s.Dial(t, siotest.Dial{Auth: object{"pid": pid, "offset": "0"}}), "forbidden")
}

// TestRecoveryAfterLeave: a user who has left everywhere counts again when the client comes
// back, also with the state of its last connection. Neither another user nor a guest gets
// that state.
func TestRecoveryAfterLeave(t *testing.T) {
	t.Parallel()
	o, recovery := recovering(false)
	p := newTracker(t, nil)
	s := serveWith(t, o, p)
	c := s.Dial(t, as("alice"))
	pid, _ := c.Connected(t).Data.(object)["pid"].(string)
	so := <-s.sockets
	if err := p.Leave(t.Context(), so, ""); err != nil {
		t.Fatal(err)
	}
	if so.Rooms().Has(p.Room("alice")) {
		t.Error("still in the room of her user")
	}
	recovery.Lose(t, s.Server, c, pid)
	back := func(d siotest.Dial) siotest.Dial {
		d.Auth = object{"pid": pid, "offset": "0"}
		return d
	}
	s.forbid(t, back(as("bob")))
	s.forbid(t, back(siotest.Dial{}))
	_, so = s.join(t, back(as("alice")))
	if !so.Recovered() || !so.Rooms().Has(p.Room("alice")) || !status(t, p, "alice").Online {
		t.Errorf("recovered %v, in %v, %+v", so.Recovered(), so.Rooms().Keys(), status(t, p, "alice"))
	}
}
