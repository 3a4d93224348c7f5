package presence

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sioware/sioware/internal/recovery"
	"github.com/sioware/sioware/internal/rooms"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// reserved is the prefix of the names of rooms that are private to this module.
const reserved = "sioware:"

// Join makes s join a room, and its user a member of it with meta, which is marshaled to
// JSON; nil means none. It joins the host's room of the same name too, so that
// io.To(room) reaches s. Rooms of the same name in all namespaces share their members.
// Call it in a "connection" handler or later: from then on, the user stays a member until
// none of the user's devices has a socket in the room, and Options.Grace has passed.
//
// It returns [ErrRoom], [ErrMeta] or [ErrRooms]; [ErrAbsent] if s has no user, has gone or
// is being kicked, or if ctx ends while another call for its device is under way; or
// [ErrUnavailable], or the error of ctx, if the Store does not answer: s is in the room
// then, and others learn of it when the Store does. The caller must check whether a client
// may enter a room that it has named: the host also has a room for each socket, named by
// its ID. Join may be called again, to change meta.
func (t *Tracker) Join(ctx context.Context, s *socket.Socket, room string, meta any) error {
	if err := checkRoom(room); err != nil {
		return err
	}
	raw, err := t.marshal(func() any { return meta })
	if err != nil {
		return err
	}
	d, err := t.turn(ctx, s)
	if err != nil {
		return err
	}
	defer t.releaseTurn(d)
	e := t.entry(d, room, raw)
	d.mu.Lock()
	old := d.seat(room)
	if home := d.seat(""); home != nil {
		e.Away = home.Away
	}
	full := old == nil && len(d.seats) > t.opts.MaxRooms // d.seats includes the one of room ""
	d.mu.Unlock()
	if full {
		return ErrRooms
	}
	t.enter(room, s)
	err = t.take(ctx, d, e)
	if refused(err) {
		t.exit(room, s)
		return fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	d.mu.Lock()
	if st := d.seat(room); !slices.Contains(st.sockets, s) {
		st.sockets = append(slices.Clip(st.sockets), s)
	}
	d.mu.Unlock()
	life := wrap.Context(s)
	rooms.Join(life, s, socket.Room(room))
	if life.Err() != nil { // the end of s may have been handled before s was there
		t.exit(room, s)
		return ErrAbsent
	}
	return prefixed(err)
}

// Update changes the metadata of the device of s in a room, or everywhere if room is "".
// Nobody sees it leave. Metadata that is only temporary is best cleared with nil: a device
// that comes back brings nil, or what Options.Meta returns, and that is a change if it
// differs. The errors are those of Join, and ErrAbsent if s is not in the room.
func (t *Tracker) Update(ctx context.Context, s *socket.Socket, room string, meta any) error {
	raw, err := t.marshal(func() any { return meta })
	if err != nil {
		return err
	}
	return t.change(ctx, s, room, func(e *Entry) { e.Meta = raw })
}

// Away sets whether the person at the device of s is away, everywhere and in each room that
// the device is in. Users are away if they are on all of their devices. The errors are
// those of Update.
func (t *Tracker) Away(ctx context.Context, s *socket.Socket, away bool) error {
	d, err := t.turn(ctx, s)
	if err != nil {
		return err
	}
	defer t.releaseTurn(d)
	d.mu.Lock()
	entries := make([]Entry, len(d.seats))
	for i, st := range d.seats {
		entries[i] = st.Entry
		entries[i].Away = away
	}
	d.mu.Unlock()
	if len(entries) == 0 {
		return ErrAbsent
	}
	var failed error
	for _, e := range entries {
		err := t.retake(ctx, d, e)
		if errors.Is(err, ErrAbsent) {
			return err
		}
		failed = cmp.Or(failed, err)
	}
	return failed
}

// change changes the entry of a device in a room.
func (t *Tracker) change(ctx context.Context, s *socket.Socket, room string, f func(*Entry)) error {
	d, err := t.turn(ctx, s)
	if err != nil {
		return err
	}
	defer t.releaseTurn(d)
	d.mu.Lock()
	st := d.seat(room)
	if st == nil || room != "" && !slices.Contains(st.sockets, s) {
		d.mu.Unlock()
		return ErrAbsent
	}
	e := st.Entry
	d.mu.Unlock()
	f(&e)
	return t.retake(ctx, d, e)
}

// retake takes a seat that d already has, with a new entry.
func (t *Tracker) retake(ctx context.Context, d *device, e Entry) error {
	err := t.take(ctx, d, e)
	if refused(err) {
		return fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	return prefixed(err)
}

// Leave makes s leave a room. If no other socket of the user is in it, the user is no
// longer a member, at once and without grace, since this is deliberate. If room is "" the
// device of s leaves everywhere, [Tracker.Room] too, and does not count any more for the
// life of its connection, though it stays connected: call it when somebody signs out. The
// errors are those of Join; ErrAbsent if s was not in the room.
func (t *Tracker) Leave(ctx context.Context, s *socket.Socket, room string) error {
	if room == "" {
		return t.quit(ctx, s)
	}
	if err := checkRoom(room); err != nil {
		return err
	}
	d, err := t.turn(ctx, s)
	if err != nil {
		return err
	}
	defer t.releaseTurn(d)
	d.mu.Lock()
	st := d.seat(room)
	if st == nil || !slices.Contains(st.sockets, s) {
		d.mu.Unlock()
		return ErrAbsent
	}
	st.sockets = without(st.sockets, s)
	last := len(st.sockets) == 0
	if last {
		d.seats = without(d.seats, st)
	}
	d.mu.Unlock()
	t.exit(room, s)
	exitHost(s, socket.Room(room))
	if !last {
		return nil
	}
	return prefixed(t.store.Leave(ctx, CauseLeft, true, st.Seat))
}

// quit makes the device of s leave everywhere.
func (t *Tracker) quit(ctx context.Context, s *socket.Socket) error {
	d, err := t.turn(ctx, s)
	if err != nil {
		return err
	}
	defer t.releaseTurn(d)
	var left []Seat
	d.mu.Lock()
	seats := d.seats
	sockets := slices.Clone(d.sockets)
	d.seats = nil
	t.goes(d, CauseLeft)
	d.mu.Unlock()
	for _, so := range sockets {
		t.retire(so, d.user)
	}
	for _, st := range seats {
		left = append(left, st.Seat)
		for _, so := range st.sockets {
			t.exit(st.Room, so)
			exitHost(so, socket.Room(st.Room))
		}
	}
	return prefixed(t.store.Leave(ctx, CauseLeft, true, left...))
}

// retire takes s out of the room of its user, who has left everywhere. If the state of s
// can be recovered, it joins another room that says whose state it is: the same user, and
// nobody else, may come back with it.
func (t *Tracker) retire(s *socket.Socket, user string) {
	if recovery.Kept(s) {
		rooms.Join(wrap.Context(s), s, recovery.Room(kindLeft, user))
	}
	exitHost(s, t.Room(user))
}

// turn returns the device of s, with its turn taken.
func (t *Tracker) turn(ctx context.Context, s *socket.Socket) (*device, error) {
	if t.isClosed() {
		return nil, ErrClosed
	}
	d, err := t.device(s)
	if err != nil {
		return nil, err
	}
	if err := d.acquireTurn(ctx); errors.Is(err, ErrAbsent) {
		return nil, ErrAbsent
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	if !d.has(s) {
		t.releaseTurn(d)
		return nil, ErrAbsent
	}
	return d, nil
}

// refused reports whether err means that a seat was not taken, and will not be.
func refused(err error) bool { return errors.Is(err, ErrFull) || isEviction(err) }

// prefixed returns an error of the Store as one of this package.
func prefixed(err error) error {
	if err == nil || errors.Is(err, ErrAbsent) {
		return err
	}
	return fmt.Errorf("presence: %w", err)
}

func checkRoom(room string) error {
	if room == "" || len(room) > maxRoom || strings.HasPrefix(room, reserved) || !utf8.ValidString(room) || strings.ContainsRune(room, 0) {
		return ErrRoom
	}
	return nil
}

// marshal returns what f returns as JSON, or nil for nil.
func (t *Tracker) marshal(f func() any) (raw json.RawMessage, err error) {
	defer func() {
		if p := recover(); p != nil { // of the application
			panicked(t.opts.Logger, "what makes metadata", p)
			err = fmt.Errorf("%w: panic: %v", ErrMeta, p)
		}
	}()
	v := f()
	if v == nil {
		return nil, nil
	}
	raw, err = json.Marshal(v) // it compacts what a RawMessage holds
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMeta, err)
	}
	if len(raw) > t.opts.MaxMeta {
		return nil, fmt.Errorf("%w: %d bytes", ErrMeta, len(raw))
	}
	return raw, nil
}
