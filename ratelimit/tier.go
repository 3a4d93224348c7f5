package ratelimit

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/ratelimit/internal/gcra"
)

const (
	// patience is how long to wait for a Store, or for listeners of "disconnect", and how
	// long not to ask a Store again that was too slow.
	patience = time.Second
	// quiet is the least time between two log entries about an outage.
	quiet = 10 * time.Second
)

// tier asks a Store that other nodes use too, behind a store of this node. The Store is
// not asked about what is known here to be too much, so a flood stays where it is; and
// when the Store cannot be asked, the node knows what has passed through it.
//
// The local bucket is never stricter than the shared one, except for what was taken
// while the Store was away: it is charged with what this node takes there, and is
// corrected with the state of the shared one at each answer.
type tier struct {
	store  Store
	local  *MemoryStore // the same as store if that is a MemoryStore
	outage Outage
	logger *slog.Logger
	state  *outageState
}

// outageState is what is known about an outage.
type outageState struct {
	down   atomic.Bool  // at the last call
	skip   atomic.Int64 // do not ask until then, since started
	logged atomic.Int64 // when its beginning was logged, since started
	told   atomic.Bool  // its beginning was logged, and its end was not
}

func newTier(s Store, o Outage, logger *slog.Logger) *tier {
	t := &tier{store: s, outage: o, logger: logger, state: new(outageState)}
	if m, ok := s.(*MemoryStore); ok {
		t.local = m
	} else {
		t.local = NewMemoryStore(0)
	}
	return t
}

// with returns t with another policy for outages.
func (t *tier) with(o Outage, logger *slog.Logger) *tier {
	c := *t
	c.outage, c.logger = o, logger
	return &c
}

// alone reports whether the store is this node's own.
func (t *tier) alone() bool { return t.store == Store(t.local) }

// open reports whether everything is to be allowed unless the store is back.
func (t *tier) open() bool { return t.outage == Open && t.state.down.Load() }

// take is Store.Take. It also reports whether the verdict is about the key alone, and
// not about all keys for which a MemoryStore has no room. An error means that nothing
// could be decided.
func (t *tier) take(ctx context.Context, key string, l Limit, n int64) (v Verdict, own bool, err error) {
	before := t.local.now()
	mine, own, err := t.local.take(key, l, n)
	if err != nil || t.alone() || own && !mine.Allowed && !t.open() {
		return mine, own, err
	}
	charged := int64(0)
	if own && mine.Allowed {
		charged = n
	}
	err = t.ask(ctx, func(ctx context.Context) (err error) {
		v, err = t.store.Take(ctx, key, l, n)
		return err
	})
	switch {
	case err == nil:
		if v.Allowed {
			charged = 0 // keep the local charge
		}
		// As of when the store was asked, or a little earlier: never stricter.
		t.local.settle(key, l, charged, before+int64(v.ResetAfter-1)*gcra.Nanosecond)
		if n == 0 && mine.ResetAfter > v.ResetAfter {
			v = mine // includes what happened while the store was away
		}
		return v, true, nil
	case !outage(ctx, err):
		v = Verdict{}
	default:
		if v, err = t.decide(err, mine); err == nil && t.outage == Insured {
			return v, own, nil
		}
	}
	t.local.settle(key, l, charged, 0)
	return v, own, err
}

// acquire is SlotStore.Acquire.
func (t *tier) acquire(ctx context.Context, key string, max int64) (release func(), v Verdict, err error) {
	mine, v, err := t.local.Acquire(ctx, key, max)
	if t.alone() || mine == nil && !t.open() {
		return mine, v, err
	}
	if mine == nil {
		mine = func() {}
	}
	handed := false
	defer func() {
		if !handed {
			mine()
		}
	}()
	var shared func()
	var sv Verdict
	err = t.ask(ctx, func(ctx context.Context) (err error) {
		slots, ok := t.store.(SlotStore)
		if !ok {
			return errSlots // cannot happen: follow checks it
		}
		shared, sv, err = slots.Acquire(ctx, key, max)
		return err
	})
	switch {
	case err == nil && shared == nil:
		return nil, sv, nil
	case err == nil:
		handed = true
		return func() { mine(); shared() }, sv, nil
	case !outage(ctx, err):
		return nil, Verdict{}, err
	}
	if v, err = t.decide(err, v); err != nil {
		return nil, v, err
	}
	handed = true
	return mine, v, nil
}

// errSkipped is the error of a store that is not asked.
var errSkipped = errors.New("ratelimit: the Store was too slow, and is not asked again for a moment")

// ask lets f ask the store, for no longer than patience. One decision may ask
// several times: all of them together wait little longer than one.
func (t *tier) ask(ctx context.Context, f func(ctx context.Context) error) error {
	if skip := t.state.skip.Load(); skip != 0 && int64(time.Since(started)) < skip {
		return errSkipped
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := t.safely(limited, f)
	switch {
	case err == nil:
		if t.state.down.Load() { // all calls share its cache line
			t.state.down.Store(false)
		}
		if t.state.told.Load() && t.state.told.Swap(false) {
			t.logger.LogAttrs(ctx, slog.LevelInfo, "ratelimit: store available again")
		}
	case ctx.Err() != nil:
		return ctx.Err() // rather than the store's error for it
	case limited.Err() != nil:
		t.state.skip.Store(int64(time.Since(started) + patience))
	}
	return err
}

// outage reports whether err, which ask has returned, says that the store is away: not
// that the caller is, or has passed invalid arguments, nor that the store is broken.
func outage(ctx context.Context, err error) bool {
	return ctx.Err() == nil && !errors.Is(err, ErrCost) && !errors.Is(err, ErrLimit) && !errors.Is(err, errPanic)
}

// decide decides without the store, which has returned err. v is this node's own verdict.
func (t *tier) decide(err error, v Verdict) (Verdict, error) {
	now, last := int64(time.Since(started)), t.state.logged.Load()
	t.state.down.Store(true)
	// An outage too soon after the last one is logged when it has lasted long enough.
	if !t.state.told.Load() && (last == 0 || now-last > int64(quiet)) && t.state.logged.CompareAndSwap(last, now) {
		t.state.told.Store(true)
		t.logger.LogAttrs(context.Background(), slog.LevelWarn, "ratelimit: store unavailable", slog.Any("error", err))
	}
	v.Degraded = true
	switch t.outage {
	case Closed:
		return Verdict{Degraded: true}, err
	case Open:
		v.Allowed, v.RetryAfter = true, 0
	}
	return v, nil
}
