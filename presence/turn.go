package presence

import "context"

// begin waits for the turn to tell the Store of d. What the Store holds of a device must
// be what the device has, in whichever order its sockets come and go: one call is made at
// a time. It fails if ctx ends, or if d is gone.
func (d *device) begin(ctx context.Context) error {
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

// end ends the turn.
func (t *Tracker) end(d *device) {
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

// part gives all seats of d up, now or when the turn is over.
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
	d.gone = cause
	if !d.busy {
		t.depart(d)
	}
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
}
