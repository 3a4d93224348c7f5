package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxBatch is how many slots are in one pipeline.
const maxBatch = 500

// keeper renews the slots of a Store and gives them back, on a goroutine of its own.
// It does one thing at a time, and waits for its end: slots that are given back
// during a renewal are reported to Redis after it. It ignores the breaker, since what
// it does has to be done within a lease.
type keeper struct {
	*Store
	cancel context.CancelFunc
	ended  chan struct{}

	// The rest is for the goroutine alone.

	later   []release // to be given back at the next renewal
	failing bool
	doubt   time.Time // until when a failed renewal may still take slots
}

// run keeps slots until ctx ends.
func (k *keeper) run(ctx context.Context) {
	defer close(k.ended)
	renewal := time.NewTimer(k.next())
	defer renewal.Stop()
	for {
		select {
		case <-ctx.Done():
			k.leave()
			return
		case <-k.slots.wake:
			if k.failing {
				break // it is done with the next renewal
			}
			if err := k.tell(ctx, k.released()); err != nil {
				k.note(ctx, err)
			}
		case <-renewal.C:
			now := time.Now()
			due := slices.DeleteFunc(k.later, func(r release) bool {
				if now.Before(r.until) {
					return false
				}
				k.slots.known(r.slot)
				return true
			})
			k.later = nil
			told := k.tell(ctx, append(due, k.released()...))
			renewed := k.renew(ctx)
			if renewed != nil {
				k.doubt = time.Now().Add(k.lease)
			}
			k.note(ctx, cmp.Or(renewed, told))
			renewal.Reset(k.next())
		}
	}
}

// next returns how long to wait until the next renewal: a third of the lease, or
// less after one that failed, varied so that processes do not keep in step.
func (k *keeper) next() time.Duration {
	d := k.lease / 3
	if k.failing {
		d = k.lease / 12
	}
	return d - rand.N(d/8)
}

// note records how a renewal went, and logs when that changes.
func (k *keeper) note(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
		return
	case err != nil && !k.failing:
		k.logger.WarnContext(ctx, "redisstore: slots are not renewed, and may become free", "error", err)
	case err == nil && k.failing:
		k.logger.InfoContext(ctx, "redisstore: slots are renewed again")
	}
	k.failing = err != nil
}

// released returns what was given back since the last time.
func (k *keeper) released() []release {
	k.slots.mu.Lock()
	defer k.slots.mu.Unlock()
	r := k.slots.releases
	k.slots.releases = nil
	return r
}

// leave gives back all slots. None is held any more after Close.
func (k *keeper) leave() {
	all := append(k.later, k.released()...)
	k.later = nil
	k.slots.mu.Lock()
	for sl := range k.slots.held {
		all = append(all, release{slot: sl})
	}
	clear(k.slots.held)
	k.slots.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), max(k.timeout, k.lease/3))
	defer cancel()
	if err := k.tell(ctx, all); err != nil {
		k.logger.WarnContext(ctx, "redisstore: slots are not given back, and become free after their lease", "error", err)
	}
}

// tell gives slots back, and keeps those for later for which that fails, or may not last.
func (k *keeper) tell(ctx context.Context, all []release) error {
	var failure error
	for batch := range slices.Chunk(all, maxBatch) {
		if errors.Is(failure, errNone) {
			k.later = append(k.later, batch...)
			continue
		}
		errs, err := k.pipeline(ctx, len(batch), func(ctx context.Context, p redis.Pipeliner, i int) {
			p.ZRem(ctx, batch[i].key, batch[i].id)
		})
		failure = cmp.Or(err, failure)
		for i, r := range batch {
			if errs[i] != nil || r.doubt || time.Now().Before(k.doubt) {
				k.later = append(k.later, r)
			} else {
				k.slots.known(r.slot)
			}
		}
	}
	return failure
}

// renew takes again all slots that are held.
func (k *keeper) renew(ctx context.Context) error {
	k.slots.mu.Lock()
	all := slices.Collect(maps.Keys(k.slots.held))
	k.slots.mu.Unlock()
	slices.SortFunc(all, func(a, b slot) int { return cmp.Compare(a.key, b.key) })
	var failure error
	for batch := range slices.Chunk(all, maxBatch) {
		calls := k.renewals(batch)
		errs, err := k.pipeline(ctx, len(calls), func(ctx context.Context, p redis.Pipeliner, i int) {
			slotsScript.EvalSha(ctx, p, calls[i].keys, calls[i].args...)
		})
		unknown := calls[:0]
		var others error // of calls for other servers of a Cluster
		for i, err := range errs {
			if redis.HasErrorPrefix(err, "NOSCRIPT") || errors.Is(err, redis.ErrNoScript) {
				unknown = append(unknown, calls[i])
			} else {
				others = cmp.Or(others, err)
			}
		}
		if len(unknown) > 0 {
			_, err = k.pipeline(ctx, len(unknown), func(ctx context.Context, p redis.Pipeliner, i int) {
				slotsScript.Eval(ctx, p, unknown[i].keys, unknown[i].args...)
			})
			err = cmp.Or(err, others)
		}
		failure = cmp.Or(err, failure)
		if errors.Is(err, errNone) {
			break // the others would wait for the timeout as well
		}
	}
	return failure
}

// renewal is a call of the script.
type renewal struct {
	keys []string
	args []any
}

// renewals returns the calls that take those slots again. Slots of one key must be adjacent.
func (k *keeper) renewals(batch []slot) []renewal {
	var calls []renewal
	for _, sl := range batch {
		if n := len(calls); n == 0 || calls[n-1].keys[0] != sl.key {
			calls = append(calls, renewal{[]string{sl.key}, []any{k.lease.Milliseconds(), 0}})
		}
		last := &calls[len(calls)-1]
		last.args = append(last.args, sl.id)
	}
	return calls
}

// errNone is the error of a pipeline in which no call has succeeded.
var errNone = errors.New("no call has succeeded")

// pipeline makes n calls at once, and returns their errors, and one error for all of them.
func (k *keeper) pipeline(ctx context.Context, n int, call func(ctx context.Context, p redis.Pipeliner, i int)) ([]error, error) {
	errs := make([]error, n)
	if n == 0 {
		return errs, nil
	}
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	cmds, err := k.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range n {
			call(ctx, p, i)
		}
		return nil
	})
	bad := 0
	for i := range errs {
		if errs[i] = err; i < len(cmds) {
			errs[i] = cmds[i].Err()
		}
		if errs[i] != nil {
			err = cmp.Or(err, errs[i])
			bad++
		}
	}
	switch bad {
	case 0:
		return errs, nil
	case n:
		return errs, fmt.Errorf("%w: %w", errNone, err)
	}
	return errs, err
}
