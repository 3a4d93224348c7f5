package wrap_test

import (
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestRoomsLeft: a room that a socket joins while it leaves outlives neither the socket
// nor, with Engine.IO 3, the connection.
func TestRoomsLeft(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		s, _, open := sockets(t, pass)
		c := s.Dial(t, d)
		c.Connected(t)
		c.Connect("/open", nil)
		c.Connected(t)
		so := <-open
		wrap.Context(so) // nobody else has looked at it
		a := so.Nsp().Adapter()
		mine := a.SocketRooms(so.Id())
		_ = a.On("leave-room", func(...any) {
			// What is left of a Join that began before: the list of the socket's rooms
			// has been read, and will be dropped (socket/adapter.go:130).
			mine.Add("r")
			a.Rooms().Store("r", types.NewSet(so.Id()))
		})
		c.Leave(t, "/open")
		if d.EIO == 3 { // the next socket there will have this one's ID
			<-wrap.Context(so).Done()
			a.AddAll(so.Id(), types.NewSet(socket.Room("late")))
			c.Close()
		}
		siotest.Eventually(t, "no room is left", func() bool { return a.Rooms().Len() == 0 && a.SocketRooms(so.Id()) == nil })
	})
}
