package presence_test

import (
	"testing"

	"github.com/sioware/sioware/internal/siotest"
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
		c, so := s.join(t, as("alice"))
		if err := p.Join(t.Context(), so, "lobby", "m"); err != nil {
			t.Fatal(err)
		}
		c.Close()
		var pid any
		siotest.Eventually(t, "the state is persisted", func() bool {
			recovery.States.Range(func(key, _ any) bool { pid = key; return false })
			return pid != nil
		})
		back := func(d siotest.Dial) siotest.Dial {
			d.Auth = object{"pid": pid, "offset": "0"}
			return d
		}
		rejected(t, s.Dial(t, back(as("bob"))), "forbidden")
		rejected(t, s.Dial(t, back(siotest.Dial{})), "forbidden")
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
		if all := l.all(); len(all) != 2 {
			t.Errorf("%+v", all)
		}
	}
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
	rejected(t, s.Dial(t, back(as("bob"))), "forbidden")
	rejected(t, s.Dial(t, back(siotest.Dial{})), "forbidden")
	_, so = s.join(t, back(as("alice")))
	if !so.Recovered() || !so.Rooms().Has(p.Room("alice")) || !status(t, p, "alice").Online {
		t.Errorf("recovered %v, in %v, %+v", so.Recovered(), so.Rooms().Keys(), status(t, p, "alice"))
	}
}
