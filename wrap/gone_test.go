package wrap_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// kicking starts a server on which the event "leave" kicks the socket.
func kicking(t *testing.T) *siotest.Server {
	return serve(t, func(io *socket.Server) {
		wrap.UseAll(io, pass)
		for _, n := range []socket.Namespace{io.Sockets(), io.Of("/room", nil), io.Of("/room?q", nil)} {
			_ = n.On("connection", func(args ...any) {
				s := args[0].(*socket.Socket)
				_ = s.On("leave", func(...any) { wrap.Kick(s, &wrap.Error{Code: "replaced"}) })
				_ = s.On("echo", func(args ...any) { args[len(args)-1].(socket.Ack)([]any{"ok"}, nil) })
			})
		}
	})
}

// TestKickInFlight: what a client sends before it knows that it was kicked does not end
// its connection.
func TestKickInFlight(t *testing.T) {
	t.Parallel()
	for _, nsp := range []string{"/", "/room", "/room?q"} {
		for _, eio := range []int{4, 3} {
			if eio == 3 && nsp == "/room?q" {
				continue // there it is "/room"
			}
			for _, polling := range []bool{false, true} {
				t.Run(fmt.Sprint(nsp, eio, polling), func(t *testing.T) {
					t.Parallel()
					c := kicking(t).Dial(t, siotest.Dial{Namespace: nsp, EIO: eio, Polling: polling})
					c.Connected(t)
					if eio == 3 && nsp != "/" {
						c.Connected(t) // to "/", by itself
					}
					for range 5 {
						c.EmitTo(nsp, "leave")
						if got := c.NextEvent(t, "kicked"); got.Namespace != nsp {
							t.Errorf("kicked out of %q, not %q", got.Namespace, nsp)
						}
						for c.Next(t).Type != siotest.TypeDisconnect {
						}
						c.EmitTo(nsp, "late", "text")
						c.EmitTo(nsp, "late", []byte("binary"), []byte("twice"))
						c.Disconnect(nsp)
						c.Connect(nsp, nil)
						c.Connected(t)
						for _, arg := range []any{"text", []byte("binary")} {
							if got := c.EmitAck(t, "echo", arg).Args(); got[0] != "ok" {
								t.Errorf("answered %v", got)
							}
						}
					}
				})
			}
		}
	}
}

// TestLeftConnection: a client that leaves its last namespace cannot keep its connection
// for ever; one that is in another, or comes back, can.
func TestLeftConnection(t *testing.T) {
	s := kicking(t)
	stays := s.Dial(t, siotest.Dial{})
	stays.Connected(t)
	stays.Connect("/room", nil)
	stays.Connected(t)
	stays.Disconnect("/room")
	back := s.Dial(t, siotest.Dial{})
	back.Connected(t)
	back.Disconnect("/")
	siotest.Eventually(t, "it has left", func() bool { return s.IO.Sockets().Sockets().Len() == 1 })
	back.Connect("/", nil)
	back.Connected(t)
	gone := s.Dial(t, siotest.Dial{})
	gone.Connected(t)
	gone.Disconnect("/")
	gone.AwaitDone(t)
	for _, c := range []*siotest.Client{stays, back} {
		if got := c.EmitAck(t, "echo", "text").Args(); got[0] != "ok" {
			t.Errorf("answered %v", got)
		}
	}
}

// TestEventAfterDisconnectBareHost: on the bare host, an event for a namespace from which
// the server has disconnected the client ends the connection; one that has left all of
// them by itself stays.
func TestEventAfterDisconnectBareHost(t *testing.T) {
	bare(t)
	s := siotest.NewServer(t, func(io *socket.Server) {
		_ = io.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("leave", func(...any) { s.Disconnect(false) })
		})
		io.Of("/room", nil)
	})
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	c.Connect("/room", nil)
	c.Connected(t)
	c.Emit("leave")
	for c.Next(t).Type != siotest.TypeDisconnect {
	}
	c.Emit("late")
	c.AwaitDone(t)

	stays := s.Dial(t, siotest.Dial{})
	stays.Connected(t)
	stays.Disconnect("/")
	stays.NoPacket(t, 4*wrap.UnusedAfter)
	if stays.Reason() != "" {
		t.Error("the connection is closed")
	}
}

// TestComeBackAtOnce: a client that leaves a namespace and joins it again at once, as
// socket.disconnect().connect() does to present a new token, keeps its connection.
func TestComeBackAtOnce(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		s := kicking(t)
		c := s.Dial(t, d)
		c.Connected(t)
		c.Connect("/room", nil)
		c.Connected(t)
		for range 50 {
			c.Disconnect("/room")
			c.Connect("/room", nil)
			c.Connected(t)
		}
		if got := s.IO.Of("/room", nil).Sockets().Len(); got != 1 {
			t.Errorf("%d sockets", got)
		}
	})
}

// TestComeBackAtOnceBareHost: on the bare host it loses it.
func TestComeBackAtOnceBareHost(t *testing.T) {
	bare(t)
	s := siotest.NewServer(t, func(io *socket.Server) { io.Of("/open", nil) })
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for range 100 {
		c.Connect("/open", nil)
		if p := c.Next(t); p.Type != siotest.TypeConnect {
			t.Fatalf("got %s", p)
		}
		siotest.Eventually(t, "settled", func() bool { return s.IO.Of("/open", nil).Sockets().Len() == 1 })
		c.Disconnect("/open")
		c.Connect("/open", nil)
		select {
		case <-c.Done():
			return
		case <-time.After(time.Second):
			c.Leave(t, "/open")
		}
	}
	t.Error("the connection has stayed: the host has mended this")
}
