package presence

import (
	"maps"
	"slices"
	"time"

	"github.com/sioware/sioware/internal/alarm"
	"github.com/zishang520/socket.io/v2/socket"
)

const (
	// gather is how long changes in a room are gathered before they are sent.
	gather = 50 * time.Millisecond
	// perSocket is added to gather for each socket of the room: the cost of sending
	// to a room of many thousands grows with them, and so must the wait.
	perSocket = 50 * time.Microsecond
	// retryAfter is how long to wait before a Store that did not answer is asked again.
	retryAfter = time.Second
	// maxSingly is how many changes are announced one by one; if there are more,
	// only the members are sent.
	maxSingly = 16
)

// Broadcast sends the named event to the sockets in a room whenever somebody joins or
// leaves it, by [Tracker.Join] and [Tracker.Leave] or by coming and going. Its argument is
//
//	{clients, action, target, message, user, room, count, version}
//
// where clients are the IDs of the members, at most Options.MaxClients of them, count is
// how many there are, action is "join" or "leave", user is who did it, message says so in
// words, and target is "participator". A socket that has just joined gets the members with
// the action "sync" and no user, unless somebody is announced at the same time; so does the
// whole room after many changes at once, or if changes may have been lost. In the latter
// case nobody is announced for as long as Event.Lost says, since those who seem to join may
// never have left: each change is a "sync". After Redis has come back empty, those whose
// node has not told it yet are missing from clients until it has.
//
// Changes within 50 ms, and 50 µs more for each socket in the room, are sent together;
// nothing is sent for a user who has both joined and left in that time. Each node sends to
// its own sockets.
//
// Call it before sockets join. It may be called for several events; it ends with Close.
func (t *Tracker) Broadcast(event string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Contains(t.events, event) {
		t.events = append(slices.Clip(t.events), event)
	}
}

// room holds the sockets of this process in a room. The Tracker's lock guards it.
type room struct {
	name    string
	sockets map[*socket.Socket]bool // whether they have been sent the members
	flush   alarm.Alarm
	armed   bool     // flush is set, or running
	again   bool     // there is something new since it began
	changes []Change // to be sent, at most one per user
	all     bool     // send the members to everybody
}

// enter records that s is in a room.
func (t *Tracker) enter(name string, s *socket.Socket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	r := t.rooms[name]
	if r == nil {
		r = &room{name: name, sockets: make(map[*socket.Socket]bool)}
		r.flush.Run = func() { t.send(r) }
		t.rooms[name] = r
	}
	if _, there := r.sockets[s]; !there {
		r.sockets[s] = false
		t.arm(r, 0)
	}
}

// exit records that s is not in a room any more.
func (t *Tracker) exit(name string, s *socket.Socket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rooms[name]
	if r == nil {
		return
	}
	if delete(r.sockets, s); len(r.sockets) == 0 {
		t.clock.Stop(&r.flush)
		delete(t.rooms, name)
	}
}

// arm schedules sending what is new in r, in a while. t.mu is held.
func (t *Tracker) arm(r *room, more time.Duration) {
	if r.armed || t.closed || len(t.events) == 0 {
		r.again = true
		return
	}
	r.armed, r.again = true, false
	t.clock.Set(&r.flush, time.Now().Add(gather+perSocket*time.Duration(len(r.sockets))+more))
}

// stir records a change in a room.
func (t *Tracker) stir(c *Change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rooms[c.Room]
	if len(t.events) == 0 || r == nil || c.Kind != Joined && c.Kind != Left {
		return
	}
	if time.Now().Before(t.unsure) {
		r.changes, r.all = nil, true // those who come may have been there all the time
	}
	r.note(*c)
	t.arm(r, 0)
}

// stirAll records that changes may have been lost: for as long as patience, members may be
// reported to come again although nobody was told that they had gone.
func (t *Tracker) stirAll(patience time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.events) == 0 {
		return
	}
	if until := time.Now().Add(patience); until.After(t.unsure) {
		t.unsure = until
	}
	for _, r := range t.rooms {
		r.all = true
		t.arm(r, 0)
	}
}

// note records c for sending, unless it undoes a change that is to be sent.
func (r *room) note(c Change) {
	i := slices.IndexFunc(r.changes, func(old Change) bool { return old.User == c.User })
	switch {
	case i >= 0 && r.changes[i].Kind != c.Kind:
		r.changes = slices.Delete(r.changes, i, i+1)
	case i >= 0 || r.all:
	case len(r.changes) == maxSingly:
		r.changes, r.all = nil, true
	default:
		r.changes = append(r.changes, c)
	}
}

// flushed is what is sent at one time.
type flushed struct {
	sockets []*socket.Socket
	fresh   map[*socket.Socket]bool // those that have not been sent anything yet
	changes []Change
	all     bool
}

// take removes from r what is new, and returns it. t.mu is held.
func (r *room) take() flushed {
	f := flushed{fresh: make(map[*socket.Socket]bool), changes: r.changes, all: r.all}
	for s, told := range r.sockets {
		f.sockets = append(f.sockets, s)
		if !told {
			f.fresh[s] = true
			r.sockets[s] = true
		}
	}
	r.changes, r.all, r.again = nil, false, false
	return f
}

// keep removes from f the sockets that have left r while the Store was asked who is
// there: they must not be sent that any more.
func (t *Tracker) keep(r *room, f *flushed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := func(s *socket.Socket) bool { _, there := r.sockets[s]; return !there }
	f.sockets = slices.DeleteFunc(f.sockets, left)
	maps.DeleteFunc(f.fresh, func(s *socket.Socket, _ bool) bool { return left(s) })
}

// send is called when what is new in r is due. It does not run twice at a time, so that
// what is sent last is current.
func (t *Tracker) send(r *room) {
	t.mu.Lock()
	f, events := r.take(), t.events
	t.mu.Unlock()
	var err error
	if len(f.changes) > 0 || f.all || len(f.fresh) > 0 {
		var members []Member
		var count int
		if members, count, err = t.front(r.name); err == nil {
			n := &notice{t: t, room: r.name, events: events, members: members, count: count}
			t.keep(r, &f)
			n.sendAll(f)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r.armed = false
	switch {
	case t.rooms[r.name] != r:
	case err != nil:
		r.all = true // by then it is not known any more what has changed
		t.arm(r, retryAfter)
	case r.again:
		t.arm(r, 0)
	}
}

// front returns the members that are named, and how many there are in all.
func (t *Tracker) front(room string) ([]Member, int, error) {
	ctx := t.background()
	defer ctx.End()
	records, next, err := t.store.List(ctx, room, "", t.opts.MaxClients)
	if err != nil {
		return nil, 0, err
	}
	members := make([]Member, len(records))
	for i, r := range records {
		members[i] = memberOf(r)
	}
	if next == "" {
		return members, len(members), nil
	}
	count, err := t.store.Count(ctx, room)
	return members, max(count, len(members)), err
}

// notice is what the sockets of a room are sent at one time.
type notice struct {
	t       *Tracker
	room    string
	events  []string
	members []Member
	count   int
}

// sendAll sends what is new.
func (n *notice) sendAll(f flushed) {
	for _, c := range f.changes {
		n.send(f.sockets, &c, f.fresh)
	}
	if f.all {
		n.send(f.sockets, nil, f.fresh)
	}
	if len(f.fresh) > 0 {
		n.send(slices.Collect(maps.Keys(f.fresh)), nil, nil)
	}
}

// send sends c, or the members alone if c is nil, and removes from fresh the sockets that
// it was sent to.
func (n *notice) send(to []*socket.Socket, c *Change, fresh map[*socket.Socket]bool) {
	var all map[string]any
	if n.t.opts.Visible == nil {
		all = n.payload(nil, c)
	}
	for _, s := range to {
		payload := all
		if payload == nil {
			if c != nil && !n.t.visible(s, c.User) {
				continue
			}
			payload = n.payload(s, c)
		}
		delete(fresh, s)
		for _, event := range n.events {
			n.emit(s, event, payload)
		}
	}
}

// emit sends event to s, which may have gone. A listener of the application that
// panics must not keep it from other sockets.
func (n *notice) emit(s *socket.Socket, event string, payload map[string]any) {
	guard(n.t.opts.Logger, "a listener of outgoing events", func() { _ = s.Emit(event, payload) })
}

// payload returns what viewer is sent, or everybody if viewer is nil.
func (n *notice) payload(viewer *socket.Socket, c *Change) map[string]any {
	clients := make([]string, 0, len(n.members))
	for _, m := range n.members {
		if viewer == nil || n.t.visible(viewer, m.User) {
			clients = append(clients, m.User)
		}
	}
	payload := map[string]any{
		"room": n.room, "clients": clients, "count": n.count,
		"action": "sync", "target": "participator", "message": "",
	}
	if c != nil {
		payload["user"], payload["version"] = c.User, c.Version
		if payload["action"], payload["message"] = "join", "User("+c.User+") joined."; c.Kind == Left {
			payload["action"], payload["message"] = "leave", "User("+c.User+") left."
		}
	}
	return payload
}
