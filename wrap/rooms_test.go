package wrap_test

import (
	"net/http"
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
			// What is left of a Join that began earlier: the list of the socket's rooms
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

// hasty is an adapter that makes a socket leave before it joins the room of its ID.
type hasty struct{ socket.Adapter }

func (hasty) New(nsp socket.Namespace) socket.Adapter { return hasty{socket.NewAdapter(nsp)} }

func (a hasty) AddAll(id socket.SocketId, all *types.Set[socket.Room]) {
	if so, ok := a.Nsp().Sockets().Load(id); ok && all.Has(socket.Room(id)) {
		so.Disconnect(false)
	}
	a.Adapter.AddAll(id, all)
}

// TestRoomOfGone: a socket that leaves while the host connects it is not left in the room
// of its ID.
func TestRoomOfGone(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		o := socket.DefaultServerOptions()
		o.SetAllowEIO3(true)
		o.SetAdapter(hasty{})
		s := siotest.Config{
			Options: wrap.Harden(o),
			Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) },
		}.NewServer(t, func(io *socket.Server) { io.Use(pass) })
		came := make(chan *socket.Socket, 1)
		_ = s.IO.On("connection", func(args ...any) { came <- args[0].(*socket.Socket) })
		c := s.Dial(t, d)
		so := <-came
		if d.EIO == 3 { // the next socket would have its ID
			c.Close()
		}
		a := so.Nsp().Adapter()
		siotest.Eventually(t, "no room is left", func() bool { return a.Rooms().Len() == 0 && a.SocketRooms(so.Id()) == nil })
	})
}
