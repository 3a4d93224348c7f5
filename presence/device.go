package presence

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"github.com/sioware/sioware/internal/alarm"
	"github.com/sioware/sioware/internal/refusal"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// place is what makes sockets one device: their connection and their user.
type place struct {
	client *socket.Client
	user   string
}

// device is a connection of a user to this process.
type device struct {
	place
	id   string
	kick alarm.Alarm
	refs int // sockets that have not gone; the Tracker's lock guards it

	mu      sync.Mutex
	busy    bool          // somebody has the turn
	free    chan struct{} // closed when the turn is over; nil if nobody waits
	sockets []*socket.Socket
	seats   []*seat
	evicted *Eviction
	gone    Cause // why the device has gone; "" if it has not
}

// seat is the place of a device in a room.
type seat struct {
	Entry
	sockets []*socket.Socket // the sockets that are in the room
}

// newID returns an unguessable ID.
func newID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// reserve returns the device at p for one more socket, or nil after Close.
func (t *Tracker) reserve(p place) *device {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	d := t.places[p]
	if d == nil {
		d = &device{place: p, id: newID()}
		d.kick.Run = func() { t.putOut(d) }
		t.places[p], t.devices[d.id] = d, d
		t.users[p.user] = append(t.users[p.user], d)
	}
	d.refs++
	return d
}

// forget removes a device without sockets from t. t.mu is held.
func (t *Tracker) forget(d *device) {
	delete(t.devices, d.id)
	delete(t.places, d.place)
	if left := without(t.users[d.user], d); len(left) > 0 {
		t.users[d.user] = left
	} else {
		delete(t.users, d.user)
	}
}

// device returns the device of a connected socket.
func (t *Tracker) device(s *socket.Socket) (*device, error) {
	id := t.identities.Load(s)
	if id == nil {
		return nil, ErrAbsent
	}
	t.mu.Lock()
	d := t.devices[id.Device]
	t.mu.Unlock()
	if d == nil {
		return nil, ErrAbsent
	}
	return d, nil
}

// has reports whether s is one of d's sockets, and d has not been evicted.
func (d *device) has(s *socket.Socket) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.evicted == nil && slices.Contains(d.sockets, s)
}

// seat returns the seat in a room, or nil. d.mu is held.
func (d *device) seat(room string) *seat {
	for _, st := range d.seats {
		if st.Room == room {
			return st
		}
	}
	return nil
}

func (d *device) seated() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seat("") != nil
}

// hasQuit reports whether d, which has sockets, has left everywhere.
func (d *device) hasQuit() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.gone == CauseLeft
}

func (d *device) getEvicted() *Eviction {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.evicted
}

// connected is called when the host has connected a socket of d.
func (t *Tracker) connected(d *device, s *socket.Socket) {
	d.mu.Lock()
	if wrap.Context(s).Err() != nil {
		d.mu.Unlock()
		return // leave may have run already
	}
	d.sockets = append(d.sockets, s)
	evicted, seated, quit := d.evicted, d.seat("") != nil, d.gone == CauseLeft
	d.mu.Unlock()
	switch {
	case quit:
		t.retire(s, d.user)
	case evicted != nil:
		wrap.Kick(s, evicted.refusal())
	case !seated:
		ctx := t.background()
		defer ctx.End()
		if d.acquireTurn(ctx) != nil {
			return // d has gone, or another socket is taking the seat
		}
		defer t.releaseTurn(d)
		if !d.seated() {
			e := t.entry(d, "", t.metaOf(s))
			e.Away = t.awayAt(s)
			_ = t.take(ctx, d, e) // the Store is told now or later
		}
	}
}

// metaOf returns what Options.Meta says about a socket, or nil.
func (t *Tracker) metaOf(s *socket.Socket) json.RawMessage {
	if t.opts.Meta == nil {
		return nil
	}
	meta, err := t.marshal(func() any { return t.opts.Meta(s) })
	if err != nil {
		t.warn("device joins without metadata", err)
	}
	return meta
}

// awayAt returns what Options.Away says about a socket.
func (t *Tracker) awayAt(s *socket.Socket) (away bool) {
	if t.opts.Away == nil {
		return false
	}
	guard(t.opts.Logger, "Options.Away", func() { away = t.opts.Away(s) })
	return away
}

// entry returns what the Store is to know about d in a room.
func (t *Tracker) entry(d *device, room string, meta json.RawMessage) Entry {
	e := Entry{Seat: Seat{room, d.user, d.id}, Meta: meta, Grace: t.opts.Grace}
	if room == "" {
		e.Max, e.Keep = t.opts.MaxDevices, t.opts.Policy == OldestWins
	}
	return e
}

// take has the Store take a seat, and records it in d. The caller has the turn. An
// error other than ErrFull and an *Eviction means that others learn of it later.
func (t *Tracker) take(ctx context.Context, d *device, e Entry) error {
	err := t.store.Join(ctx, e)
	switch {
	case errors.Is(err, ErrFull):
		t.evict(d, &Eviction{User: d.user, Device: d.id, Cause: causeFull})
		return err
	case isEviction(err):
		var why *Eviction
		errors.As(err, &why)
		t.evict(d, why)
		return err
	}
	t.note(err)
	d.mu.Lock()
	defer d.mu.Unlock()
	if st := d.seat(e.Room); st != nil {
		st.Entry = e
	} else {
		d.seats = append(d.seats, &seat{Entry: e})
	}
	return err
}

// without returns list without x, in a new array if x was there.
func without[T comparable](list []T, x T) []T {
	if i := slices.Index(list, x); i >= 0 {
		return slices.Concat(list[:i], list[i+1:])
	}
	return list
}

// isEviction reports whether err says that a device was evicted.
func isEviction(err error) bool {
	var e *Eviction
	return errors.As(err, &e)
}

// causeFull is the cause for a device that finds no room under OldestWins.
const causeFull Cause = "full"

// refusal returns what the client is told.
func (e *Eviction) refusal() *wrap.Error {
	if e.Cause == causeFull {
		return refusal.New("too_many_connections", ErrFull, nil)
	}
	err := refusal.New("replaced", e, nil)
	if e.Cause == CauseKicked {
		err.Message = "Disconnected by the server" // nobody else need be there
	}
	if e.Reason != "" {
		err.Data = map[string]any{"reason": e.Reason}
	}
	return err
}
