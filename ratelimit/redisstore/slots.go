package redisstore

import (
	"context"
	_ "embed"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/ratelimit"
)

//go:embed slots.lua
var slotsSource string

var slotsScript = redis.NewScript(slotsSource)

// slot is one slot of a Redis key, by the name of its holder.
type slot struct{ key, id string }

// release is a slot that is to be given back.
type release struct {
	slot
	until time.Time // when it becomes free by itself
	// doubt is whether a call that takes the slot may still be on its way to
	// Redis, so that it has to be given back again.
	doubt bool
}

// slots are the slots of this process.
type slots struct {
	wake chan struct{} // capacity 1: there are releases

	mu       sync.Mutex
	held     map[slot]struct{}
	releases []release
	given    map[string]map[string]struct{} // given back, by key, as long as Redis may not know it
	keeper   *keeper                        // nil before the first Acquire
	closed   bool
}

func newSlots() slots {
	return slots{
		wake:  make(chan struct{}, 1),
		held:  make(map[slot]struct{}),
		given: make(map[string]map[string]struct{}),
	}
}

// Acquire implements [ratelimit.SlotStore]. It takes one round trip. A slot is held as
// long as this process renews it, and for [Options].Lease from then on. If it returns
// an error because the answer was lost, the slot is given back as soon as Redis can be
// reached, or becomes free after the lease. Slots that this process has given back
// before count as free, whether Redis knows it yet or not.
func (s *Store) Acquire(ctx context.Context, key string, max int64) (release func(), v ratelimit.Verdict, err error) {
	if max < 1 {
		return nil, ratelimit.Verdict{}, fmt.Errorf("%w: %d slots", ratelimit.ErrLimit, max)
	}
	if !s.keep() {
		return nil, ratelimit.Verdict{}, ErrClosed
	}
	sl := slot{s.slotsKey(key), newID()}
	args := append([]any{s.lease.Milliseconds(), max, sl.id}, s.slots.free(sl.key)...)
	var reply slotsReply
	var ended atomic.Bool // set by the call, or by its caller; whoever comes second gives the slot back
	err = s.do(ctx, func(ctx context.Context) error {
		r, err := parseSlots(slotsScript.Run(ctx, s.client, []string{sl.key}, args...))
		reply = r
		if !ended.CompareAndSwap(false, true) {
			s.giveBack(sl, true)
		}
		return err
	})
	if err != nil {
		if !ended.CompareAndSwap(false, true) {
			s.giveBack(sl, true)
		}
		return nil, ratelimit.Verdict{}, err
	}
	v = ratelimit.Verdict{Allowed: reply.held, Limit: max}
	if !reply.held {
		return nil, v, nil
	}
	if n := max - reply.count; n > 0 { // slots that Redis had forgotten may make too many
		v.Remaining = n
	}
	if !s.hold(sl) {
		// Close did not know of it. If this fails it becomes free after its lease.
		_ = s.caller.Do(context.WithoutCancel(ctx), func(ctx context.Context) error {
			return s.client.ZRem(ctx, sl.key, sl.id).Err()
		}, func() {})
		return nil, ratelimit.Verdict{}, ErrClosed
	}
	return sync.OnceFunc(func() { s.giveBack(sl, false) }), v, nil
}

// slotsReply is what the script returns.
type slotsReply struct {
	held  bool
	count int64
}

func parseSlots(c *redis.Cmd) (slotsReply, error) {
	reply, err := c.Int64Slice()
	if err != nil {
		return slotsReply{}, err
	}
	if len(reply) != 2 || reply[1] < 0 {
		return slotsReply{}, fmt.Errorf("%w: %.100v", errReply, reply)
	}
	return slotsReply{reply[0] == 1, reply[1]}, nil
}

// keep starts the keeper, if there is none. It returns false after Close.
func (s *Store) keep() bool {
	s.slots.mu.Lock()
	defer s.slots.mu.Unlock()
	if s.slots.closed {
		return false
	}
	if s.slots.keeper == nil {
		ctx, cancel := context.WithCancel(context.Background())
		k := &keeper{Store: s, cancel: cancel, ended: make(chan struct{})}
		s.slots.keeper = k
		go k.run(ctx)
	}
	return true
}

// hold has sl renewed. It returns false after Close.
func (s *Store) hold(sl slot) bool {
	s.slots.mu.Lock()
	defer s.slots.mu.Unlock()
	if s.slots.closed {
		return false
	}
	s.slots.held[sl] = struct{}{}
	return true
}

// giveBack has the keeper tell Redis that sl is free. It does nothing after Close,
// which has given back all slots.
func (s *Store) giveBack(sl slot, doubt bool) {
	s.slots.mu.Lock()
	defer s.slots.mu.Unlock()
	if s.slots.closed {
		return
	}
	delete(s.slots.held, sl)
	if s.slots.given[sl.key] == nil {
		s.slots.given[sl.key] = make(map[string]struct{})
	}
	s.slots.given[sl.key][sl.id] = struct{}{}
	s.slots.releases = append(s.slots.releases, release{sl, time.Now().Add(s.lease), doubt})
	select {
	case s.slots.wake <- struct{}{}:
	default:
	}
}

// maxGiven is how many slots that were given back one call reports.
const maxGiven = 100

// free returns the holders that have given a slot of key back, if Redis may not know
// it yet: whoever comes back at once must not be refused because of their own slot.
func (s *slots) free(key string) (ids []any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.given[key] {
		if ids = append(ids, id); len(ids) == maxGiven {
			break
		}
	}
	return ids
}

// known records that Redis knows that sl is free.
func (s *slots) known(sl slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.given[sl.key], sl.id); len(s.given[sl.key]) == 0 {
		delete(s.given, sl.key)
	}
}

// Close gives back the slots that this process holds, in one attempt: if Redis is away
// they become free after their lease. It waits for that, and for a renewal of slots that
// is under way, up to the timeouts of the client; but no longer than ctx, whose error it
// then returns. Methods called afterwards return [ErrClosed], and the functions that
// Acquire has returned do nothing; calls under way are not waited for, but give back
// what they have taken if the client is still open. It may be called again.
func (s *Store) Close(ctx context.Context) error {
	s.closed.Store(true)
	s.slots.mu.Lock()
	s.slots.closed = true
	k := s.slots.keeper
	s.slots.mu.Unlock()
	if k == nil {
		return nil
	}
	k.cancel()
	select {
	case <-k.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
