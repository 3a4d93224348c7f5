package redisstore

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/sioware/sioware/presence"
)

// anew takes a new epoch. All seats are then reported again in it; seats in which Redis
// believes but which do not exist are given up with the old epoch.
func (k *keeper) anew(ctx context.Context, why string) error {
	k.mu.Lock()
	if k.node.next == "" {
		k.node.next = newEpoch()
	}
	epoch, old := k.node.next, k.node.epoch
	all := append(slices.Clone(k.node.retired), old)
	k.mu.Unlock()
	if _, err := k.beatOnce(ctx, beat{epoch: epoch, fresh: true, old: all}); err != nil {
		return err
	}
	k.mu.Lock()
	k.node.epoch, k.node.next, k.node.registered, k.node.heal = epoch, "", true, ""
	k.node.retired = append(k.node.retired, old)
	for _, d := range k.seats.devices {
		for _, h := range d.seats {
			k.seats.doubt(h)
		}
	}
	n := len(k.seats.dirty)
	k.mu.Unlock()
	k.logger.WarnContext(ctx, "redisstore: all seats are taken anew", "seats", n, "why", why)
	return nil
}

// retryLeaves gives up the seats that could not be given up in time.
func (k *keeper) retryLeaves(ctx context.Context) error {
	k.mu.Lock()
	all := slices.Collect(maps.Values(k.seats.leaves))
	k.mu.Unlock()
	sortLeaves(all)
	for len(all) > 0 {
		batch := all[:min(len(all), maxBatch)]
		err := k.try(ctx, func(ctx context.Context) error { return k.vacate(ctx, batch) })
		if err != nil {
			k.mu.Lock()
			for _, l := range batch {
				if k.seats.leaves[l.Seat].seq == l.seq {
					k.skip(partition(l.Room, l.User))
				}
			}
			k.mu.Unlock()
		}
		if err := k.proceed(ctx, err); err != nil {
			return err
		}
		all = slices.DeleteFunc(all[len(batch):], func(l leave) bool { return k.unreachable[partition(l.Room, l.User)] })
	}
	return nil
}

// sortLeaves puts those of one partition together.
func sortLeaves(all []leave) {
	slices.SortFunc(all, func(a, b leave) int { return partition(a.Room, a.User) - partition(b.Room, b.User) })
}

// assertDirty tells Redis of seats that it may not know, a few at a time, so that when all
// nodes have many, Redis has time for others.
func (k *keeper) assertDirty(ctx context.Context) error {
	k.mu.Lock()
	all := make([]*held, 0, len(k.seats.dirty))
	for h := range k.seats.dirty {
		if h.joining == 0 {
			all = append(all, h)
		}
	}
	k.mu.Unlock()
	for todo := inGroups(all); len(todo) > 0; {
		groups := todo[:min(len(todo), maxCallsAtOnce)]
		batch := slices.Concat(groups...)
		err := k.assertSome(ctx, batch, groups)
		if err != nil {
			k.mu.Lock()
			for _, h := range batch {
				if k.seats.dirty[h] && h.joining == 0 {
					k.skip(h.partition)
				}
			}
			k.mu.Unlock()
		}
		if err := k.proceed(ctx, err); err != nil {
			return err
		}
		todo = slices.DeleteFunc(todo[len(groups):], func(g []*held) bool { return k.unreachable[g[0].partition] })
	}
	return nil
}

// skip makes a partition wait for the next pass, and its graces for longer: once it is
// back, other nodes need time to report those who are back. The lock is held.
func (k *keeper) skip(p int) {
	k.unreachable[p] = true
	k.back.sweeps.quietUntil[p] = time.Now().Add(k.lease / 3)
}

// proceed is called between two batches with the error of the first. It returns nil if the
// caller may go on, even after an error, which may concern only a part of Redis, if the
// lease can be renewed.
func (k *keeper) proceed(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return k.onTime(ctx)
	case errors.Is(err, errFenced):
		return err
	}
	k.untold = cmp.Or(k.untold, err)
	return k.renew(ctx)
}

// assertSome tells Redis of some seats. Even if there is an error, some of them may be
// known.
func (k *keeper) assertSome(ctx context.Context, batch []*held, groups [][]*held) error {
	k.mu.Lock()
	epoch := k.node.epoch
	k.mu.Unlock()
	return k.try(ctx, func(ctx context.Context) error {
		all, err := k.assert(ctx, nil, groups...)
		k.learn(epoch, batch, all)
		return err
	})
}

// learn records the outcomes of seats that were reported.
func (k *keeper) learn(epoch string, batch []*held, all []outcome) {
	bySeq := make(map[uint64]outcome, len(all))
	for _, o := range all {
		bySeq[o.seq] = o
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if epoch != k.node.epoch {
		return
	}
	for _, h := range batch {
		o, ok := bySeq[h.seq]
		if !ok || h.gone || h.joining > 0 {
			continue // another call reports it, or has an answer for it
		}
		k.seats.trust(h)
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
		k.events.add(presence.Event{Eviction: ev})
	}
}

// retire gives up epochs that are not in use any more, once no seat is left to be taken
// again.
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
