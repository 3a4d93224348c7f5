package storetest

import (
	"time"

	"github.com/sioware/sioware/ratelimit"
)

const saysRate = "A full bucket allows a burst at once and the rate from then on: in any time t at most burst + rate * t."

// timeCases use tokens that come back in milliseconds. No machine is too slow for
// them, since they check against the time that has really passed.
var timeCases = []storeCase{
	{"ComesBack", saysFresh, func(k *kit) {
		l := ratelimit.Every(20 * time.Millisecond).Burst(3)
		k.exhaust(k.key(""), l, 3)
		if !k.eventually(func() bool { return k.take(k.key(""), l, 0).Remaining == 3 }) {
			k.fail("the bucket is not full again")
			return
		}
		want := ratelimit.Verdict{Allowed: true, Limit: 3, Remaining: 3}
		if v := k.take(k.key(""), l, 0); v != want {
			k.fail("full again: %+v, want %+v", v, want)
		}
		k.allowed("all of it", k.key(""), l, 3, 0)
	}, false},
	{"OneByOne", saysRemain, func(k *kit) {
		// Nobody takes, so what is there cannot become less.
		l := ratelimit.Every(20 * time.Millisecond).Burst(5)
		k.exhaust(k.key(""), l, 5)
		last := k.take(k.key(""), l, 0)
		if !k.eventually(func() bool {
			v := k.take(k.key(""), l, 0)
			if v.Remaining < last.Remaining || v.ResetAfter > last.ResetAfter {
				k.fail("%+v after %+v", v, last)
			}
			last = v
			return v.Remaining == 5
		}) {
			k.fail("the bucket is not full again: %+v", last)
		}
	}, false},
	{"RetryAfterHonored", saysRetry, func(k *kit) {
		l := ratelimit.Every(20 * time.Millisecond).Burst(5)
		for _, n := range []int64{1, 2, 5} {
			v := k.exhaust(k.key(""), l, n)
			wait(k.Context(), v.RetryAfter)
			// A store's own clock may have its own granularity.
			for try := 0; ; try++ {
				v = k.take(k.key(""), l, n)
				if v.Allowed {
					break
				}
				if try == 3 || v.RetryAfter > 2*time.Millisecond {
					k.fail("refused after RetryAfter: %+v", v)
					break
				}
				wait(k.Context(), v.RetryAfter)
			}
		}
	}, false},
	{"NotBefore", saysRate, func(k *kit) {
		// One after the other, as fast as possible.
		l := ratelimit.Every(5 * time.Millisecond).Burst(100)
		start, allowed := time.Now(), int64(0)
		for took := time.Duration(0); took < 200*time.Millisecond; took = time.Since(start) {
			if k.take(k.key(""), l, 1).Allowed {
				allowed++
			}
			if took := time.Since(start); allowed > most(l, took) {
				k.fail("%d allowed in %v under %v, want at most %d", allowed, took, l, most(l, took))
				return
			}
		}
	}, false},
	{"NeverMoreThanFull", saysRate, func(k *kit) {
		// What does not fit into the bucket is not kept for later.
		l, slow := ratelimit.Every(time.Millisecond).Burst(3), ratelimit.Every(time.Hour).Burst(3)
		k.exhaust(k.key(""), l, 3)
		wait(k.Context(), 30*time.Millisecond)
		if v := k.take(k.key(""), l, 0); v.Remaining != 3 {
			k.fail("%+v after ten times as long as it takes to fill", v)
		}
		k.allowed("all", k.key(""), slow, 3, 0)
		k.refused("one more", k.key(""), slow, 1, 0)
	}, false},
	{"WaitingIsFree", saysTakes, func(k *kit) {
		// Refusals take nothing, so those who ask all the time get what comes back.
		l := ratelimit.Every(20 * time.Millisecond).Burst(2)
		k.exhaust(k.key(""), l, 2)
		if !k.eventually(func() bool { return k.take(k.key(""), l, 2).Allowed }) {
			k.fail("refused all the time")
		}
	}, false},
}

// exhaust takes n until that is refused, and returns the refusal. On a slow machine
// as many may come back as it takes, but not forever.
func (k *kit) exhaust(key string, l ratelimit.Limit, n int64) (v ratelimit.Verdict) {
	k.Helper()
	start := time.Now()
	for {
		if v = k.take(key, l, n); !v.Allowed {
			return v
		}
		if time.Since(start) > k.patience {
			k.says = saysTakes
			k.fail("%d under %v is allowed all the time", n, l)
			k.FailNow()
		}
	}
}

// most returns how many l allows in d, from a full bucket.
func most(l ratelimit.Limit, d time.Duration) int64 {
	n, per := l.Rate()
	return l.Size() + int64(float64(n)*d.Seconds()/per.Seconds()) + 1
}
