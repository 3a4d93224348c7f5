package redisstore

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sioware/sioware/internal/redisclient"
	"github.com/sioware/sioware/presence"
)

// background is what runs besides the calls, from the first Join or Watch on.
type background struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
	feed    *redisclient.Feed
	sweeps  sweeps
	woken   chan struct{} // capacity 1: the keeper is to make a pass at once
	nudged  chan struct{} // capacity 1: it is to make one soon
}

// start starts what runs in the background, if it is not running. The lock is held.
func (s *Store) start() {
	if s.back != nil || s.closed {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	b := &background{
		cancel: cancel,
		sweeps: newSweeps(),
		woken:  make(chan struct{}, 1),
		nudged: make(chan struct{}, 1),
	}
	s.back = b
	s.events.start()
	b.feed = redisclient.NewFeed(s.client, s.channel(), s.logger, s.pingEvery, func(payload string) { s.onMessage(ctx, payload) }, s.subscribed)
	b.running.Go(func() { s.deliver(ctx) })
	b.running.Go(func() { s.sweepAll(ctx) })
	b.running.Go(func() { (&keeper{Store: s}).run(ctx) })
}

// wake has the keeper make a pass at once. The lock is held.
func (s *Store) wake() { signal(s.back.woken) }

// nudge has the keeper make a pass soon: a call has failed. The lock is held.
func (s *Store) nudge() {
	if s.back != nil {
		signal(s.back.nudged)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// keeper keeps the lease of a node, and tells Redis what it could not be told in time about
// the node's seats, on a goroutine of its own.
type keeper struct {
	*Store

	last   time.Time // when the lease was last renewed
	next   time.Duration
	reaped chan string // receives the epoch that was reaped, "" after another job; nil if there is no job
	done   string      // an epoch that has been reaped, which Redis does not know yet
	partly bool        // some seats could not be reported

	// In the current pass:
	untold      error            // why some seats could not be reported
	unreachable [partitions]bool // in which partitions
}

// run keeps until ctx ends.
func (k *keeper) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	due := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.back.nudged:
			if soon := time.Now().Add(k.lease / 12); soon.Before(due) {
				due = soon
				timer.Reset(k.lease / 12)
			}
			continue
		case <-k.back.woken:
		case done := <-k.reaped:
			k.reaped, k.done = nil, done
		case <-timer.C:
		}
		err := k.pass(ctx)
		if ctx.Err() != nil {
			return
		}
		k.note(ctx, err)
		wait := k.wait()
		due = time.Now().Add(wait)
		timer.Reset(wait)
	}
}

// wait returns how long to wait until the next pass: a third of the lease, less after one
// that failed, varied so that nodes do not keep in step; or until the lease of another
// node ends, if that is earlier.
func (k *keeper) wait() time.Duration {
	k.mu.Lock()
	unsettled := k.node.failing || len(k.seats.dirty)+len(k.seats.leaves)+len(k.node.retired) > 0 || k.node.heal != ""
	k.mu.Unlock()
	d := k.lease / 3
	if unsettled {
		d = k.lease / 12
	}
	d -= rand.N(d / 8)
	if k.reaped == nil { // otherwise the end of the job wakes the keeper
		d = min(d, k.next+5*time.Millisecond+rand.N(10*time.Millisecond))
	}
	return d
}

// note records how a pass went, and logs when that changes.
func (k *keeper) note(ctx context.Context, err error) {
	k.mu.Lock()
	failing := k.node.failing
	k.node.failing = err != nil
	if failing && err == nil {
		// Others may not have noticed yet that Redis is back, and may not have told
		// it of those who have come back to them.
		k.node.quietUntil = time.Now().Add(k.lease / 6)
	}
	k.mu.Unlock()
	switch {
	case err != nil && !failing:
		k.logger.WarnContext(ctx, "redisstore: the lease is not renewed, and others may take this node for dead", "error", err)
	case err == nil && failing:
		k.logger.InfoContext(ctx, "redisstore: the lease is renewed again")
	}
	switch partly := k.untold != nil; {
	case err != nil || partly == k.partly:
		return
	case partly:
		k.logger.WarnContext(ctx, "redisstore: a part of Redis does not answer, and others learn later of seats there", "error", k.untold)
	default:
		k.logger.InfoContext(ctx, "redisstore: all of Redis answers again")
	}
	k.partly = !k.partly
}

// pass does what needs to be done. The error is that of the lease; if a part of Redis is
// away that does not hold the leases, seats in the other parts are still reported.
func (k *keeper) pass(ctx context.Context) error {
	k.next = k.lease
	k.untold, k.unreachable = nil, [partitions]bool{}
	if err := k.renew(ctx); err != nil {
		return err
	}
	k.mu.Lock()
	if k.seats.expired {
		k.seats.expired = false
		k.node.heal = "too many seats were to be given up while Redis was away"
	}
	why := k.node.heal
	k.mu.Unlock()
	if why != "" {
		if err := k.anew(ctx, why); err != nil {
			return err
		}
	}
	if err := k.retryLeaves(ctx); err != nil {
		return err
	}
	if err := k.assertDirty(ctx); err != nil {
		return err
	}
	if k.untold != nil {
		return nil // seats to be given up must go with their own causes
	}
	return k.retire(ctx)
}

// renew renews the lease, and begins to look after another node whose lease has ended.
func (k *keeper) renew(ctx context.Context) error {
	k.mu.Lock()
	b := beat{epoch: k.node.epoch, fresh: !k.node.registered, reaped: k.done, claims: k.reaped == nil, old: slices.Clone(k.node.retired)}
	k.mu.Unlock()
	r, err := k.beatOnce(ctx, b)
	if err != nil {
		return err
	}
	k.done = ""
	k.last = time.Now()
	k.next = r.next
	k.mu.Lock()
	k.node.live = r.epochs
	if b.epoch == k.node.epoch {
		k.node.registered = true
	}
	k.mu.Unlock()
	if r.lost {
		k.needHeal("the lease was lost")
		k.events.add(presence.Event{Lost: k.lease})
	}
	if r.dead != "" || r.walk {
		k.work(ctx, r)
	}
	return nil
}

// beatOnce is beat, within the timeout.
func (k *keeper) beatOnce(ctx context.Context, b beat) (beatReply, error) {
	result := new(beatReply)
	k.running.Add(1)
	err := k.caller.Do(ctx, func(ctx context.Context) (err error) {
		*result, err = k.beat(ctx, b)
		return err
	}, k.running.Done)
	if err != nil {
		return beatReply{}, err
	}
	return *result, nil
}

// onTime renews the lease between batches, if it is time.
func (k *keeper) onTime(ctx context.Context) error {
	if time.Since(k.last) < k.lease/3 {
		return nil
	}
	return k.renew(ctx)
}
