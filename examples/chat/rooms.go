package main

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// Limits on rooms. A room opened by somebody disappears with the last person in it.
const (
	maxRooms    = 12
	maxRoomName = 20 // characters
)

// standing are the rooms that always exist; people enter the first one.
var standing = []string{"lobby", "kitchen", "workshop"}

// place is the room of presence and of Socket.IO for one of the chat. Without a prefix it
// could have the same name as the ID of a socket, which is a room of the host's.
func place(room string) string { return "room:" + room }

// seat is the metadata of a device in its room.
type seat struct {
	profile
	Typing bool `json:"typing,omitempty"`
}

// whereabouts is the metadata of a device outside of rooms, from which a node that starts
// learns which rooms exist.
type whereabouts struct {
	Room string `json:"room"`
}

// checkRoom maps names that look alike to one.
func checkRoom(arg any) (any, error) {
	name, _ := arg.(string)
	name = strings.ToLower(strings.Join(strings.Fields(name), " "))
	switch {
	case name == "":
		return nil, &wrap.Error{Code: "room_missing", Message: "A room needs a name"}
	case utf8.RuneCountInString(name) > maxRoomName:
		return nil, &wrap.Error{
			Code: "room_too_long", Message: "The name of the room is too long",
			Data: map[string]any{"max": maxRoomName},
		}
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return nil, &wrap.Error{Code: "room_invalid", Message: "The name of the room has invisible characters"}
	}
	return name, nil
}

// settle gives a new socket its place: a guest the nickname, and everybody the room that
// the page was in before, if it names one and may enter. It returns false if that fails.
func (c *chat) settle(s *socket.Socket, v *visitor) bool {
	ctx, cancel := brief()
	defer cancel()
	if v.Guest {
		if err := c.hold(ctx, s, v); err != nil {
			wrap.Kick(s, err)
			return false
		}
	}
	auth, _ := s.Handshake().Auth.(map[string]any)
	for _, wish := range []any{auth["room"], standing[0]} {
		room, err := checkRoom(wish)
		if err == nil && c.move(s, v, room.(string)) == nil {
			return true
		}
	}
	return false
}

// move takes a socket from its room to another one, which it opens if necessary, and
// welcomes it there.
func (c *chat) move(s *socket.Socket, v *visitor, room string) any {
	ctx, cancel := brief()
	defer cancel()
	v.mu.Lock()
	defer v.mu.Unlock()
	if room != v.room {
		if err := c.change(ctx, s, v, room); err != nil {
			return err
		}
	}
	c.roster.welcome(ctx, s, v)
	return nil
}

// change is move without the welcome. v.mu is held.
func (c *chat) change(ctx context.Context, s *socket.Socket, v *visitor, room string) any {
	if !c.roster.open(room) {
		return &wrap.Error{
			Code: "rooms_full", Message: "There are too many rooms",
			RetryAfter: time.Minute, Data: map[string]any{"max": maxRooms},
		}
	}
	err := c.online.Join(ctx, s, place(room), seat{profile: v.profile})
	if err != nil && !errors.Is(err, presence.ErrUnavailable) { // others learn of it later
		c.roster.recount(room)
		return refused(err)
	}
	c.stopTyping(v)
	if v.room != "" {
		_ = c.online.Leave(ctx, s, place(v.room)) // fails if the socket has gone, and has left everything
	}
	_ = c.online.Update(ctx, s, "", whereabouts{room})
	v.room = room
	return nil
}
