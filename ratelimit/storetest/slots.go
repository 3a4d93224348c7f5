package storetest

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/ratelimit"
)

const (
	saysSlot    = "Acquire takes one of max slots of key if one is free: release gives it back, and is nil if none was."
	saysOnce    = "The caller calls release at least once, from any goroutine; only the first call counts"
	saysLeft    = "In the verdict Limit is max, Remaining how many are left, and RetryAfter zero"
	saysMax     = "A max below 1 is an error that wraps [ErrLimit]."
	saysApart   = "Slots and buckets do not share keys."
	saysNoSlot  = "With an error no slot is held, or it is given back as soon as possible"
	unreachable = 1 << 40
)

var slotCases = []storeCase{
	{"Slots", saysSlot, func(k *kit) {
		for i := range int64(3) {
			k.acquire(k.key(""), 3, 2-i)
		}
		for range 3 {
			k.occupied(k.key(""), 3)
		}
		k.acquire(k.key("b"), 1, 0)
		k.occupied(k.key("b"), 1)
		k.acquire(k.key("c"), unreachable, unreachable-1)
	}, false},
	{"SlotReleased", saysSlot, func(k *kit) {
		release := k.acquire(k.key(""), 2, 1)
		other := k.acquire(k.key(""), 2, 0)
		for range 5 {
			k.occupied(k.key(""), 2)
			release()
			release = k.free(k.key(""), 2)
		}
		release()
		other()
		k.frees(k.key(""), 2)
	}, false},
	{"SlotReleasedTwice", saysOnce, func(k *kit) {
		var releases []func()
		for i := range int64(3) {
			releases = append(releases, k.acquire(k.key(""), 3, 2-i))
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(releases[0])
		}
		wg.Wait()
		releases[0]()
		k.free(k.key(""), 3)
		releases[0]()
		// A released slot may take a moment to be free.
		for range 20 {
			k.occupied(k.key(""), 3)
			wait(k.Context(), 5*time.Millisecond)
		}
		releases[1]()
		k.free(k.key(""), 3)
	}, false},
	{"SlotOutlivesContext", saysSlot, func(k *kit) {
		// The context is that of the call, not of what holds the slot.
		ctx, cancel := context.WithCancel(k.Context())
		release, _, err := k.slots.Acquire(ctx, k.key(""), 1)
		cancel()
		if err != nil || release == nil {
			k.Fatalf("Acquire: %v", err)
		}
		for range 10 {
			k.occupied(k.key(""), 1)
			wait(k.Context(), 5*time.Millisecond)
		}
		release()
		k.free(k.key(""), 1)
	}, false},
	{"SlotsConcurrent", saysSlot, func(k *kit) {
		const limit = 3
		var held, highest, got atomic.Int64
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for range 30 {
					release, _, err := k.slots.Acquire(k.Context(), k.key(""), limit)
					if err != nil {
						k.Errorf("Acquire: %v", err)
						return
					}
					if release == nil {
						runtime.Gosched()
						continue
					}
					n := held.Add(1)
					for h := highest.Load(); n > h && !highest.CompareAndSwap(h, n); h = highest.Load() {
					}
					got.Add(1)
					runtime.Gosched()
					held.Add(-1)
					release()
				}
			})
		}
		wg.Wait()
		if highest.Load() > limit || got.Load() < limit {
			k.fail("%d slots held at once, %d times one, want at most %d", highest.Load(), got.Load(), limit)
		}
		k.frees(k.key(""), limit)
	}, false},
	{"SlotVerdict", saysLeft, func(k *kit) {
		for _, want := range []ratelimit.Verdict{
			{Allowed: true, Limit: 2, Remaining: 1},
			{Allowed: true, Limit: 2},
			{Limit: 2},
		} {
			_, v, err := k.slots.Acquire(k.Context(), k.key(""), 2)
			if v.ResetAfter = 0; v != want || err != nil {
				k.fail("%+v, %v, want %+v", v, err, want)
			}
		}
	}, false},
	{"SlotMax", saysMax, func(k *kit) {
		for _, limit := range []int64{0, -1, math.MinInt32, math.MinInt64} {
			release, v, err := k.slots.Acquire(k.Context(), k.key(""), limit)
			if err == nil || release != nil {
				k.fail("max %d: %+v, %v", limit, v, err)
			}
			k.is(err, ratelimit.ErrLimit)
		}
		k.says = saysNoSlot
		k.acquire(k.key(""), 1, 0)
	}, false},
	{"SlotMaxChanges", saysSlot, func(k *kit) {
		a, b := k.acquire(k.key(""), 2, 1), k.acquire(k.key(""), 2, 0)
		c := k.acquire(k.key(""), 3, 0) // raised
		k.occupied(k.key(""), 1)        // lowered: what is held is held
		k.occupied(k.key(""), 2)
		a()
		k.free(k.key(""), 3)()
		b()
		c()
		k.frees(k.key(""), 1)
	}, false},
	{"SlotsApart", saysApart, func(k *kit) {
		l := ratelimit.PerHour(2)
		k.allowed("all of the bucket", k.key(""), l, 2, 0)
		k.acquire(k.key(""), 1, 0)
		k.refused("of the bucket", k.key(""), l, 1, 0)
		k.occupied(k.key(""), 1)
		k.acquire(k.key("b"), 1, 0)
		k.allowed("all of the bucket", k.key("b"), l, 2, 0)
	}, false},
	{"SlotKeys", saysKey, func(k *kit) {
		for i := range 20 {
			k.acquire(k.key(fmt.Sprint(i)), 1, 0)
		}
		keys := odd()
		for _, o := range keys {
			k.acquire(o+k.tag, 1, 0)
			k.acquire(k.tag+"-"+o, 1, 0)
		}
		for _, o := range keys {
			k.occupied(o+k.tag, 1)
			k.occupied(k.tag+"-"+o, 1)
		}
	}, false},
	{"SlotCanceled", saysNoSlot, func(k *kit) {
		ctx, cancel := context.WithCancel(k.Context())
		cancel()
		for range 3 {
			release, _, err := k.slots.Acquire(ctx, k.key(""), 1)
			switch {
			case err != nil && release != nil:
				k.fail("a release beside %v", err)
			case err != nil:
				k.is(err, context.Canceled)
			case release == nil:
				k.fail("no slot, and no error")
			default:
				release()
			}
		}
		k.frees(k.key(""), 1)
	}, false},
}
