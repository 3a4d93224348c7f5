package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sioware/sioware/presence"
)

// Join implements [presence.Store]. It takes one round trip, the first one two. A seat
// without a user is an error that wraps [presence.ErrUser], one in a room with a zero byte
// an error that wraps [presence.ErrRoom]. A device that has a seat is not refused with
// [presence.ErrFull].
func (s *Store) Join(ctx context.Context, e presence.Entry) error {
	if err := check(e.Seat); err != nil {
		return fmt.Errorf("redisstore: %w", err)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return presence.ErrClosed
	}
	s.start()
	h, err := s.seats.hold(e)
	if err == nil {
		h.joining++
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	result, fenced := new(outcome), new(bool) // of this call alone: a call that was given up may still write
	err = s.do(ctx, func(ctx context.Context) error {
		if err := s.register(ctx); err != nil {
			return err
		}
		var evicted *call
		if e.Room != "" {
			c := s.lookUp(e.User, e.Device)
			evicted = &c
		}
		all, err := s.assert(ctx, evicted, []*held{h})
		switch {
		case err == nil:
			*result = all[0]
		case errors.Is(err, errFenced): // which says nothing about Redis
			*fenced = true
			return nil
		}
		return err
	})
	if err == nil && *fenced {
		err = unavailable(errFenced)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h.joining--
	if err != nil {
		if !h.gone {
			s.seats.doubt(h)
			s.nudge()
		}
		return err
	}
	if d := s.seats.devices[deviceKey{e.User, e.Device}]; result.seq == 0 && d != nil && d.evicted != nil {
		again := *d.evicted // the eviction came before the call
		return &again
	}
	return s.refused(h, *result)
}

// refused records the outcome of a call that was to take h, and returns why it did not, or
// nil. The lock is held.
func (s *Store) refused(h *held, o outcome) error {
	current := !h.gone && h.seq == o.seq
	switch {
	case !o.refused:
		return nil
	case o.full:
		if current {
			s.seats.drop(h)
		}
		return presence.ErrFull
	}
	ev := presence.Eviction{User: h.entry.User, Device: h.entry.Device, Cause: o.cause, Reason: o.reason}
	again := ev
	if current {
		room := h.entry.Room
		if o.elsewhere {
			room = ""
		}
		s.seats.evict(room, ev)
	}
	if current && !h.gone {
		// It was evicted from the room "", but has been given a seat here.
		s.seats.later([]leave{s.seats.giveUp(h.entry.Seat, o.cause, o.cause == presence.CauseKicked)})
		s.nudge()
	}
	return &again
}

// Leave implements [presence.Store]. It takes one round trip for up to 2,000 seats.
func (s *Store) Leave(ctx context.Context, cause presence.Cause, now bool, all ...presence.Seat) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return presence.ErrClosed
	}
	leaves := make([]leave, 0, len(all))
	for _, seat := range all {
		if check(seat) == nil { // otherwise nobody has it
			leaves = append(leaves, s.seats.giveUp(seat, cause, now))
		}
	}
	s.mu.Unlock()
	var failure error
	for batch := range slices.Chunk(leaves, maxBatch*maxCallsAtOnce) {
		err := failure // the other batches would wait as well
		if err == nil {
			err = s.do(ctx, func(ctx context.Context) error { return s.vacate(ctx, batch) })
		}
		if failure = err; err != nil {
			s.mu.Lock()
			s.start()
			s.seats.later(batch)
			s.nudge()
			s.mu.Unlock()
		}
	}
	return failure
}

// Evict implements [presence.Store]. It takes one round trip. A user whose grace is running
// goes offline, too. Devices of this process that Redis does not know yet are evicted when
// it has answered. If the answer to a call was lost on the way, and the client has sent it
// again, the devices are not counted.
func (s *Store) Evict(ctx context.Context, user string, cause presence.Cause, reason string, except ...string) (int, error) {
	if user == "" {
		return 0, nil // there is no such user
	}
	result := new([]string)
	err := s.do(ctx, func(ctx context.Context) error {
		p := partition("", user)
		args := []any{s.channel(), p, entity("", user), string(cause), reason}
		for _, id := range except {
			args = append(args, id)
		}
		cmds, err := s.exec(ctx, call{&evictScript, s.keys(p), args})
		if err != nil {
			return err
		}
		ids, err := texts(cmds[0])
		if err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		e := presence.Eviction{User: user, Cause: cause, Reason: reason}
		for _, id := range ids {
			e.Device = id
			s.seats.evict("", e)
		}
		for _, e := range s.seats.evictDirty(e, slices.Concat(except, ids)) {
			ids = append(ids, e.Device)
			s.events.add(presence.Event{Eviction: &e})
			s.nudge()
		}
		*result = ids
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(*result), nil
}

// micros returns d in microseconds, clamped to between 0 and a century.
func micros(d time.Duration) int64 {
	return min(max(0, d), 100*365*24*time.Hour).Microseconds()
}
