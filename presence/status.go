package presence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/zishang520/socket.io/v2/socket"
)

const (
	// maxGet is how many users are asked for in one call.
	maxGet = 1000
	// pageSize is how many members are in one page.
	pageSize = 500
)

// Status is what is known about a user, everywhere or in a room.
type Status struct {
	User    string
	Online  bool     // or a member of the room
	Away    bool     // on all devices
	Devices []Device // if there are none and Online is set, the grace is running
	Version uint64   // of the last [Change]; 0 if not online, or not known

	// LastSeen is when the last device left; the zero time if there is one, or if
	// that was too long ago. The stores of this module remember it for a day.
	LastSeen time.Time

	// Stale means that the Store does not answer, and that this is what this process
	// knows: users connected to it are online; of others it is what functions given to
	// [Tracker.Watch] were told last, if there are any.
	Stale bool
}

// Status returns what is known about users, in the given order, with one round trip to the
// Store for each 1,000. If the Store does not answer it returns what this process knows
// (Status.Stale); the only errors are that of ctx and [ErrClosed].
func (t *Tracker) Status(ctx context.Context, users ...string) ([]Status, error) {
	return t.StatusIn(ctx, "", users...)
}

// StatusIn is Status in a room: whether users are members of it, and with which
// devices. LastSeen is set only for members in their grace.
func (t *Tracker) StatusIn(ctx context.Context, room string, users ...string) ([]Status, error) {
	if t.isClosed() {
		return nil, ErrClosed
	}
	all := make([]Status, 0, len(users))
	for some := range slices.Chunk(users, maxGet) {
		records, err := t.store.Get(ctx, room, some...)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil && len(records) == len(some):
			for _, r := range records {
				all = append(all, statusOf(r))
			}
		case err == nil || errors.Is(err, ErrUnavailable):
			local := t.local(some...)
			for _, user := range some {
				all = append(all, t.stale(room, user, local[user]))
			}
		default:
			return nil, prefixed(err)
		}
	}
	return all, nil
}

func statusOf(r Record) Status {
	s := Status{User: r.User, Version: r.Version, Online: r.Version != 0, Devices: r.Devices, LastSeen: r.Seen}
	s.Away = memberOf(r).Away
	return s
}

// stale returns what this process knows about a user with these devices here.
func (t *Tracker) stale(room, user string, devices []*device) Status {
	s := Status{User: user, Stale: true}
	s.Version, s.Online = t.audience.known(room, user)
	for _, d := range devices {
		d.mu.Lock()
		if st := d.seat(room); st != nil {
			s.Online = true
			s.Devices = append(s.Devices, Device{ID: d.id, Meta: st.Meta, Away: st.Away})
		}
		d.mu.Unlock()
	}
	s.Away = away(s.Devices)
	return s
}

// Member is a member of a room.
type Member struct {
	User    string
	Away    bool     // on all devices
	Devices []Device // in the room; if there are none, the grace is running
	// Meta is that of the device that came last or, if there is none, left last. Do not
	// change what it points to.
	Meta    json.RawMessage
	Version uint64 // of the last [Change]; 0 if that is not known
}

func memberOf(r Record) Member {
	m := Member{User: r.User, Devices: r.Devices, Away: r.Last.Away, Meta: r.Last.Meta, Version: r.Version}
	if n := len(r.Devices); n > 0 {
		m.Away, m.Meta = away(r.Devices), r.Devices[n-1].Meta
	}
	return m
}

func away(devices []Device) bool {
	return len(devices) > 0 && !slices.ContainsFunc(devices, func(d Device) bool { return !d.Away })
}

// Count returns how many members a room has, or how many users are online if room is "".
// If the Store does not answer it returns how many this process knows of, and
// [ErrStale].
func (t *Tracker) Count(ctx context.Context, room string) (int, error) {
	if t.isClosed() {
		return 0, ErrClosed
	}
	n, err := t.store.Count(ctx, room)
	if err == nil {
		return n, nil
	}
	if ctx.Err() == nil && errors.Is(err, ErrUnavailable) {
		return len(t.localMembers(room)), fmt.Errorf("%w: %w", ErrStale, err)
	}
	return 0, prefixed(err)
}

// Members returns the members of a room, or all users that are online if room is "", in
// pages of 500 that are loaded as needed, in an order that is the Store's own. A member who
// stays throughout is returned once. An error comes last: that of ctx, or [ErrStale] after
// the members that this process knows of, if the Store does not answer.
func (t *Tracker) Members(ctx context.Context, room string) iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		if t.isClosed() {
			yield(Member{}, ErrClosed)
			return
		}
		for cursor, first := "", true; first || cursor != ""; first = false {
			records, next, err := t.store.List(ctx, room, cursor, pageSize)
			if err != nil {
				t.yieldLocal(ctx, room, first, err, yield)
				return
			}
			for _, r := range records {
				if !yield(memberOf(r), nil) {
					return
				}
			}
			cursor = next
		}
	}
}

// yieldLocal ends Members with what this process knows.
func (t *Tracker) yieldLocal(ctx context.Context, room string, first bool, err error, yield func(Member, error) bool) {
	if ctx.Err() != nil || !errors.Is(err, ErrUnavailable) {
		yield(Member{}, prefixed(err))
		return
	}
	if first { // otherwise some of them have been returned already
		for _, m := range t.localMembers(room) {
			if !yield(m, nil) {
				return
			}
		}
	}
	yield(Member{}, fmt.Errorf("%w: %w", ErrStale, err))
}

// localMembers returns those members of a room that are connected to this process.
func (t *Tracker) localMembers(room string) (members []Member) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := make(map[string]int)
	for _, d := range t.devices {
		d.mu.Lock()
		if st := d.seat(room); st != nil {
			i, ok := at[d.user]
			if !ok {
				i = len(members)
				at[d.user] = i
				members = append(members, Member{User: d.user})
			}
			m := &members[i]
			m.Devices, m.Meta = append(m.Devices, Device{ID: d.id, Meta: st.Meta, Away: st.Away}), st.Meta
			m.Away = away(m.Devices)
		}
		d.mu.Unlock()
	}
	return members
}

// MembersFor is Members without those that viewer may not see, according to Options.Visible.
func (t *Tracker) MembersFor(ctx context.Context, viewer *socket.Socket, room string) iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		for m, err := range t.Members(ctx, room) {
			if (err != nil || t.visible(viewer, m.User)) && !yield(m, err) {
				return
			}
		}
	}
}

// visible reports whether viewer may see a user.
func (t *Tracker) visible(viewer *socket.Socket, user string) (ok bool) {
	if t.opts.Visible == nil {
		return true
	}
	defer func() {
		if p := recover(); p != nil {
			if n := t.panics.Add(1); n&(n-1) == 0 { // ever less often
				panicked(t.opts.Logger, "Options.Visible", p, "times", n)
			}
			ok = false
		}
	}()
	return t.opts.Visible(viewer, user)
}
