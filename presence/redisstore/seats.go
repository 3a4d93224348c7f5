package redisstore

import (
	"bytes"
	"slices"

	"github.com/sioware/sioware/presence"
)

const (
	// maxLeaves is how many seats may wait to be given up while Redis is away. If there
	// are more they are forgotten, and all that is held is taken again, in a new epoch.
	maxLeaves = 10_000
	// maxEvicted is how many devices are remembered to have been evicted, until their
	// seats in the room "" are given up.
	maxEvicted = 65_536
)

// deviceKey is a device.
type deviceKey struct{ user, id string }

// device is what is known about a device of this process.
type device struct {
	seats   []*held
	evicted *presence.Eviction
	lost    *held // the seat that it was evicted from: a call that takes it may still be on its way
}

// held is a seat of this process.
type held struct {
	partition int // never changes
	entry     presence.Entry
	since     int64  // in microseconds; 0 if it is not known
	seq       uint64 // of the last call that takes it
	// flying is how many calls that take it may still be on their way: if it is given up
	// they must not take it again.
	flying int
	// joining is how many calls of Join wait for their answers: these report the outcome.
	joining int
	known   bool // Redis has been told of the entry
	gone    bool
}

// leave is a seat that is to be given up.
type leave struct {
	presence.Seat
	cause presence.Cause
	now   bool
	seq   uint64
	doubt bool // a call that takes it may still be on its way
}

// seats are the seats of this process. The Store's lock guards them.
type seats struct {
	devices map[deviceKey]*device
	evicted int                     // how many devices have evicted set
	seq     uint64                  // of calls that take seats or give them up: later ones win
	dirty   map[*held]bool          // Redis may not know of them
	dirtyIn [partitions]int         // how many of them there are in each partition
	leaves  map[presence.Seat]leave // Redis may not know of them
	expired bool                    // there were too many leaves
}

func newSeats() seats {
	return seats{
		devices: make(map[deviceKey]*device),
		dirty:   make(map[*held]bool),
		leaves:  make(map[presence.Seat]leave),
	}
}

// find returns the seat that is held, or nil.
func (t *seats) find(seat presence.Seat) *held {
	if d := t.devices[deviceKey{seat.User, seat.Device}]; d != nil {
		for _, h := range d.seats {
			if h.entry.Room == seat.Room {
				return h
			}
		}
	}
	return nil
}

// hold holds the seat of e. The error is an *Eviction.
func (t *seats) hold(e presence.Entry) (*held, error) {
	key := deviceKey{e.User, e.Device}
	d := t.devices[key]
	switch {
	case d == nil:
		d = &device{}
		t.devices[key] = d
	case d.evicted != nil:
		again := *d.evicted
		return nil, &again
	}
	h := t.find(e.Seat)
	if h == nil {
		h = &held{partition: partition(e.Room, e.User)}
		if t.leaves[e.Seat].doubt {
			h.flying++
		}
		d.seats = append(d.seats, h)
	}
	e.Meta = slices.Clip(bytes.Clone(e.Meta))
	t.seq++
	h.entry, h.seq, h.known = e, t.seq, false
	delete(t.leaves, e.Seat)
	return h, nil
}

// doubt records that Redis may not know of h; trust, that it does.
func (t *seats) doubt(h *held) {
	if !t.dirty[h] {
		t.dirty[h] = true
		t.dirtyIn[h.partition]++
	}
}

func (t *seats) trust(h *held) {
	if t.dirty[h] {
		delete(t.dirty, h)
		t.dirtyIn[h.partition]--
	}
}

// drop stops holding h.
func (t *seats) drop(h *held) {
	h.gone = true
	t.trust(h)
	key := deviceKey{h.entry.User, h.entry.Device}
	d := t.devices[key]
	if d == nil {
		return
	}
	if i := slices.Index(d.seats, h); i >= 0 {
		d.seats = slices.Delete(d.seats, i, i+1)
	}
	t.tidy(key, d)
}

func (t *seats) tidy(key deviceKey, d *device) {
	if len(d.seats) == 0 && d.evicted == nil {
		delete(t.devices, key)
	}
}

// evict records that a device has lost its seat in a room, if it is a device of this
// process.
func (t *seats) evict(room string, e presence.Eviction) {
	d := t.devices[deviceKey{e.User, e.Device}]
	if d == nil || d.evicted != nil || t.evicted >= maxEvicted {
		return
	}
	d.evicted = &e
	t.evicted++
	if h := t.find(presence.Seat{Room: room, User: e.User, Device: e.Device}); h != nil {
		d.lost = h
		t.drop(h)
	}
}

// evictDirty evicts from the room "" those devices of a user that Redis may not know,
// except some, and returns them. That they are not to have a seat there is reported to
// Redis later: a call that takes it may still be on its way.
func (t *seats) evictDirty(e presence.Eviction, except []string) (gone []presence.Eviction) {
	for h := range t.dirty {
		if h.entry.User != e.User || h.entry.Room != "" || slices.Contains(except, h.entry.Device) {
			continue
		}
		e.Device = h.entry.Device
		t.seq++
		l := leave{Seat: h.entry.Seat, cause: e.Cause, now: true, seq: t.seq, doubt: h.flying > 0}
		t.evict("", e)
		t.drop(h) // in case too many evictions are remembered
		t.later([]leave{l})
		gone = append(gone, e)
	}
	return gone
}

// pardon forgets that a device was evicted.
func (t *seats) pardon(key deviceKey) {
	if d := t.devices[key]; d != nil && d.evicted != nil {
		d.evicted, d.lost = nil, nil
		t.evicted--
		t.tidy(key, d)
	}
}

// giveUp stops holding a seat, and returns what to tell Redis.
func (t *seats) giveUp(seat presence.Seat, cause presence.Cause, now bool) leave {
	t.seq++
	l := leave{Seat: seat, cause: cause, now: now, seq: t.seq}
	if h := t.find(seat); h != nil {
		l.doubt = h.flying > 0
		t.drop(h)
	} else if d := t.devices[deviceKey{seat.User, seat.Device}]; d != nil && d.lost != nil && d.lost.entry.Seat == seat {
		l.doubt = d.lost.flying > 0
	}
	if old, ok := t.leaves[seat]; ok {
		l.doubt = l.doubt || old.doubt
	}
	if seat.Room == "" {
		t.pardon(deviceKey{seat.User, seat.Device})
	}
	return l
}

// later remembers leaves that are to be made again, except those that something has come
// after.
func (t *seats) later(all []leave) {
	for _, l := range all {
		if t.find(l.Seat) != nil || t.leaves[l.Seat].seq > l.seq {
			continue
		}
		if len(t.leaves) >= maxLeaves {
			clear(t.leaves)
			t.expired = true
		}
		t.leaves[l.Seat] = l
	}
}

// settle forgets leaves that have been made.
func (t *seats) settle(all []leave) {
	for _, l := range all {
		if t.leaves[l.Seat].seq == l.seq {
			delete(t.leaves, l.Seat)
		}
	}
}
