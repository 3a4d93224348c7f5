package redisstore

import (
	"context"
	"maps"
	"slices"

	"github.com/sioware/sioware/presence"
)

// anew takes a new epoch. All seats are to be told anew in it; those that Redis believes in
// and that are not are given up with the old epoch.
func (k *keeper) anew(ctx context.Context, why string) error {
	epoch := newEpoch()
	k.mu.Lock()
	old := k.node.epoch
	k.mu.Unlock()
	if _, err := k.beatOnce(ctx, beat{epoch: epoch, fresh: true, old: old}); err != nil {
		return err
	}
	k.mu.Lock()
	k.node.epoch, k.node.registered, k.node.heal = epoch, true, ""
	k.node.retired = append(k.node.retired, old)
	for _, d := range k.seats.devices {
		for _, h := range d.seats {
			k.seats.dirty[h] = true
		}
	}
	n := len(k.seats.dirty)
	k.mu.Unlock()
	k.logger.WarnContext(ctx, "redisstore: all seats are taken anew", "seats", n, "why", why)
	return nil
}

// retryLeaves gives up what could not be given up in time.
func (k *keeper) retryLeaves(ctx context.Context) error {
	k.mu.Lock()
	all := slices.Collect(maps.Values(k.seats.leaves))
	k.mu.Unlock()
	for batch := range slices.Chunk(all, maxBatch) {
		err := k.try(ctx, func(ctx context.Context) error { return k.vacate(ctx, batch) })
		if err != nil {
			return err
		}
		k.mu.Lock()
		k.seats.settle(batch)
		k.mu.Unlock()
		if err := k.onTime(ctx); err != nil {
			return err
		}
	}
	return nil
}

// assertDirty tells Redis of seats of which it may not know, a few at a time, so that nodes
// that all have many leave it time for others.
func (k *keeper) assertDirty(ctx context.Context) error {
	k.mu.Lock()
	all := make([]*held, 0, len(k.seats.dirty))
	for h := range k.seats.dirty {
		if h.joining == 0 {
			all = append(all, h)
		}
	}
	k.mu.Unlock()
	if len(all) == 0 {
		return nil
	}
	for groups := range slices.Chunk(inGroups(all), maxCallsAtOnce) {
		batch := slices.Concat(groups...)
		if err := k.assertSome(ctx, batch, groups); err != nil {
			return err
		}
		if err := k.onTime(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (k *keeper) assertSome(ctx context.Context, batch []*held, groups [][]*held) error {
	k.mu.Lock()
	epoch := k.node.epoch
	k.mu.Unlock()
	result := new([]outcome)
	err := k.try(ctx, func(ctx context.Context) error {
		all, err := k.assert(ctx, nil, groups...)
		*result = all
		return err
	})
	if err != nil {
		return err
	}
	bySeq := make(map[uint64]outcome, len(*result))
	for _, o := range *result {
		bySeq[o.seq] = o
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if epoch != k.node.epoch {
		return nil
	}
	for _, h := range batch {
		o, ok := bySeq[h.seq]
		if !ok || h.gone || h.joining > 0 {
			continue // it is told by another call, or has an answer by one
		}
		delete(k.seats.dirty, h)
		ev := &presence.Eviction{User: h.entry.User, Device: h.entry.Device, Cause: presence.CauseReplaced}
		switch {
		case !o.refused:
			continue
		case o.full:
			k.seats.evict(h.entry.Room, *ev)
		default:
			ev.Cause, ev.Reason = o.cause, o.reason
			_ = k.refused(h, o)
		}
		k.told.add(presence.Event{Eviction: ev})
	}
	return nil
}

// retire gives up epochs that are not in use any more, when no seat is to be taken anew.
func (k *keeper) retire(ctx context.Context) error {
	for {
		k.mu.Lock()
		if len(k.seats.dirty) > 0 || k.node.heal != "" || len(k.node.retired) == 0 {
			k.mu.Unlock()
			return nil
		}
		epoch, unused := k.node.epoch, k.node.retired[0]
		k.mu.Unlock()
		r, err := k.beatOnce(ctx, beat{epoch: epoch, unused: unused, claims: k.reaped == nil})
		if err != nil {
			return err
		}
		k.mu.Lock()
		k.node.retired = k.node.retired[1:]
		k.mu.Unlock()
		if r.dead != "" || r.walk {
			k.work(ctx, r)
		}
	}
}
