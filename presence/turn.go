package presence

import (
	"context"
	"slices"

	"github.com/sioware/sioware/internal/rooms"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// acquireTurn waits for the turn to tell the Store about d. What the Store holds for a device
// must be what the device has, in whichever order its sockets come and go, so only one
// call is made at a time. It fails if ctx ends, or if d is gone.
func (d *device) acquireTurn(ctx context.Context) error {
	for {
		d.mu.Lock()
		switch {
		case d.gone != "":
			d.mu.Unlock()
			return ErrAbsent
		case !d.busy:
			d.busy = true
			d.mu.Unlock()
			return nil
		case d.free == nil:
			d.free = make(chan struct{})
		}
		free := d.free
		d.mu.Unlock()
		select {
		case <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// releaseTurn ends the turn.
func (t *Tracker) releaseTurn(d *device) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.busy = false
	if d.free != nil {
		close(d.free)
		d.free = nil
	}
	if d.gone != "" {
		t.depart(d)
	}
}

// part gives up all seats of d, now or when the turn is over.
func (t *Tracker) part(d *device, cause Cause) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone != "" {
		return
	}
	if d.evicted != nil {
		cause = d.evicted.Cause
	}
	if cause == causeFull {
		cause = CauseReplaced
	}
	t.goes(d, cause)
	if !d.busy {
		t.depart(d)
	}
}

// goes marks d as gone; it departs when the turn is over. d.mu is held.
func (t *Tracker) goes(d *device, cause Cause) {
	d.gone = cause
	t.departures.expect(d.user)
}

// depart has the Store told that d is gone. d.mu is held.
func (t *Tracker) depart(d *device) {
	for _, st := range d.seats {
		t.departures.add(departure{reason{d.gone, d.evicted != nil && d.gone == CauseKicked}, st.Seat})
	}
	if d.evicted != nil && d.seat("") == nil {
		t.departures.add(departure{reason{d.gone, true}, Seat{User: d.user, Device: d.id}}) // the Store may forget it
	}
	d.seats = nil
	t.departures.settle(d.user)
}

// leave removes a socket whose context has ended.
func (t *Tracker) leave(d *device, s *socket.Socket, cause Cause) {
	t.exitAll(d, s)
	exitHost(s, t.Room(d.user))
	t.mu.Lock()
	d.refs--
	last := d.refs == 0
	if last {
		t.forget(d)
		t.part(d, cause) // with t.mu held, so that the next device at this place can wait for it
	}
	t.mu.Unlock()
	if last {
		t.clock.Stop(&d.kick)
		return
	}
	if err := d.acquireTurn(context.Background()); err != nil {
		return // another socket was the last one meanwhile
	}
	defer t.releaseTurn(d)
	t.exitAll(d, s) // for a Join that was under way
	d.mu.Lock()
	d.sockets = without(d.sockets, s)
	var left []Seat
	d.seats = slices.DeleteFunc(d.seats, func(st *seat) bool {
		before := len(st.sockets)
		st.sockets = without(st.sockets, s)
		empty := before > 0 && len(st.sockets) == 0
		if empty {
			left = append(left, st.Seat)
		}
		return empty
	})
	d.mu.Unlock()
	if len(left) > 0 {
		ctx := t.background()
		defer ctx.End()
		_ = t.store.Leave(ctx, cause, false, left...) // it goes on trying by itself
	}
}

// exitAll records that s is in no room any more. It might still be in those of the host: a
// socket never leaves a room that it joins just as it is disconnected.
func (t *Tracker) exitAll(d *device, s *socket.Socket) {
	d.mu.Lock()
	var in []string
	for _, st := range d.seats {
		if slices.Contains(st.sockets, s) {
			in = append(in, st.Room)
		}
	}
	d.mu.Unlock()
	for _, room := range in {
		t.exit(room, s)
		exitHost(s, socket.Room(room))
	}
}

// exitHost removes s from a room of the host, but not from the one that has its ID if s
// has gone.
func exitHost(s *socket.Socket, room socket.Room) {
	if wrap.Context(s).Err() != nil {
		rooms.Drop(s, room)
		return
	}
	s.Leave(room)
}
