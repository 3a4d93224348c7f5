package main

import (
	"log/slog"
	"time"

	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// typingFor is how long somebody types after the last time that the page has said so.
const typingFor = 3 * time.Second

// newOnline returns what knows who is online. The page gets the members of its room with
// the event "online"; see roster.go for what it learns of them besides.
func newOnline(c config, st *stores, log *slog.Logger) (*presence.Tracker, error) {
	grace := c.grace
	if grace == 0 {
		grace = -1 // none; for Options 0 is the default
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

// whose returns the ID of a socket's user, which admit has found out before.
func whose(s *socket.Socket) (string, bool) {
	v, ok := s.Data().(*visitor)
	if !ok {
		return "", false
	}
	return v.user, true
}

// setTyping sets the mark of a socket, for a while, or takes it away. The others hear of
// it if it changes; that a page goes on typing costs nothing.
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

// stopTyping forgets the mark. v.mu is held.
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

// leave is for who says so: he is gone at once. Who only disconnects is not, as his page
// may be loading again.
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
		Client    string `json:"client"`    // who has sent it, as a user
		Target    string `json:"target"`
	} `json:"meta"`
}

// exchange hands a private message to all devices of its target, and tells the sender
// what has become of it. Somebody whose connection is lost is online for the grace, and
// has no device: what was sent would reach nobody, so that he counts as offline here.
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

// signOutOthers ends the connections of all other devices of v. Their logins last: who
// has lost a device signs out everywhere (accounts.go).
func (c *chat) signOutOthers(s *socket.Socket, v *visitor) any {
	ctx, cancel := brief()
	defer cancel()
	n, err := c.online.Kick(ctx, v.user, presence.Except(s), presence.Reason("signed out by another of your devices"))
	if err != nil {
		return refused(err)
	}
	return map[string]any{"devices": n}
}

// refused is what a client is told if presence has not done something: that the socket
// has just gone, the store is away, or the server is shutting down.
func refused(err error) any {
	if err == nil {
		return nil
	}
	return &wrap.Error{Code: "unavailable", Err: err}
}
