package storetest

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/ratelimit"
)

type (
	limit   = ratelimit.Limit
	verdict = ratelimit.Verdict
	take    = func(ctx context.Context, key string, l limit, n int64) (verdict, error)
)

// brokenStores are stores that each break the contract in one way, and the cases that
// notice.
var brokenStores = map[string]struct {
	caught string
	open   func(b *broken) ratelimit.Store
}{
	"one too many": {"Burst BurstOfOne Cost Keys OddKeys LongKeys ConcurrentBurst", withTake(func(b *broken) take {
		return func(ctx context.Context, key string, l limit, n int64) (verdict, error) {
			v, err := b.inner.Take(ctx, key, l.Burst(int(l.Size())+1), n)
			v.Limit, v.Remaining = l.Size(), min(v.Remaining, l.Size())
			return v, err
		}
	})},
	"one too few": {"ConcurrentBurst Fresh", withTake(func(b *broken) take {
		return func(ctx context.Context, key string, l limit, n int64) (verdict, error) {
			return b.inner.Take(ctx, key, l.Burst(max(1, int(l.Size())-1)), n)
		}
	})},
	"forgets": {"Burst Peek Concurrent", withRename(func() func(string) string {
		var calls atomic.Int64
		return func(key string) string { return key + strconv.FormatInt(calls.Add(1)/5, 10) }
	})},
	"takes what is there": {"Cost ConcurrentCost Never", withTake(func(b *broken) take {
		return func(ctx context.Context, key string, l limit, n int64) (verdict, error) {
			v, err := b.inner.Take(ctx, key, l, n)
			if err == nil && !v.Allowed && v.Remaining > 0 {
				_, _ = b.inner.Take(ctx, key, l, v.Remaining)
				v.Remaining, v.ResetAfter = 0, fill(l, l.Size())
			}
			return v, err
		}
	})},
	"float": {"Large", withTake(func(b *broken) take {
		return func(ctx context.Context, key string, l limit, n int64) (verdict, error) {
			v, err := b.inner.Take(ctx, key, l, n)
			v.Remaining = int64(float32(v.Remaining))
			if n > 1<<24 {
				v.Allowed, v.RetryAfter = true, 0
			}
			return v, err
		}
	})},
	"a peek takes":         {"Peek Remaining ResetAfter OneByOne", withCost(func(n int64) int64 { return max(n, 1) })},
	"n wraps":              {"Never", withCost(func(n int64) int64 { return n & (1<<31 - 1) })},
	"credits":              {"Negative Concurrent", withTake(credits)},
	"n above is clipped":   {"Never", withTake(clips)},
	"any limit":            {"Invalid", withTake(anyLimit)},
	"another error":        {"Invalid Negative SlotMax", anotherError},
	"bad limits set back":  {"Invalid", withTake(setsBack)},
	"waits for n above":    {"Never Concurrent", withVerdict(func(v *verdict, _ limit, _ int64) { v.RetryAfter = max(v.RetryAfter, 0) })},
	"no RetryAfter":        {"Burst", withVerdict(func(v *verdict, _ limit, _ int64) { v.RetryAfter = 0 })},
	"RetryAfter for one":   {"RetryAfter", withVerdict(func(v *verdict, l limit, n int64) { v.RetryAfter = min(v.RetryAfter, fill(l, 1)) })},
	"RetryAfter for all":   {"RetryAfter SmallerLimit", withVerdict(func(v *verdict, l limit, _ int64) { v.RetryAfter = min(v.ResetAfter, v.RetryAfter*1000) })},
	"RetryAfter too short": {"RetryAfterHonored", withVerdict(func(v *verdict, _ limit, _ int64) { v.RetryAfter /= 4 })},
	"RetryAfter when ok":   {"Burst Fresh", withVerdict(func(v *verdict, _ limit, _ int64) { v.RetryAfter = time.Second })},
	"ResetAfter for one":   {"ResetAfter", withVerdict(func(v *verdict, l limit, n int64) { v.ResetAfter = min(v.ResetAfter, fill(l, 1)/3) })},
	"ResetAfter in whole":  {"ResetAfter", withVerdict(func(v *verdict, l limit, _ int64) { v.ResetAfter = v.ResetAfter.Truncate(time.Hour) })},
	"Remaining before":     {"Remaining Burst", withVerdict(func(v *verdict, _ limit, n int64) { v.Remaining = min(v.Limit, v.Remaining+n) })},
	"a policy":             {"Fresh Peek", withVerdict(func(v *verdict, _ limit, _ int64) { v.Policy = "x" })},

	"time stands still": {"ComesBack OneByOne WaitingIsFree WhoeverLooks NeverMoreThanFull", withLimit(func(l limit) limit {
		return ratelimit.Every(time.Hour).Burst(int(l.Size()))
	})},
	"twice as fast": {"NotBefore ConcurrentRate RetryAfter ResetAfter", withLimit(func(l limit) limit {
		n, per := l.Rate()
		return ratelimit.Every(per / time.Duration(2*n)).Burst(int(l.Size()))
	})},
	"no cap": {"NeverMoreThanFull NotBefore", withLimit(func(l limit) limit {
		return l.Burst(int(l.Size()) * 10)
	})},
	"refusals cost": {"WaitingIsFree WhoeverLooks", withTake(refusalsCost)},
	"locked out":    {"MuchSmallerLimit", withTake(lockedOut)},
	"a bucket for each limit": {"FasterLimit LargerLimit SlowerLimit SmallerLimit", withTake(func(b *broken) take {
		return func(ctx context.Context, key string, l limit, n int64) (verdict, error) {
			return b.inner.Take(ctx, key+l.String(), l, n)
		}
	})},
	"racy": {"ConcurrentBurst ConcurrentRate ConcurrentCost Concurrent SlotsConcurrent", racy},
	"fails": {"EmptyKey", withTake(func(b *broken) take {
		return func(ctx context.Context, key string, l limit, n int64) (verdict, error) {
			v, err := b.inner.Take(ctx, key, l, n)
			v.Allowed = v.Allowed && (key != "" || n == 0)
			return v, err
		}
	})},
	"hangs": {"Canceled", withTake(func(b *broken) take {
		return func(ctx context.Context, key string, l limit, n int64) (verdict, error) {
			if ctx.Err() != nil {
				<-b.end
			}
			return b.inner.Take(ctx, key, l, n)
		}
	})},
	"hides why": {"Canceled SlotCanceled", hidesWhy},

	"keys end at NUL": {"OddKeys SlotKeys", withRename(func() func(string) string {
		return func(key string) string { key, _, _ = strings.Cut(key, "\x00"); return key }
	})},
	"keys are UTF-8": {"OddKeys SlotKeys", withRename(func() func(string) string {
		return func(key string) string { return strings.ToValidUTF8(key, "\ufffd") }
	})},
	"keys are folded":   {"OddKeys SlotKeys", withRename(func() func(string) string { return strings.ToLower })},
	"keys are trimmed":  {"OddKeys SlotKeys", withRename(func() func(string) string { return strings.TrimSpace })},
	"keys are cut":      {"OddKeys LongKeys SlotKeys", withRename(func() func(string) string { return func(key string) string { return key[:min(len(key), 1<<20)] } })},
	"keys are hashed":   {"Keys", withRename(func() func(string) string { return func(key string) string { return key[len(key)-1:] } })},
	"release adds up":   {"SlotReleasedTwice", withSlots(slots{again: true})},
	"release is late":   {"SlotReleased SlotReleasedTwice SlotOutlivesContext", withSlots(slots{never: true})},
	"one slot too many": {"Slots SlotReleased SlotMaxChanges SlotsConcurrent", withSlots(slots{more: 1})},
	"slots wrong":       {"SlotVerdict", withSlots(slots{retry: time.Second})},
	"slots of context":  {"SlotOutlivesContext", withSlots(slots{context: true})},
	"any max":           {"SlotMax", withSlots(slots{anyMax: true})},
	"slots are buckets": {"SlotsApart", withSlots(slots{bucket: true})},
	"slots leak":        {"SlotCanceled", withSlots(slots{leak: true})},
}

func withTake(f func(b *broken) take) func(b *broken) ratelimit.Store {
	return func(b *broken) ratelimit.Store { b.takes = f(b); return b }
}

func withRename(f func() func(string) string) func(b *broken) ratelimit.Store {
	return func(b *broken) ratelimit.Store { b.rename = f(); return b }
}

func withVerdict(f func(v *verdict, l limit, n int64)) func(b *broken) ratelimit.Store {
	return func(b *broken) ratelimit.Store { b.verdict = f; return b }
}

func withCost(f func(n int64) int64) func(b *broken) ratelimit.Store {
	return withTake(func(b *broken) take {
		return func(ctx context.Context, key string, l limit, n int64) (verdict, error) {
			return b.inner.Take(ctx, key, l, f(n))
		}
	})
}

func withLimit(f func(l limit) limit) func(b *broken) ratelimit.Store {
	return withTake(func(b *broken) take {
		return func(ctx context.Context, key string, l limit, n int64) (verdict, error) {
			v, err := b.inner.Take(ctx, key, f(l), n)
			v.Limit, v.Remaining = l.Size(), min(v.Remaining, l.Size())
			return v, err
		}
	})
}

func credits(b *broken) take {
	return func(ctx context.Context, key string, l limit, n int64) (verdict, error) {
		if n >= 0 {
			return b.inner.Take(ctx, key, l, n)
		}
		return verdict{Allowed: true, Limit: l.Size(), Remaining: l.Size()}, nil
	}
}

func clips(b *broken) take {
	return func(ctx context.Context, key string, l limit, n int64) (verdict, error) {
		return b.inner.Take(ctx, key, l, min(n, l.Size()))
	}
}

func anyLimit(b *broken) take {
	return func(ctx context.Context, key string, l limit, n int64) (verdict, error) {
		if l.Check() != nil {
			return verdict{Allowed: true}, nil
		}
		return b.inner.Take(ctx, key, l, n)
	}
}

func setsBack(b *broken) take {
	var bad atomic.Int64
	return func(ctx context.Context, key string, l limit, n int64) (verdict, error) {
		if l.Check() != nil {
			bad.Add(1)
		}
		return b.inner.Take(ctx, key+strconv.FormatInt(bad.Load(), 10), l, n)
	}
}

func anotherError(b *broken) ratelimit.Store {
	b.takes = func(ctx context.Context, key string, l limit, n int64) (verdict, error) {
		v, err := b.inner.Take(ctx, key, l, n)
		if err != nil {
			err = errors.New("ERR value is not an integer")
		}
		return v, err
	}
	b.slot = func(ctx context.Context, key string, limit int64) (func(), verdict, error) {
		release, v, err := b.inner.Acquire(ctx, key, limit)
		if err != nil {
			err = errors.New("ERR value is not an integer")
		}
		return release, v, err
	}
	return b
}

// refusalsCost refuses for longer, the more is asked.
func refusalsCost(b *broken) take {
	var mu sync.Mutex
	until := make(map[string]time.Time)
	return func(ctx context.Context, key string, l limit, n int64) (verdict, error) {
		mu.Lock()
		defer mu.Unlock()
		refuse := n > 0 && time.Now().Before(until[key])
		v, err := b.inner.Take(ctx, key, l, max(0, n))
		if refuse {
			v = verdict{Limit: l.Size(), RetryAfter: fill(l, 1), ResetAfter: fill(l, l.Size())}
		}
		if !v.Allowed {
			until[key] = time.Now().Add(100 * fill(l, l.Size()))
		}
		return v, err
	}
}

// lockedOut does not keep what a smaller limit makes shorter.
func lockedOut(b *broken) take {
	var mu sync.Mutex
	until := make(map[string]time.Time)
	return func(ctx context.Context, key string, l limit, n int64) (verdict, error) {
		mu.Lock()
		defer mu.Unlock()
		if time.Now().Before(until[key]) {
			return verdict{Limit: l.Size(), RetryAfter: fill(l, n), ResetAfter: fill(l, l.Size())}, nil
		}
		v, err := b.inner.Take(ctx, key, l, n)
		if v.Remaining == 0 {
			until[key] = time.Now().Add(v.ResetAfter)
		}
		return v, err
	}
}

func hidesWhy(b *broken) ratelimit.Store {
	b.takes = func(ctx context.Context, key string, l limit, n int64) (verdict, error) {
		if ctx.Err() != nil {
			return verdict{}, errors.New("i/o timeout")
		}
		return b.inner.Take(ctx, key, l, n)
	}
	b.slot = func(ctx context.Context, key string, limit int64) (func(), verdict, error) {
		if ctx.Err() != nil {
			return nil, verdict{}, errors.New("i/o timeout")
		}
		return b.inner.Acquire(ctx, key, limit)
	}
	return b
}
