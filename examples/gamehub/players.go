package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// patience is how many heart-beats a client may leave unanswered.
const patience = 2

// enter is the "connection" handler, for new players and for those who come back. They
// are told what they may have missed.
func (h *hub) enter(s *socket.Socket) {
	signs := make(chan struct{}, 1) // of life
	s.SetData(signs)
	h.tasks.Go(func() { h.listen(s, signs) })

	who, _ := h.online.From(s)
	h.mu.Lock()
	defer h.mu.Unlock()
	welcome := map[string]any{"openid": who.User, "table": nil}
	if t := h.tables[who.User]; t != nil {
		welcome["table"] = t.snapshot()
	}
	_ = s.Emit("welcome", welcome)
}

// listen sends heart-beats, and tells presence whether anybody answers. A phone that has
// put the mini program in the background may keep the connection for a while.
func (h *hub) listen(s *socket.Socket, signs <-chan struct{}) {
	ctx := wrap.Context(s)
	tick := time.NewTicker(h.beat)
	defer tick.Stop()
	for silent, told := 0, false; ; {
		select {
		case <-ctx.Done():
			return
		case <-signs:
			silent = 0
		case <-tick.C:
			silent++ // until it answers
			_ = s.Emit("beat_req")
		}
		if away := silent > patience; away != told {
			told = away
			_ = h.online.Away(ctx, s, away) // fails if the socket has gone
		}
	}
}

// command gets each event of a client. Its error is sent through the ack.
func (h *hub) command(_ context.Context, s *socket.Socket, e *wrap.Event) error {
	if signs, ok := s.Data().(chan struct{}); ok {
		select {
		case signs <- struct{}{}:
		default:
		}
	}
	if e.Name == "beat_res" {
		return wrap.ErrHandled
	}
	who, _ := h.online.From(s)
	h.mu.Lock()
	defer h.mu.Unlock()
	if wrap.Context(s).Err() != nil {
		return wrap.ErrHandled // it has gone, and takes no seat
	}
	t := h.tables[who.User]
	switch {
	case e.Name == "join" && t == nil:
		t = h.seat(who.User)
	case e.Name == "join": // the player already has a seat
	case e.Name != "move" && e.Name != "leave":
		return errForbidden
	case t == nil:
		return errNoTable
	case e.Name == "leave":
		h.giveUp(t, who.User, "left")
	default:
		if err := t.move(who.User, e.Args); err != nil {
			return err
		}
		h.show(t)
	}
	if e.Ack != nil {
		e.Ack([]any{t.snapshot()}, nil)
	}
	return wrap.ErrHandled
}

// changed is called by presence when somebody has come, gone or changed. Losing the
// connection and coming back within the grace period is not a change: nothing here
// notices it.
func (h *hub) changed(c presence.Change) {
	switch c.Kind {
	case presence.Offline:
		h.set(presence.Status{User: c.User})
	case presence.Updated:
		h.set(presence.Status{User: c.User, Online: true, Away: c.Away})
	case presence.Missed: // so ask
		h.mu.Lock()
		players := slices.Collect(maps.Keys(h.tables))
		h.mu.Unlock()
		all, _ := h.online.Status(context.Background(), players...) // fails if it is closed
		for _, now := range all {
			h.set(now)
		}
	}
}

// set tells a player's opponent how the player is now.
func (h *hub) set(now presence.Status) {
	s := online
	switch {
	case !now.Online:
		s = gone
	case now.Away:
		s = away
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tables[now.User]
	if t == nil || !t.set(now.User, s) {
		return
	}
	h.tell(t.other(now.User), "player", player{now.User, s})
	if s == gone {
		h.giveUp(t, now.User, "gone")
	}
}

// seat finds a player a seat. For this and all that follows, h.mu is held.
func (h *hub) seat(openid string) *table {
	t := h.waiting
	if t == nil {
		h.last++
		t = newTable(h.last)
		h.waiting = t
	} else {
		h.waiting = nil
	}
	t.sit(openid)
	h.tables[openid] = t
	h.show(t)
	return t
}

// giveUp ends a table because a player leaves.
func (h *hub) giveUp(t *table, openid, why string) {
	if h.waiting == t {
		h.waiting = nil
	}
	t.end(t.other(openid), why)
	h.show(t)
}

// show shows a table to its players, and removes it if the game is over.
func (h *hub) show(t *table) {
	for _, p := range t.Players {
		h.tell(p.OpenID, "table", t.snapshot())
		if t.Over != "" {
			delete(h.tables, p.OpenID)
		}
	}
}

// tell sends something to a player, on the current connection. It sends under the lock,
// so that everyone hears of things in the order in which they happened.
func (h *hub) tell(openid, event string, data any) {
	if openid != "" {
		h.user.To(h.online.Room(openid)).Emit(event, data)
	}
}
