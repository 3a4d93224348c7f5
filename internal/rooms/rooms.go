// Package rooms mends the rooms of the host, whose adapter takes no lock.
//
// In v2.5.0 a socket that goes while it joins may stay in the room: it leaves its rooms
// before it may join no more (socket/socket.go:642, socket/adapter.go:93 and :130). Its
// client, who says when it goes, could make a node remember more and more of those. And
// the last one that leaves a room may take along who joins just then
// (socket/adapter.go:121): a page that is loaded again, in the room of its user.
package rooms

import (
	"context"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// Join is s.Join(room) for a socket whose context is ctx. If that has ended, the socket is
// not in the room afterwards: where [Leaving.Left] is called once the context has ended, one
// of the two comes last.
func Join(ctx context.Context, s *socket.Socket, room socket.Room) {
	s.Join(room)
	if ctx.Err() != nil {
		Drop(s, room)
		return
	}
	keep(s, room)
}

// Drop takes s, which has gone, out of room. With Engine.IO 3 the next socket of the same
// connection has its ID, and one that the host recovers has it too: the room goes with
// those.
func Drop(s *socket.Socket, room socket.Room) {
	if s.Conn().Protocol() == 3 && s.Conn().ReadyState() != "closed" {
		return // see Left
	}
	if other, there := s.Nsp().Sockets().Load(s.Id()); there && other != s {
		return
	}
	// Not DelAll: the socket's own list may have been dropped while the room was written
	// to it (socket/adapter.go:94 and :135), and another one may be that of a socket that
	// is being recovered.
	a := s.Nsp().Adapter()
	a.Del(s.Id(), room)
	if mine := a.SocketRooms(s.Id()); mine != nil && mine.Len() == 0 {
		a.DelAll(s.Id())
	}
}

// keep has s join a room again that it believes to be in, and that does not know it.
func keep(s *socket.Socket, room socket.Room) {
	a := s.Nsp().Adapter()
	in := func() bool { ids, ok := a.Rooms().Load(room); return ok && ids.Has(s.Id()) }
	listed := func() bool { mine := a.SocketRooms(s.Id()); return mine != nil && mine.Has(room) }
	if listed() {
		if in() {
			return
		}
		s.Join(room)
	}
	// It may have left in the middle, and have been dropped: then its list does not have the
	// room, and Left would not find it. If it is listed and there, Left has yet to come.
	_, there := s.Nsp().Sockets().Load(s.Id())
	if !there || in() && !listed() {
		Drop(s, room)
	}
}

// Leaving is a socket that is about to go, and the rooms where it is the last one.
type Leaving struct {
	nsp  socket.Namespace
	id   socket.SocketId
	mine *types.Set[socket.Room] // the host's
	last map[socket.Room]*types.Set[socket.SocketId]
}

// few is how many sockets of a room may be going at one time.
const few = 4

// LeavingOf returns it. It is to be called before s leaves, on "disconnecting".
func LeavingOf(s *socket.Socket) *Leaving {
	l := &Leaving{nsp: s.Nsp(), id: s.Id(), mine: s.Nsp().Adapter().SocketRooms(s.Id())}
	if l.mine == nil {
		return l
	}
	for _, room := range l.mine.Keys() {
		if room == socket.Room(s.Id()) {
			continue
		}
		if ids, ok := l.nsp.Adapter().Rooms().Load(room); ok && ids.Len() <= few {
			if l.last == nil {
				l.last = make(map[socket.Room]*types.Set[socket.SocketId])
			}
			l.last[room] = ids
		}
	}
	return l
}

// Mend has those that were taken along join again. It is to be called when the socket has
// left, on "disconnect".
func (l *Leaving) Mend() {
	for room, ids := range l.last {
		for _, id := range ids.Keys() {
			if s, ok := l.nsp.Sockets().Load(id); ok {
				keep(s, room)
			}
		}
	}
}

// Left takes the socket out of the rooms that it has joined meanwhile, of those in the
// list that it had, and of the one that the host has it join as it connects, for which
// there may have been no list. It is to be called once its context has ended; with Engine.IO 3 once the
// connection has closed, since the next socket of the connection has its ID.
func (l *Leaving) Left() {
	if _, there := l.nsp.Sockets().Load(l.id); there {
		return
	}
	a := l.nsp.Adapter()
	if a.SocketRooms(l.id) != nil {
		a.DelAll(l.id)
	}
	all := []socket.Room{socket.Room(l.id)}
	if l.mine != nil {
		all = append(all, l.mine.Keys()...)
	}
	for _, room := range all {
		if ids, ok := a.Rooms().Load(room); ok && ids.Has(l.id) {
			a.Del(l.id, room)
		}
	}
}
