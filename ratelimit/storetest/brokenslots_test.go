package storetest

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/ratelimit"
)

// slots are ways in which a SlotStore may be broken.
type slots struct {
	again   bool // each release counts
	never   bool // none does
	more    int64
	retry   time.Duration
	context bool // the slot ends with the context of the call
	anyMax  bool
	bucket  bool // a slot is taken out of the bucket
	leak    bool // with an error a slot is held
}

func withSlots(how slots) func(b *broken) ratelimit.Store {
	return func(b *broken) ratelimit.Store {
		var mu sync.Mutex
		held := make(map[string]int64)
		b.slot = func(ctx context.Context, key string, limit int64) (func(), verdict, error) {
			mu.Lock()
			defer mu.Unlock()
			if limit < 1 && !how.anyMax {
				return b.inner.Acquire(ctx, key, limit)
			}
			v := verdict{Limit: limit, RetryAfter: how.retry}
			if how.bucket {
				took, _ := b.inner.Take(ctx, key, ratelimit.PerHour(int(limit)), 1)
				v.Allowed, v.Remaining = took.Allowed, took.Remaining
			} else if held[key] < limit+how.more {
				held[key]++
				v.Allowed, v.Remaining = true, max(0, limit-held[key])
			}
			if !v.Allowed {
				return nil, v, nil
			}
			if how.leak && ctx.Err() != nil {
				return nil, verdict{}, ctx.Err()
			}
			release := func() {
				mu.Lock()
				defer mu.Unlock()
				if !how.never {
					held[key]--
				}
			}
			if !how.again {
				release = sync.OnceFunc(release)
			}
			if how.context {
				context.AfterFunc(ctx, release)
			}
			return release, v, nil
		}
		return b
	}
}

// racy looks first and takes then.
func racy(b *broken) ratelimit.Store {
	b.takes = func(ctx context.Context, key string, l limit, n int64) (verdict, error) {
		v, err := b.inner.Take(ctx, key, l, 0)
		if err != nil || n < 1 || v.Remaining < n {
			return b.inner.Take(ctx, key, l, n)
		}
		for range 3 {
			runtime.Gosched()
		}
		if v, err := b.inner.Take(ctx, key, l, n); v.Allowed {
			return v, err
		}
		return verdict{Allowed: true, Limit: l.Size(), ResetAfter: fill(l, l.Size())}, nil
	}
	var slots atomic.Int64
	b.slot = func(_ context.Context, _ string, limit int64) (func(), verdict, error) {
		n := slots.Load()
		if n >= limit {
			return nil, verdict{Limit: limit}, nil
		}
		runtime.Gosched()
		slots.Add(1)
		return sync.OnceFunc(func() { slots.Add(-1) }), verdict{Allowed: true, Limit: limit, Remaining: limit - n - 1}, nil
	}
	return b
}
