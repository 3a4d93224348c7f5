package main

import (
	"log/slog"
	"time"

	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// typingFor is how long somebody counts as typing after the page last said so.
const typingFor = 3 * time.Second

// newOnline returns the tracker of who is online. The page gets the members of its room
// with the event "online"; see roster.go for what else it learns about them.
func newOnline(c config, st *stores, log *slog.Logger) (*presence.Tracker, error) {
	grace := c.grace
	if grace == 0 {
		grace = -1 // none; in Options, 0 means the default
	}
	online, err := presence.New(whose, &presence.Options{
		Store: st.online, Grace: grace, MaxDevices: c.devices, MaxClients: maxPeople, Logger: log,
	})
	if err != nil {
		return nil, err
	}
	online.Broadcast("online")
	return online, nil
}

// whose returns the ID of a socket's user, which admit has set.
func whose(s *socket.Socket) (string, bool) {
	v, ok := s.Data().(*visitor)
	if !ok {
		return "", false
	}
	return v.user, true
}

// setTyping sets the typing mark of a socket, for a while, or removes it. The others are
// told when it changes; a page that goes on typing costs nothing.
func (c *chat) setTyping(s *socket.Socket, v *visitor, on bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	was := v.typing
	c.stopTyping(v)
	if v.room == "" || !on && !was {
		return
	}
	if on {
		v.typing = true
		v.stops = time.AfterFunc(typingFor, func() { c.setTyping(s, v, false) })
	}
	if on == was {
		return
	}
	ctx, cancel := brief()
	defer cancel()
	if err := c.online.Update(ctx, s, place(v.room), seat{v.profile, on}); err != nil && !on {
		c.roster.look(v.room, v.user) // the socket has gone, and its mark with it
	}
}

// stopTyping clears the mark. v.mu is held.
func (c *chat) stopTyping(v *visitor) {
	v.typing = false
	if v.stops != nil {
		v.stops.Stop()
	}
}

func (c *chat) setAway(s *socket.Socket, away bool) any {
	ctx, cancel := brief()
	defer cancel()
	return refused(c.online.Away(ctx, s, away))
}

// leave is for people who say that they leave: they are gone at once. Those who only
// disconnect are not, as their page may be reloading.
func (c *chat) leave(s *socket.Socket) any {
	ctx, cancel := brief()
	defer cancel()
	return refused(c.online.Leave(ctx, s, ""))
}

// parcel is the form of a private message:
//
//	{data: {action, payload}, meta: {timestamp, client, target}}
type parcel struct {
	Data struct {
		Action  string         `json:"action"`
		Payload map[string]any `json:"payload"`
	} `json:"data"`
	Meta struct {
		Timestamp int64  `json:"timestamp"` // Unix milliseconds
		Client    string `json:"client"`    // the user who sent it
		Target    string `json:"target"`
	} `json:"meta"`
}

// exchange sends a private message to all devices of its target, and tells the sender the
// outcome. Somebody whose connection is lost stays online for the grace period but has no
// device: the message would reach nobody, so that person counts as offline here.
func (c *chat) exchange(v *visitor, arg any) any {
	l := arg.(letter)
	ctx, cancel := brief()
	defer cancel()
	all, err := c.online.Status(ctx, l.target)
	if err != nil {
		return refused(err)
	}
	if len(all[0].Devices) == 0 {
		return map[string]any{"outcome": "offline"}
	}
	var p parcel
	p.Data.Action, p.Data.Payload = "exchange", map[string]any{"msg": l.text}
	p.Meta.Timestamp, p.Meta.Client, p.Meta.Target = time.Now().UnixMilli(), v.user, l.target
	_ = c.to(c.online.Room(l.target), all[0].Stale).Emit("exchange", p)
	return map[string]any{"outcome": "delivered"}
}

// signOutOthers ends the connections of all other devices of v. Their logins remain:
// somebody who has lost a device signs out everywhere (accounts.go).
func (c *chat) signOutOthers(s *socket.Socket, v *visitor) any {
	ctx, cancel := brief()
	defer cancel()
	n, err := c.online.Kick(ctx, v.user, presence.Except(s), presence.Reason("signed out by another of your devices"))
	if err != nil {
		return refused(err)
	}
	return map[string]any{"devices": n}
}

// refused returns what a client is told if presence fails: because the socket has just
// gone, the store is away, or the server is shutting down.
func refused(err error) any {
	if err == nil {
		return nil
	}
	return &wrap.Error{Code: "unavailable", Err: err}
}
