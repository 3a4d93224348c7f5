package presence_test

import (
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestRecovery: a socket with the recovered state of another user is refused; one with
// its own joins again, and was never away. If the host was told to skip middlewares
// nobody gets in.
func TestRecovery(t *testing.T) {
	t.Parallel()
	for _, skip := range []bool{false, true} {
		recovery := new(siotest.Recovery)
		o := socket.DefaultServerOptions()
		r := &socket.ConnectionStateRecovery{}
		r.SetSkipMiddlewares(skip)
		o.SetConnectionStateRecovery(r)
		o.SetAdapter(recovery)
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
