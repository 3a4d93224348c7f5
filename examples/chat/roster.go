package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sioware/sioware/presence"
	"github.com/zishang520/socket.io/v2/socket"
)

// maxPeople is how many people of a room a page is told of, also by presence.
const maxPeople = 100

// roster tells pages which rooms there are and what the people in theirs look like. Pages
// learn who is there from the event "online", which presence sends; names and marks are
// sent by roster, in "welcome" and "person". On each node it does so for the sockets of
// that node: presence tells every node what has changed.
type roster struct {
	io     *socket.Server
	online *presence.Tracker
	log    *slog.Logger

	// mu is also held from reading something until it is sent, so that what a page gets
	// last is what is true.
	mu    sync.Mutex
	rooms map[string]int // number of people in each; standing ones stay even if empty
	soon  bool           // tell is about to run
}

// person is what others see of somebody in a room.
type person struct {
	Room string `json:"room"`
	User string `json:"user"`
	profile
	Away   bool `json:"away"`   // on all devices
	Typing bool `json:"typing"` // on any
}

// roomInfo is what everyone sees of a room.
type roomInfo struct {
	Name   string `json:"name"`
	People int    `json:"people"`
}

// newRoster returns a roster that lives until online is closed.
func newRoster(io *socket.Server, online *presence.Tracker, log *slog.Logger) *roster {
	r := &roster{io: io, online: online, log: log, rooms: make(map[string]int)}
	for _, room := range standing {
		r.rooms[room] = 0
	}
	online.Watch(r.changed)
	r.reload()
	return r
}

// changed is called with each change on any node, one after the other.
func (r *roster) changed(c presence.Change) {
	room, ours := strings.CutPrefix(c.Room, place(""))
	switch {
	case c.Kind == presence.Missed:
		r.reload()
	case !ours:
	case c.Kind == presence.Joined:
		r.look(room, c.User)
		r.log.Info("joined", "user", c.User, "room", room, "people", r.recount(room))
	case c.Kind == presence.Left:
		r.log.Info("left", "user", c.User, "room", room, "people", r.recount(room), "cause", string(c.Cause))
	case c.Kind == presence.Updated:
		r.look(room, c.User)
	}
}

// look tells a room what somebody in it looks like now. A change concerns one device,
// this covers all of them.
func (r *roster) look(room, user string) {
	ctx, cancel := brief()
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	all, err := r.online.StatusIn(ctx, place(room), user)
	if err == nil && len(all[0].Devices) > 0 { // during the grace period nothing changes
		_ = r.here(room).Emit("person", portrait(room, user, all[0].Away, all[0].Devices))
	}
}

// here is a room's sockets on this node.
func (r *roster) here(room string) *socket.BroadcastOperator {
	return r.io.Local().To(socket.Room(place(room)))
}

// portrait combines the metadata of somebody's devices, which only change writes.
func portrait(room, user string, away bool, devices []presence.Device) person {
	p := person{Room: room, User: user, Away: away}
	for _, d := range devices {
		var s seat
		if json.Unmarshal(d.Meta, &s) == nil {
			p.profile, p.Typing = s.profile, p.Typing || s.Typing
		}
	}
	return p
}

// welcome tells a socket that has entered a room who it is, what everyone there looks
// like and which rooms there are.
func (r *roster) welcome(ctx context.Context, s *socket.Socket, v *visitor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	people := []person{}
	for m, err := range r.online.Members(ctx, place(v.room)) {
		if err != nil || len(people) == maxPeople {
			break // some is better than nothing
		}
		devices := m.Devices
		if len(devices) == 0 {
			devices = []presence.Device{{Meta: m.Meta}} // of the last one
		}
		p := portrait(v.room, m.User, m.Away, devices)
		p.Typing = p.Typing && len(m.Devices) > 0
		people = append(people, p)
	}
	_ = s.Emit("welcome", struct {
		User string `json:"user"`
		profile
		Room   string     `json:"room"`
		People []person   `json:"people"`
		Rooms  []roomInfo `json:"rooms"`
	}{v.user, v.profile, v.room, people, r.list()})
}

// list returns the rooms, standing ones first. r.mu is held.
func (r *roster) list() []roomInfo {
	list := []roomInfo{}
	for _, room := range standing {
		list = append(list, roomInfo{room, r.rooms[room]})
	}
	for _, room := range slices.Sorted(maps.Keys(r.rooms)) {
		if !slices.Contains(standing, room) {
			list = append(list, roomInfo{room, r.rooms[room]})
		}
	}
	return list
}

// open reports whether a room exists or may be created, and creates it. Nodes that create
// rooms at the same moment do not ask each other: there may be a few more.
func (r *roster) open(room string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, there := r.rooms[room]
	if !there && len(r.rooms) >= maxRooms {
		return false
	}
	r.rooms[room] = n
	return true
}

// recount counts the people in a room, which disappears with the last one, and tells
// everyone shortly afterwards.
func (r *roster) recount(room string) int {
	ctx, cancel := brief()
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := r.online.Count(ctx, place(room))
	if err != nil && !errors.Is(err, presence.ErrStale) {
		return r.rooms[room]
	}
	r.rooms[room] = n
	if n == 0 && !slices.Contains(standing, room) {
		delete(r.rooms, room)
	}
	if !r.soon {
		r.soon = true
		time.AfterFunc(100*time.Millisecond, r.tell) // together with what else changes meanwhile
	}
	return n
}

func (r *roster) tell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.soon = false
	_ = r.io.Local().Emit("rooms", r.list())
}

// reload looks for rooms that were opened before this node started, or while so much
// changed that some changes were dropped.
func (r *roster) reload() {
	ctx, cancel := brief()
	defer cancel()
	found := make(map[string]bool)
	for m, err := range r.online.Members(ctx, "") {
		if err != nil {
			r.log.Warn("the rooms may be out of date", "error", err)
			break
		}
		for _, d := range append(m.Devices, presence.Device{Meta: m.Meta}) { // or of the last one
			var w whereabouts
			if json.Unmarshal(d.Meta, &w) == nil && w.Room != "" {
				found[w.Room] = true
			}
		}
	}
	r.mu.Lock()
	for room := range r.rooms {
		found[room] = true
	}
	r.mu.Unlock()
	for room := range found {
		r.recount(room)
	}
}
