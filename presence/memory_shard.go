package presence

import (
	"bytes"
	"slices"
	"sync"
	"time"
)

// memKey is a room and a user, or a user and one of the user's devices.
type memKey struct{ a, b string }

// memShard is what is known about some of the users. Events are queued under its lock, so
// that they are in order.
type memShard struct {
	store *MemoryStore

	mu      sync.Mutex
	members memMembers
	order   memOrder // of all of them
	version uint64   // that of the last change
	seen    memRecall
	evicted memRecall
	closed  bool
}

// memMember is a user in a room.
type memMember struct {
	key     memKey
	version uint64
	devices []Device      // in the order in which they came
	grace   time.Duration // of the last entry
	pending *memGrace     // if there is no device
	room    *memRoom
	pos     [2]int // in the orders of the room and of the shard
	gone    bool
}

func (x *memMember) find(device string) int {
	return slices.IndexFunc(x.devices, func(d Device) bool { return d.ID == device })
}

// join implements Join.
func (s *memShard) join(e Entry) error {
	if s.closed {
		return ErrClosed
	}
	if old := s.evicted.get(memKey{e.User, e.Device}); old != nil {
		again := *old.eviction
		return &again
	}
	now := time.Now()
	d := Device{ID: e.Device, Meta: e.Meta, Away: e.Away, Since: now}
	x := s.members.get(memKey{e.Room, e.User})
	if x == nil {
		x = s.enter(memKey{e.Room, e.User}, now)
		x.grace = max(0, e.Grace)
		x.devices = []Device{memOwn(d)}
		s.commit(x, come(e.Room), CauseJoined, now, x.devices[0], time.Time{})
		return nil
	}
	var cause Cause // of the change to report; "" if there is none
	switch i := x.find(e.Device); {
	case i >= 0:
		if old := &x.devices[i]; !memSame(*old, d) {
			d.Since = old.Since
			*old = memOwn(d)
			cause = CauseUpdated
		}
	case len(x.devices) > 0 && e.Keep && e.Max > 0 && len(x.devices) >= e.Max:
		return ErrFull
	default:
		if g := x.pending; g == nil || !memSame(g.last, d) {
			cause = CauseJoined
		} else {
			d.Meta = g.last.Meta
		}
		s.resume(x)
		x.devices = append(x.devices, memOwn(d))
	}
	x.grace = max(0, e.Grace)
	return s.replace(x, e, cause, now)
}

// replace evicts the devices for which there is no room beside e's, and reports the change:
// cause, if it is not empty, says how e's device has come or changed.
func (s *memShard) replace(x *memMember, e Entry, cause Cause, now time.Time) (err error) {
	var told Device
	if i := x.find(e.Device); i >= 0 {
		told = x.devices[i]
	}
	if n := len(x.devices) - e.Max; n > 0 && e.Max > 0 && !e.Keep {
		if cause == "" {
			cause, told = CauseReplaced, x.devices[0]
		}
		for _, d := range x.devices[:n] {
			ev := s.banish(e.User, d, CauseReplaced, "", now)
			if d.ID == e.Device {
				again := *ev
				err = &again
			}
		}
		x.devices = slices.Delete(x.devices, 0, n)
	}
	if cause != "" {
		s.commit(x, Updated, cause, now, told, time.Time{})
	}
	return err
}

// leave implements Leave for one seat.
func (s *memShard) leave(seat Seat, cause Cause, now bool) {
	if seat.Room == "" {
		s.evicted.forget(memKey{seat.User, seat.Device})
	}
	x := s.members.get(memKey{seat.Room, seat.User})
	if x == nil {
		return
	}
	i := x.find(seat.Device)
	if i < 0 {
		return
	}
	d, at := x.devices[i], time.Now()
	x.devices = slices.Delete(x.devices, i, i+1)
	switch {
	case len(x.devices) > 0:
		s.commit(x, Updated, cause, at, d, time.Time{})
	case now || x.grace == 0:
		s.exit(x, cause, at, at)
	default:
		s.suspend(x, d, cause, at)
		s.store.clock.Set(&x.pending.alarm, at.Add(x.grace))
	}
}

// evict implements Evict.
func (s *memShard) evict(user string, cause Cause, reason string, except []string) (n int) {
	x := s.members.get(memKey{"", user})
	if x == nil || s.closed {
		return 0
	}
	now := time.Now()
	var last Device
	x.devices = slices.DeleteFunc(x.devices, func(d Device) bool {
		if slices.Contains(except, d.ID) {
			return false
		}
		_ = s.banish(user, d, cause, reason, now)
		last = d
		n++
		return true
	})
	switch {
	case len(x.devices) == 0:
		seen := now
		if x.pending != nil {
			seen = x.pending.seen
		}
		s.exit(x, cause, now, seen)
	case n > 0:
		s.commit(x, Updated, cause, now, last, time.Time{})
	}
	return n
}

// banish remembers that a device has been evicted, and reports it.
func (s *memShard) banish(user string, d Device, cause Cause, reason string, now time.Time) *Eviction {
	ev := &Eviction{User: user, Device: d.ID, Cause: cause, Reason: reason}
	s.evicted.put(evictedMax, &memMemory{key: memKey{user, d.ID}, at: now, eviction: ev})
	if s.store.events.watched() {
		told := *ev
		s.store.events.add(Event{Eviction: &told})
	}
	return ev
}

// drain implements Close.
func (s *memShard) drain() {
	if s.closed {
		return
	}
	s.closed = true
	now := time.Now()
	for _, x := range s.members.all {
		switch n := len(x.devices); {
		case n == 0:
		case x.grace == 0:
			x.devices = nil
			s.exit(x, CauseDrained, now, now)
		default:
			d := x.devices[n-1]
			x.devices = nil
			s.suspend(x, d, CauseDrained, now)
		}
	}
}

// enter adds a member.
func (s *memShard) enter(key memKey, now time.Time) *memMember {
	x := &memMember{key: key}
	at := max(0, now.Sub(s.store.started))
	s.members.put(x)
	s.order.add(x, at)
	s.store.roomsOf(key.a).enter(x, at)
	if key.a == "" {
		s.seen.forget(memKey{key.b, ""})
	}
	return x
}

// exit ends a membership, and reports it.
func (s *memShard) exit(x *memMember, cause Cause, at, seen time.Time) {
	s.resume(x)
	x.gone = true
	s.members.remove(x)
	s.order.remove(x)
	x.room.home.exit(x)
	kind := Left
	if x.key.a == "" {
		kind = Offline
		s.seen.expire(at.Add(-seenFor))
		s.seen.put(seenMax, &memMemory{key: memKey{x.key.b, ""}, at: seen})
	}
	s.commit(x, kind, cause, at, Device{}, seen)
}

// commit counts a change of x, and queues it for the watchers.
func (s *memShard) commit(x *memMember, kind Kind, cause Cause, at time.Time, d Device, seen time.Time) {
	s.version++
	x.version = s.version
	if !s.store.events.watched() {
		return
	}
	s.store.events.add(Event{Change: &Change{
		Kind:    kind,
		Room:    x.key.a,
		User:    x.key.b,
		Version: x.version,
		Cause:   cause,
		At:      at,
		Device:  d,
		Devices: len(x.devices),
		Away:    away(x.devices),
		Seen:    seen,
	}})
}

// memSame reports whether two devices have the same Away and Meta.
func memSame(d, e Device) bool { return d.Away == e.Away && bytes.Equal(d.Meta, e.Meta) }

// memOwn returns d with metadata that nobody else can change.
func memOwn(d Device) Device {
	if len(d.Meta) == 0 {
		d.Meta = nil
	}
	d.Meta = slices.Clip(bytes.Clone(d.Meta))
	return d
}
