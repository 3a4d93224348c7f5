package wrap_test

import (
	"sync"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestRoomsBareHost: the last socket that leaves a room takes along one that is just
// joining, and a socket that leaves while it joins stays in the room.
func TestRoomsBareHost(t *testing.T) {
	bare(t)
	s := siotest.NewServer(t, nil)
	a := s.IO.Sockets().Adapter()
	room := types.NewSet(socket.Room("r"))
	lost, stayed := 0, 0
	for range 200_000 {
		a.AddAll("leaves", room)
		var both sync.WaitGroup
		both.Go(func() { a.DelAll("leaves") })
		both.Go(func() { a.AddAll("comes", room) })
		both.Wait()
		if ids, ok := a.Rooms().Load("r"); !ok || !ids.Has("comes") {
			lost++
		}
		a.DelAll("comes")

		a.AddAll("goes", types.NewSet(socket.Room("goes")))
		both.Go(func() { a.DelAll("goes") })
		both.Go(func() { a.AddAll("goes", room) })
		both.Wait()
		if ids, ok := a.Rooms().Load("r"); a.SocketRooms("goes") == nil && ok && ids.Has("goes") {
			stayed++
		}
		a.DelAll("goes")
		a.Del("goes", "r")
	}
	t.Logf("of 200,000: %d in a room that does not know them; %d out of all rooms that are in one", lost, stayed)
	if lost == 0 {
		t.Error("no socket was lost: the host has mended this")
	}
}
