package wrap_test

import (
	"net/http"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// recoverTwice loses a client and lets it come back twice: the second time while the server
// does not know yet that the first connection was lost as well. The two sockets have the
// same ID, and both join a room. It returns the second client, when the first socket has
// ended.
func recoverTwice(t *testing.T, guarded bool, d siotest.Dial) (*siotest.Server, *siotest.Client) {
	t.Helper()
	o, recovery := recovering(nil)
	handler := func(h http.Handler) http.Handler { return h }
	if guarded {
		o, handler = wrap.Harden(o), func(h http.Handler) http.Handler { return wrap.Handler(h) }
	}
	s := siotest.Config{Options: o, Handler: handler}.NewServer(t, func(io *socket.Server) {
		if guarded {
			io.Use(pass)
		}
		_ = io.On("connection", func(args ...any) { args[0].(*socket.Socket).Join("room") })
	})
	d = lose(t, s, d, recovery)
	earlier := s.Dial(t, d)
	earlier.Connected(t)
	ended := make(chan struct{})
	s.IO.Sockets().Sockets().Range(func(_ socket.SocketId, so *socket.Socket) bool {
		_ = so.On("disconnect", func(...any) { close(ended) })
		return true
	})
	c := s.Dial(t, d)
	c.Connected(t)
	siotest.Eventually(t, "the second socket is in its namespace", func() bool {
		there := false
		s.IO.Sockets().Sockets().Range(func(_ socket.SocketId, so *socket.Socket) bool {
			there = so.Conn().Id() == c.SID
			return true
		})
		return there
	})
	earlier.Close()
	<-ended
	return s, c
}

// TestRecoveredTwiceBareHost: when a socket ends, another one to which state recovery has
// given the same ID is taken out of its namespace and its rooms.
func TestRecoveredTwiceBareHost(t *testing.T) {
	bare(t)
	s, _ := recoverTwice(t, false, siotest.Dial{})
	if n := s.IO.Sockets().Sockets().Len(); n != 0 {
		t.Errorf("%d sockets", n)
	}
	if _, there := s.IO.Sockets().Adapter().Rooms().Load("room"); there {
		t.Error("it is in its room")
	}
}

// TestRecoveredTwice: the second socket stays in both until it ends itself.
func TestRecoveredTwice(t *testing.T) {
	t.Parallel()
	for name, d := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := recoverTwice(t, true, d)
			_ = s.IO.Emit("all")
			c.NextEvent(t, "all")
			_ = s.IO.To("room").Emit("some")
			c.NextEvent(t, "some")
			c.Close()
			siotest.Eventually(t, "nothing is left", func() bool {
				nsp := s.IO.Sockets()
				return nsp.Sockets().Len() == 0 && nsp.Adapter().Rooms().Len() == 0 && nsp.Adapter().Sids().Len() == 0
			})
		})
	}
}
