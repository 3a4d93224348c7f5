package redisstore

import (
	"context"
	"hash/fnv"
	"slices"
	"strconv"
	"time"
)

const (
	// sweepBatch is how many graces one script ends.
	sweepBatch = 200
	// sweepSlack is how much later than planned a grace may end: the clock of Redis is
	// not ours.
	sweepSlack = 100 * time.Millisecond
	// sweepPoll is how often to see whether sweeping may go on.
	sweepPoll = 20 * time.Millisecond
)

// sweeps are the times at which to sweep partitions. The Store's lock guards it.
type sweeps struct {
	woken       chan struct{} // capacity 1
	next        [partitions]time.Time
	until       [partitions]time.Time // when the last of the graces ends that this node knows of
	quietUntil  [partitions]time.Time // until then others may not have told Redis who is back
	known       [partitions]uint64    // the versions at the last sweep, which events.last may have forgotten
	unreachable [partitions]bool      // the last sweep has failed
	began       time.Time
	clock       [partitions]int64 // the time at Redis at began, in microseconds; 0 if not known
}

func newSweeps() sweeps { return sweeps{woken: make(chan struct{}, 1), began: time.Now()} }

// at returns the time at Redis after d, in microseconds, or 0 if it is not known.
func (w *sweeps) at(p int, d time.Duration) int64 {
	if w.clock[p] == 0 {
		return 0
	}
	return w.clock[p] + (time.Since(w.began) + d).Microseconds()
}

// plan schedules a sweep of a partition.
func (w *sweeps) plan(p int, at time.Time) {
	if w.next[p].IsZero() || at.Before(w.next[p]) {
		w.next[p] = at
	}
	if at.After(w.until[p]) {
		w.until[p] = at
	}
	signal(w.woken)
}

// sweepAll ends graces in time: those that were begun by this node and, in case other
// nodes have died, all those in the partitions that this node is in charge of.
func (s *Store) sweepAll(ctx context.Context) {
	tick := time.NewTicker(max(s.lease/6, time.Second))
	defer tick.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.back.sweeps.woken:
		case <-timer.C:
		case <-tick.C:
			s.planOwn()
		}
		due, wait := s.dueSweeps()
		for batch := range slices.Chunk(due, maxCallsAtOnce) {
			s.sweep(ctx, batch)
			wait = 0
		}
		timer.Reset(wait)
	}
}

// planOwn schedules sweeps of the partitions that this node is in charge of.
func (s *Store) planOwn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for p := range partitions {
		if s.owns(p) && (s.back.sweeps.next[p].IsZero() || now.Before(s.back.sweeps.next[p])) {
			s.back.sweeps.next[p] = now
		}
	}
}

// owns reports whether this node, under one of its names, is in charge of a partition. The
// lock is held.
func (s *Store) owns(p int) bool {
	best, owner := uint64(0), ""
	for _, epoch := range s.node.live {
		h := fnv.New64a()
		_, _ = h.Write(append([]byte(epoch), byte(p)))
		if sum := h.Sum64() * 0x9E3779B97F4A7C15; sum >= best {
			best, owner = sum, epoch
		}
	}
	return owner == s.node.epoch || slices.Contains(s.node.retired, owner)
}

// dueSweeps returns the partitions to sweep now, and how long it is until others are due. A
// partition is not swept as long as Redis does not know of all seats of this node in it, or
// others may not have reported theirs: those who have come back would be taken for gone.
func (s *Store) dueSweeps() (due []int, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.node.failing || now.Before(s.node.quietUntil) {
		return nil, sweepPoll
	}
	wait = time.Hour
	for p := range partitions {
		switch next := &s.back.sweeps.next[p]; {
		case next.IsZero():
		case next.After(now):
			wait = min(wait, next.Sub(now))
		case s.seats.dirtyIn[p] > 0 || now.Before(s.back.sweeps.quietUntil[p]):
			wait = min(wait, sweepPoll)
		default:
			*next = time.Time{}
			due = append(due, p)
		}
	}
	return due, wait
}

// sweep sweeps partitions, and plans their next sweeps.
func (s *Store) sweep(ctx context.Context, due []int) {
	calls := make([]call, len(due))
	until := make([]int64, len(due))
	s.mu.Lock()
	for i, p := range due {
		known := max(s.back.sweeps.known[p], s.events.last[p].Load())
		batch := sweepBatch
		if s.back.sweeps.unreachable[p] {
			batch = 0 // only ask whether it is back
		}
		until[i] = s.back.sweeps.at(p, patience(s.timeout, s.lease))
		calls[i] = call{&sweepScript, s.keys(p), []any{s.channel(), p, batch, known, until[i]}}
	}
	s.mu.Unlock()
	swept := make(map[int]bool) // the lock guards it: a call that was given up may go on
	_ = s.try(ctx, func(ctx context.Context) error {
		cmds, err := s.exec(ctx, calls...)
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, c := range cmds {
			if reply, err := texts(c); err == nil && len(reply) == 3 {
				swept[due[i]] = true
				s.swept(due[i], until[i], reply)
			}
		}
		return err
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range due {
		if !swept[p] {
			s.back.sweeps.unreachable[p] = true
			s.back.sweeps.plan(p, time.Now().Add(s.lease/12))
		}
	}
}

// swept plans what is to come in a partition, according to the reply of a sweep that should
// have arrived by a time of Redis, if it is for this node to take care of. The lock is held.
func (s *Store) swept(p int, until int64, reply []string) {
	w := &s.back.sweeps
	w.known[p], _ = strconv.ParseUint(reply[1], 10, 64)
	clock, _ := strconv.ParseInt(reply[2], 10, 64)
	w.clock[p] = clock - time.Since(w.began).Microseconds()
	if w.unreachable[p] { // others need time to report those who are back
		w.unreachable[p], w.quietUntil[p] = false, time.Now().Add(s.lease/3)
	}
	us, err := strconv.ParseInt(reply[0], 10, 64)
	if err != nil || us < 0 {
		return
	}
	// Microseconds are rounded, and TIME is taken at the beginning of a script.
	next := time.Now().Add(time.Duration(us)*time.Microsecond + time.Millisecond)
	if clock > until || s.owns(p) || !next.After(w.until[p].Add(sweepSlack)) {
		if w.next[p].IsZero() || next.Before(w.next[p]) {
			w.next[p] = next
		}
	}
}
