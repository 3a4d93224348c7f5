// Package rooms mends the rooms of the host, whose adapter takes no lock.
//
// In v2.5.0 a socket that goes while it joins may stay in the room: it leaves its rooms
// before it may join no more (socket/socket.go:642, socket/adapter.go:80 and :130). Its
// client, who says when it goes, could make a node remember more and more of those. And
// the last one that leaves a room may take along who joins just then
// (socket/adapter.go:119): a page that is loaded again, in the room of its user.
package rooms

import (
	"context"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// Join is s.Join(room) for a socket whose context is ctx. If that has ended, the socket is
// in no room afterwards: where [Forget] is called once the context has ended, one of the
// two comes last.
func Join(ctx context.Context, s *socket.Socket, room socket.Room) {
	s.Join(room)
	if ctx.Err() != nil {
		Forget(s)
		return
	}
	keep(s, room)
}

// keep has s join a room again that it believes to be in, and that does not know it.
func keep(s *socket.Socket, room socket.Room) {
	a := s.Nsp().Adapter()
	if mine := a.SocketRooms(s.Id()); mine == nil || !mine.Has(room) {
		return // it has left
	}
	if ids, ok := a.Rooms().Load(room); !ok || !ids.Has(s.Id()) {
		s.Join(room)
	}
}

// Leaving are the rooms of a socket that is about to go, and is the last one there.
type Leaving struct {
	nsp   socket.Namespace
	rooms map[socket.Room]*types.Set[socket.SocketId]
}

// few is how many sockets of a room may be going at one time.
const few = 4

// LeavingOf returns them. It is to be called before s leaves, on "disconnecting".
func LeavingOf(s *socket.Socket) *Leaving {
	l := &Leaving{nsp: s.Nsp()}
	mine := s.Rooms()
	if mine == nil {
		return l
	}
	for _, room := range mine.Keys() {
		if room == socket.Room(s.Id()) {
			continue
		}
		if ids, ok := l.nsp.Adapter().Rooms().Load(room); ok && ids.Len() <= few {
			if l.rooms == nil {
				l.rooms = make(map[socket.Room]*types.Set[socket.SocketId])
			}
			l.rooms[room] = ids
		}
	}
	return l
}

// Mend has those that were taken along join again. It is to be called when the socket has
// left, on "disconnect".
func (l *Leaving) Mend() {
	if l == nil {
		return
	}
	for room, ids := range l.rooms {
		for _, id := range ids.Keys() {
			if s, ok := l.nsp.Sockets().Load(id); ok {
				keep(s, room)
			}
		}
	}
}

// Forget takes s, which has gone, out of all rooms. With Engine.IO 3 the next socket of
// the same connection has its ID: there it does so once that is closed.
func Forget(s *socket.Socket) {
	if s.Conn().Protocol() == 3 && s.Conn().ReadyState() != "closed" {
		return
	}
	if _, there := s.Nsp().Sockets().Load(s.Id()); there {
		return
	}
	if a := s.Nsp().Adapter(); a.SocketRooms(s.Id()) != nil {
		a.DelAll(s.Id())
	}
}
