// Package recovery keeps the host's connection state recovery from giving the rooms of
// one client to another. With a state comes everything that its socket could receive, and
// anybody who knows the state's id may ask for it.
package recovery

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/sioware/sioware/internal/rooms"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

var errSkips = errors.New("state recovery skips middlewares, so that anybody could come back as anybody: set SkipMiddlewares(false), as wrap.Harden does")

// Check refuses s if the host would restore sockets without running middlewares
// (socket/namespace.go:270). Middlewares never see restored sockets then, so all others
// are refused: the mistake is noticed before there is anything to restore.
func Check(s *socket.Socket) error {
	if r := s.Nsp().Server().Opts().ConnectionStateRecovery(); r != nil && r.SkipMiddlewares() {
		return &wrap.Error{Err: errSkips}
	}
	return nil
}

// Room returns the room of the sockets of one owner. Its name does not reveal the owner.
func Room(kind, owner string) socket.Room {
	hash := sha256.Sum256([]byte(owner))
	var text [22]byte // of 16 bytes
	base64.RawURLEncoding.Encode(text[:], hash[:16])
	return socket.Room("sioware:" + kind + ":" + string(text[:]))
}

// Kept reports whether the state of s is kept when its connection is lost.
func Kept(s *socket.Socket) bool { return s.Nsp().Server().Opts().ConnectionStateRecovery() != nil }

// Owned reports whether s has come back with the state of a socket that had an owner of
// this kind, or may have: without any room, not even its own, it has lost them all to the
// end of another socket with its ID, and nobody can tell (see package rooms).
func Owned(s *socket.Socket, kind string) bool {
	if !s.Recovered() {
		return false
	}
	all := s.Rooms().Keys()
	for _, room := range all {
		if strings.HasPrefix(string(room), "sioware:"+kind+":") {
			return true
		}
	}
	return len(all) == 0
}

// Foreign reports whether s has come back with the state of a socket that was not in
// room.
func Foreign(s *socket.Socket, room socket.Room) bool {
	return s.Recovered() && !s.Rooms().Has(room)
}

// Follow makes s join the room that room returns once the host has connected it, if its
// state can be recovered: the room comes back with it. A middleware must not join rooms
// itself, since a refused socket would stay in them.
func Follow(s *socket.Socket, room func() socket.Room) {
	if Kept(s) {
		wrap.Watch(s, wrap.Hooks{Connected: func() { rooms.Join(wrap.Context(s), s, room()) }})
	}
}
