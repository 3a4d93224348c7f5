// Package rooms repairs the rooms of the host, whose adapter takes no lock.
//
// In v2.5.0 a socket that leaves while it joins may stay in the room: it leaves its rooms
// before it is kept from joining more (socket/socket.go:642, socket/adapter.go:93 and
// :130). Its client, who decides when to leave, could make a node remember ever more of
// those. And the last socket that leaves a room may take along one that is just joining
// (socket/adapter.go:121): a page that is reloaded, in the room of its user.
//
// State recovery gives a socket the ID of the one whose state it gets. If a client comes
// back twice with the same state, the first of the two sockets may still be there. Rooms
// and namespaces know sockets by their IDs alone, so the end of the first takes the second
// out of all of them (socket/namespace.go:375, socket/adapter.go:130).
package rooms

import (
	"context"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// Join is s.Join(room) for a socket whose context is ctx, but not while the host connects
// it. If ctx has ended, the socket is not in the room afterwards, provided that
// [Leaving.Left] is called after the context has ended: one of the two comes last.
func Join(ctx context.Context, s *socket.Socket, room socket.Room) {
	a := s.Nsp().Adapter()
	alone := s.Connected() && !s.Recovered() && s.Conn().Protocol() != 3 // no other socket has its ID
	before := a.SocketRooms(s.Id())
	s.Join(room)
	// Another list, without the socket's own room, was made for this room alone, after the
	// host had dropped the first. If it is closing the socket twice, concurrently, it may
	// drop this one too, without a look at what is on it, and Left would find nothing.
	after := a.SocketRooms(s.Id())
	dropped := alone && after != before && (after == nil || !after.Has(socket.Room(s.Id())))
	if ctx.Err() != nil || dropped {
		Drop(s, room)
		return
	}
	keep(s, room)
}

// Drop takes s, which has left, out of room, unless its ID is, or may be, that of another
// socket: with Engine.IO 3 the next one of the same connection, or one that the host
// recovers. The room then goes with that socket.
func Drop(s *socket.Socket, room socket.Room) {
	if s.Conn().Protocol() == 3 && s.Conn().ReadyState() != "closed" {
		return // see Left
	}
	if other, there := s.Nsp().Sockets().Load(s.Id()); there && other != s {
		return
	}
	// Not DelAll: the socket's own list may have been dropped while the room was being
	// added to it (socket/adapter.go:94 and :135), and a list that is there now may be
	// that of a socket that is being recovered.
	a := s.Nsp().Adapter()
	a.Del(s.Id(), room)
	if mine := a.SocketRooms(s.Id()); mine != nil && mine.Len() == 0 {
		a.DelAll(s.Id())
	}
}

// keep makes s join a room again that s has on its list, but that does not have s.
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
	// It may have left in the middle, and have been dropped: then its list does not have
	// the room, and Left would not find it. If it is listed and there, Left has yet to
	// come.
	_, there := s.Nsp().Sockets().Load(s.Id())
	if !there || in() && !listed() {
		Drop(s, room)
	}
}

// Leaving is a socket that is about to leave, and the rooms of which it is among the
// last.
type Leaving struct {
	nsp  socket.Namespace
	id   socket.SocketId
	mine *types.Set[socket.Room] // the host's
	last map[socket.Room]*types.Set[socket.SocketId]

	heir   *socket.Socket // has the same ID, on another connection, or nil
	theirs []socket.Room  // of heir, and of the socket that leaves
}

// few is how many sockets of a room may be leaving at the same time.
const few = 4

// LeavingOf returns the Leaving of s. Call it before s leaves, on "disconnecting".
func LeavingOf(s *socket.Socket) *Leaving {
	l := &Leaving{nsp: s.Nsp(), id: s.Id(), mine: s.Nsp().Adapter().SocketRooms(s.Id())}
	if l.mine == nil {
		return l
	}
	if other, there := l.nsp.Sockets().Load(l.id); there && other.Client() != s.Client() {
		l.heir, l.theirs = other, l.mine.Keys()
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

// Restore puts the socket that has the ID of s, which has left, back into its namespace and
// rooms. Call it on "disconnect", before [Leaving.Left].
func (l *Leaving) Restore(s *socket.Socket) {
	forget(s) // s may have been put back itself while it left
	heir := l.heir
	if heir == nil {
		return
	}
	if _, there := l.nsp.Sockets().LoadOrStore(l.id, heir); there {
		return
	}
	for _, room := range l.theirs {
		heir.Join(room)
	}
	if !heir.Connected() {
		forget(heir)
	}
}

// forget takes s, which has left, out of its namespace and rooms if it is there again.
func forget(s *socket.Socket) {
	nsp := s.Nsp()
	if other, there := nsp.Sockets().Load(s.Id()); there && other == s {
		nsp.Sockets().Delete(s.Id())
		nsp.Adapter().DelAll(s.Id())
	}
}

// Mend makes sockets that were taken along join again. Call it when the socket has left,
// on "disconnect".
func (l *Leaving) Mend() {
	for room, ids := range l.last {
		for _, id := range ids.Keys() {
			if s, ok := l.nsp.Sockets().Load(id); ok {
				keep(s, room)
			}
		}
	}
}

// Left takes the socket out of the rooms that it has joined meanwhile, of those on the
// list that it had, and of the one that the host makes it join as it connects, for which
// there may have been no list. Call it after its context has ended; with Engine.IO 3
// after the connection has closed, since the next socket of the connection has its ID.
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
