package rooms_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/internal/rooms"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestMain(m *testing.M) { siotest.Main(m, nil, siotest.IgnoreHostTimers()...) }

// late makes a socket join a room as the host does when its client leaves meanwhile:
// after the check whether it may join.
func late(s *socket.Socket, room socket.Room) {
	s.Nsp().Adapter().AddAll(s.Id(), types.NewSet(room))
}

// torn does the same at the moment in which the host drops the list of the socket.
func torn(s *socket.Socket, mine *types.Set[socket.Room], room socket.Room) {
	mine.Add(room)
	s.Nsp().Adapter().Rooms().Store(room, types.NewSet(s.Id()))
}

func TestLeft(t *testing.T) {
	t.Parallel()
	o := socket.DefaultServerOptions()
	o.SetAllowEIO3(true)
	for name, d := range map[string]siotest.Dial{"4": {}, "3": {EIO: 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connected, gone := make(chan *socket.Socket, 1), make(chan struct{})
			s := siotest.Config{Options: o}.NewServer(t, func(io *socket.Server) {
				_ = io.On("connection", func(args ...any) {
					s := args[0].(*socket.Socket)
					_ = s.On("disconnect", func(...any) { close(gone) })
					connected <- s
				})
			})
			c := s.Dial(t, d)
			so := <-connected
			a := so.Nsp().Adapter()
			ctx, cancel := context.WithCancel(t.Context())
			rooms.Join(ctx, so, "a")
			leaving := rooms.LeavingOf(so)
			mine := a.SocketRooms(so.Id())
			leaving.Left() // it is there: nothing happens
			if got := a.SocketRooms(so.Id()); got == nil || !got.Has("a") {
				t.Fatalf("rooms %v", got)
			}
			c.Close()
			<-gone
			cancel()
			nowhere := func() {
				t.Helper()
				if got := a.SocketRooms(so.Id()); got != nil || a.Rooms().Len() != 0 {
					t.Errorf("it has gone, and is in %v", got)
				}
			}
			late(so, "b")
			if a.SocketRooms(so.Id()) == nil || a.Rooms().Len() == 0 {
				t.Fatal("the host does not remember it: nothing is to be mended")
			}
			leaving.Left()
			nowhere()
			late(so, "c") // its own Join does so
			rooms.Join(ctx, so, "c")
			nowhere()
			// The host has dropped the list of a socket, which our code had not seen,
			// while it added the socket to the room of its ID.
			own := socket.Room(so.Id())
			a.Rooms().Store(own, types.NewSet(so.Id()))
			rooms.LeavingOf(so).Left()
			nowhere()
			late(so, "of one that is being recovered")
			rooms.Join(ctx, so, "c")
			if got := a.Rooms().Keys(); len(got) != 1 {
				t.Errorf("in %v", got)
			}
			leaving.Left()
			torn(so, mine, "d")
			leaving.Left()
			if got := a.Rooms().Keys(); len(got) > 0 {
				t.Errorf("it has gone, and is in %v", got)
			}
			torn(so, types.NewSet[socket.Room](), "e") // nobody's list
			rooms.Join(ctx, so, "e")
			if got := a.Rooms().Keys(); len(got) > 0 {
				t.Errorf("it has gone, and is in %v", got)
			}
		})
	}
}

// TestNext: with Engine.IO 3 a socket that comes back has the ID of the previous one.
func TestNext(t *testing.T) {
	t.Parallel()
	o := socket.DefaultServerOptions()
	o.SetAllowEIO3(true)
	connected := make(chan *socket.Socket, 2)
	s := siotest.Config{Options: o}.NewServer(t, func(io *socket.Server) {
		_ = io.Of("/x", nil).On("connection", func(args ...any) { connected <- args[0].(*socket.Socket) })
	})
	c := s.Dial(t, siotest.Dial{EIO: 3, Namespace: "/x"})
	first := <-connected
	leaving := rooms.LeavingOf(first)
	c.Leave(t, "/x")
	c.Connect("/x", nil)
	second := <-connected
	if first.Id() != second.Id() {
		t.Fatalf("%s and %s", first.Id(), second.Id())
	}
	second.Join("a")
	leaving.Left()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	rooms.Join(gone, first, "a")
	if !second.Rooms().Has("a") {
		t.Error("the second one has lost its rooms")
	}
}

// TestMend: a socket that was taken along is in the room again once the last one has
// left.
func TestMend(t *testing.T) {
	t.Parallel()
	connected := make(chan *socket.Socket, 3)
	s := siotest.NewServer(t, func(io *socket.Server) {
		_ = io.On("connection", func(args ...any) { connected <- args[0].(*socket.Socket) })
	})
	var all [3]*socket.Socket
	for i := range all {
		s.Dial(t, siotest.Dial{})
		all[i] = <-connected
	}
	goes, comes, left := all[0], all[1], all[2]
	a := goes.Nsp().Adapter()
	goes.Join("r")
	leaving := rooms.LeavingOf(goes)
	ids, _ := a.Rooms().Load("r")
	goes.Leave("r")
	// As if it had found the room just before it was dropped.
	a.SocketRooms(comes.Id()).Add("r")
	ids.Add(comes.Id())
	ids.Add(left.Id())
	leaving.Mend()
	got, ok := a.Rooms().Load("r")
	if !ok || !got.Has(comes.Id()) || got.Len() != 1 {
		t.Errorf("in the room: %v, want %s alone", got, comes.Id())
	}
}

// TestDropped: a socket whose rooms the host drops while, or just before, it joins is not in
// the room.
func TestDropped(t *testing.T) {
	t.Parallel()
	for name, drop := range map[string]func(a socket.Adapter, id socket.SocketId){
		"meanwhile": func(a socket.Adapter, id socket.SocketId) { // the list has it already, but not the room
			_ = a.On("join-room", func(...any) { a.SocketRooms(id).Delete("r") })
		},
		"before": socket.Adapter.DelAll,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			connected := make(chan *socket.Socket, 1)
			s := siotest.NewServer(t, func(io *socket.Server) {
				_ = io.On("connection", func(args ...any) { connected <- args[0].(*socket.Socket) })
			})
			s.Dial(t, siotest.Dial{})
			so := <-connected
			a := so.Nsp().Adapter()
			drop(a, so.Id())
			rooms.Join(t.Context(), so, "r")
			if got, ok := a.Rooms().Load("r"); ok {
				t.Errorf("in the room: %v", got.Keys())
			}
		})
	}
}

// TestJoinTogether: none of those that join as the last one leaves is missing.
func TestJoinTogether(t *testing.T) {
	t.Parallel()
	connected := make(chan *socket.Socket, 2)
	s := siotest.NewServer(t, func(io *socket.Server) {
		_ = io.On("connection", func(args ...any) { connected <- args[0].(*socket.Socket) })
	})
	var both [2]*socket.Socket
	for i := range both {
		s.Dial(t, siotest.Dial{})
		both[i] = <-connected
	}
	goes, comes := both[0], both[1]
	a := goes.Nsp().Adapter()
	rounds := 50_000
	if testing.Short() {
		rounds = 5_000
	}
	for range rounds {
		goes.Join("r")
		leaving := rooms.LeavingOf(goes)
		var wg sync.WaitGroup
		wg.Go(func() { goes.Leave("r"); leaving.Mend() })
		wg.Go(func() { rooms.Join(t.Context(), comes, "r") })
		wg.Wait()
		if ids, ok := a.Rooms().Load("r"); !ok || !ids.Has(comes.Id()) {
			t.Fatal("lost")
		}
		comes.Leave("r")
	}
}

// TestGoesAndJoins: a socket that leaves while it joins is in no room afterwards.
func TestGoesAndJoins(t *testing.T) {
	t.Parallel()
	rounds := 400
	if testing.Short() {
		rounds = 50
	}
	s := siotest.NewServer(t, nil)
	s.IO.Use(func(so *socket.Socket, next func(*socket.ExtendedError)) {
		ctx, cancel := context.WithCancel(context.Background())
		var leaving atomic.Pointer[rooms.Leaving] // both events may come twice, concurrently
		_ = so.On("disconnecting", func(...any) { leaving.CompareAndSwap(nil, rooms.LeavingOf(so)) })
		_ = so.On("disconnect", func(...any) {
			cancel()
			leaving.Load().Left()
			leaving.Load().Mend()
		})
		so.SetData(ctx)
		next(nil)
	})
	_ = s.IO.On("connection", func(args ...any) {
		so := args[0].(*socket.Socket)
		go so.Disconnect(false)
		for i := range 8 {
			rooms.Join(so.Data().(context.Context), so, socket.Room(rune('a'+i)))
		}
	})
	for range rounds {
		c := s.Dial(t, siotest.Dial{})
		c.Connected(t)
		c.Close()
	}
	siotest.Eventually(t, "all rooms are empty", func() bool {
		return s.IO.Sockets().Sockets().Len() == 0 && s.IO.Sockets().Adapter().Rooms().Len() == 0
	})
}
