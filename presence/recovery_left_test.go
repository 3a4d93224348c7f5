package presence_test

import (
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestRecoveryAfterLeave: a user who has left everywhere counts again when the client comes
// back, also with the state of its last connection. Neither another user nor a guest gets
// that state.
func TestRecoveryAfterLeave(t *testing.T) {
	t.Parallel()
	recovery := new(siotest.Recovery)
	o := socket.DefaultServerOptions()
	r := &socket.ConnectionStateRecovery{}
	r.SetSkipMiddlewares(false)
	o.SetConnectionStateRecovery(r)
	o.SetAdapter(recovery)
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
