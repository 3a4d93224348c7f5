package main

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// chat is a set of rooms. A page is in one of them at a time, and no two people in the
// chat have the same nickname.
type chat struct {
	io     *socket.Server
	auth   *jwtauth.Auth[jwtauth.Claims]
	log    *slog.Logger
	logs   *logging.Logger
	names  *names
	online *presence.Tracker
	roster *roster
}

// visitor is what the chat knows about one socket; it is the socket's Data.
type visitor struct {
	user string // the ID for presence: who sees whom, and who gets messages; see names.go
	profile

	mu     sync.Mutex // also held while presence is updated, to keep updates in order
	room   string     // "" until it has entered one
	typing bool
	stops  *time.Timer // typing
}

// profile is what others see of a visitor.
type profile struct {
	Nickname string `json:"nickname"`
	Guest    bool   `json:"guest"`
}

// message is what everyone in a room gets for a message or an announcement.
type message struct {
	Room     string `json:"room"`
	Nickname string `json:"nickname"`
	Text     any    `json:"text"`
	At       int64  `json:"at"` // Unix milliseconds
}

// newChat turns io into a chat.
func newChat(io *socket.Server, s *services) *chat {
	c := &chat{
		io: io, auth: s.accounts.auth, log: s.log, logs: s.logs, names: s.names, online: s.online,
	}

	// For every socket, in every namespace, in this order.
	wrap.UseAll(io,
		s.logs.Middleware(),                        // what becomes of it is logged and counted
		wrap.Require(),                             // it came through wrap.Handler, so the HTTP middlewares ran
		s.limiters.door.Middleware(),               // its address has not tried too often, nor has too many
		c.auth.Middleware(),                        // its token is good, or it is a guest's; "auth:refresh" ends here
		s.limiters.talk.Middleware(),               // it is not banned, and sends no more than it may
		s.names.sessions.Middleware(),              // its browser has a session
		wrap.Named("nickname", wrap.Func(c.admit)), // it has a nickname
		c.online.Middleware(),                      // its user is online
		c.auth.Events(may),                         // each of its events is allowed for its user
		wrap.Packet(check),                         // and is known, and well-formed
	)
	c.roster = newRoster(io, s.online, s.log) // after UseAll, which changes how it sends
	_ = io.On("connection", func(args ...any) { c.enter(args[0].(*socket.Socket)) })
	return c
}

// enter is the "connection" handler.
func (c *chat) enter(s *socket.Socket) {
	v := s.Data().(*visitor)
	if v.Guest {
		c.names.remember(s, v.Nickname)
	}
	for _, event := range []string{"message", "announce"} {
		handle(s, event, func(text any) any { return c.say(s, v, event, text) })
	}
	handle(s, "room", func(name any) any { return c.move(s, v, name.(string)) })
	handle(s, "exchange", func(letter any) any { return c.exchange(v, letter) })
	handle(s, "typing", func(any) any { c.setTyping(s, v, true); return nil })
	handle(s, "away", func(away any) any { return c.setAway(s, away == true) })
	handle(s, "leave", func(any) any { return c.leave(s) })
	handle(s, "sign-out-others", func(any) any { return c.signOutOthers(s, v) })

	if !c.settle(s, v) {
		return // it has left already, or was kicked at once
	}
	log, _ := c.logs.From(s)
	log.Info("entered", "nickname", v.Nickname, "request", requestIDFrom(wrap.Context(s)))
}

// say sends a text to everyone in the room of its sender.
func (c *chat) say(s *socket.Socket, v *visitor, event string, text any) any {
	c.setTyping(s, v, false)
	v.mu.Lock()
	room := v.room
	v.mu.Unlock()
	if room == "" {
		return &wrap.Error{Code: "unavailable"} // it has not entered yet
	}
	ctx, cancel := brief()
	defer cancel()
	_, err := c.online.Count(ctx, place(room))
	to := c.to(socket.Room(place(room)), errors.Is(err, presence.ErrStale))
	_ = to.Emit(event, message{room, v.Nickname, text, time.Now().UnixMilli()})
	return nil
}

// to returns an operator that sends to a room. While Redis does not answer the adapter
// would silently drop the message, even for the sockets of this node: then send only to
// those.
func (c *chat) to(room socket.Room, stale bool) *socket.BroadcastOperator {
	if stale {
		return c.io.Local().To(room)
	}
	return c.io.To(room)
}
