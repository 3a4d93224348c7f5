package presence

import "github.com/zishang520/socket.io/v2/socket"

// Held returns how many devices, users and rooms t remembers.
func Held(t *Tracker) (devices, users, rooms int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.devices), max(len(t.users), len(t.places)), len(t.rooms)
}

// Hold has t hold a device of a user, as a CONNECT does that is under way.
func Hold(t *Tracker, user string) { t.reserve(place{nil, user}) }

// Waiting returns how many changes wait for functions given to Watch.
func Waiting(t *Tracker) (n int) {
	t.audience.mu.Lock()
	defer t.audience.mu.Unlock()
	for _, w := range t.audience.watchers {
		n += len(w.queue)
	}
	return n
}

// Settled reports whether the Store is not being looked at.
func Settled(t *Tracker) bool {
	t.audience.mu.Lock()
	defer t.audience.mu.Unlock()
	return t.audience.view == nil || !t.audience.view.looking
}

// SocketsOf returns how many sockets the device of s has, in all and in a room.
func SocketsOf(t *Tracker, s *socket.Socket, room string) (all, in int) {
	id := t.identities.Load(s)
	if id == nil {
		return 0, 0
	}
	t.mu.Lock()
	d := t.devices[id.Device]
	t.mu.Unlock()
	if d == nil {
		return 0, 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if st := d.seat(room); st != nil {
		in = len(st.sockets)
	}
	return len(d.sockets), in
}

// Awaited reports whether somebody waits for the Store to be told which devices of a user
// have gone.
func Awaited(t *Tracker, user string) bool {
	q := &t.departures
	q.mu.Lock()
	defer q.mu.Unlock()
	u := q.open[user]
	return u != nil && u.told != nil
}

// LeaveRooms does again what is done first when s has gone.
func LeaveRooms(t *Tracker, s *socket.Socket) {
	if d, err := t.device(s); err == nil {
		t.exitAll(d, s)
		exitHost(s, t.Room(d.user))
	}
}
