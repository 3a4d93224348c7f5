package redisstore

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// jobTries is how often a script for another node is tried before that is left to others.
const jobTries = 5

// work begins to look after other nodes, on a goroutine of its own, so that the lease of
// this node is renewed meanwhile.
func (k *keeper) work(ctx context.Context, r beatReply) {
	if k.reaped != nil {
		return
	}
	k.reaped = make(chan string, 1)
	done := k.reaped
	k.back.running.Go(func() {
		var reaped string
		if r.dead != "" {
			k.logger.WarnContext(ctx, "redisstore: another node has died, its seats are given up", "epoch", r.dead)
			if k.reap(ctx, r.dead, r.ended) == nil {
				reaped = r.dead
			}
		}
		if r.walk {
			_ = k.walk(ctx, r.epochs)
		}
		done <- reaped
	})
}

// reap gives up the seats of a node.
func (s *Store) reap(ctx context.Context, epoch, ended string) error {
	return s.through(ctx, func(p int, cursor string) call {
		return call{&reapScript, s.keys(p), []any{s.channel(), p, epoch, ended, cursor, maxBatch}}
	}, func(p int, reply []string) {
		if len(reply) > 1 {
			s.expect(p, reply[1])
		}
	})
}

// walk searches all partitions for seats of nodes that do not exist. Nodes that were known
// when it began are ignored: one that has been closed meanwhile must not become known
// again. So are nodes that have come and gone since, and nodes that are being reaped: walk
// looks twice, and asks in between which nodes there are. A node gives up its seats before
// its lease, or they are given up by whoever reaps it. So an epoch with seats at the second
// look that was neither live nor being reaped before is not that of a node.
func (s *Store) walk(ctx context.Context, known []string) error {
	strays, err := s.strays(ctx, known)
	if err != nil || len(strays) == 0 {
		return err
	}
	live := new([]string) // of this call alone: it may go on after it was given up
	err = s.try(ctx, func(ctx context.Context) error {
		var all []string
		for _, key := range s.nodeKeys()[:2] { // in the order in which nodes move from one to the other
			some, err := s.client.ZRange(ctx, key, 0, -1).Result()
			if err != nil {
				return err
			}
			all = append(all, some...)
		}
		*live = all
		return nil
	})
	if err != nil {
		return err
	}
	still, err := s.strays(ctx, *live)
	if err != nil {
		return err
	}
	args := []any{s.lease.Microseconds()}
	for epoch := range still {
		if strays[epoch] {
			args = append(args, epoch)
		}
	}
	if len(args) == 1 {
		return nil
	}
	return s.try(ctx, func(ctx context.Context) error {
		_, err := s.exec(ctx, call{&adoptScript, s.nodeKeys()[:2], args})
		return err
	})
}

// strays returns the epochs that have seats, except those of known nodes.
func (s *Store) strays(ctx context.Context, known []string) (map[string]bool, error) {
	epochs := make(map[string]bool)
	err := s.through(ctx, func(p int, cursor string) call {
		return call{&walkScript, s.keys(p), []any{s.channel(), p, cursor, maxBatch}}
	}, func(_ int, reply []string) {
		for _, epoch := range reply[1:] {
			if !slices.Contains(known, epoch) {
				epochs[epoch] = true
			}
		}
	})
	return epochs, err
}

// through goes through all partitions, page by page. Each reply begins with the cursor.
func (s *Store) through(ctx context.Context, next func(p int, cursor string) call, each func(p int, reply []string)) error {
	type place struct {
		p      int
		cursor string
	}
	var todo []place
	for p := range partitions {
		todo = append(todo, place{p, ""})
	}
	for failed := 0; len(todo) > 0; {
		some := todo[:min(len(todo), maxCallsAtOnce)]
		calls := make([]call, len(some))
		for i, t := range some {
			calls[i] = next(t.p, t.cursor)
		}
		result := new([][]string)
		err := s.try(ctx, func(ctx context.Context) error {
			cmds, err := s.exec(ctx, calls...)
			if err != nil {
				return err
			}
			all := make([][]string, len(cmds))
			for i, c := range cmds {
				if all[i], err = texts(c); err == nil && len(all[i]) == 0 {
					err = fmt.Errorf("%w: no cursor", errReply)
				}
				if err != nil {
					return err
				}
			}
			*result = all
			return nil
		})
		if err != nil {
			if failed++; failed == jobTries || !pause(ctx, s.lease/12) {
				return err
			}
			continue
		}
		failed = 0
		todo = todo[len(some):]
		for i, reply := range *result {
			each(some[i].p, reply)
			if reply[0] != "" {
				todo = append(todo, place{some[i].p, reply[0]})
			}
		}
	}
	return nil
}

// pause waits, and reports whether ctx has not ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
