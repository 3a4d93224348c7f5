package storetest

import (
	"math"
	"time"

	"github.com/sioware/sioware/ratelimit"
)

const (
	saysTakes  = "Take takes n tokens out of the bucket of key if all of them are available, otherwise none."
	saysFresh  = "The bucket of a key that has never been seen, or not for as long as it takes to fill, is full."
	saysPeek   = "An n of 0 takes nothing, is allowed, and reports the state of the bucket: RetryAfter is zero."
	saysNever  = "An n above l.Size is refused and takes nothing: RetryAfter is [Never]."
	saysWrong  = "A negative n is an error that wraps [ErrCost]; if l.Check fails, Take returns its error. Neither changes anything."
	saysRetry  = "RetryAfter is, after a refusal, how long to wait until the same would be allowed"
	saysReset  = "ResetAfter is how long it takes until all of Limit is available again."
	saysRemain = "Limit is the burst, and Remaining how much of it is available now"
)

// takeCases are about what is taken. Their tokens take minutes to come back, so none
// do while they run.
var takeCases = []storeCase{
	{"Burst", saysTakes, func(k *kit) {
		l := ratelimit.PerHour(5)
		for i := range int64(5) {
			k.allowed("within the burst", k.key(""), l, 1, 4-i)
		}
		for range 3 {
			k.refused("after the burst", k.key(""), l, 1, 0)
		}
	}, false},
	{"BurstOfOne", saysTakes, func(k *kit) {
		l := ratelimit.Every(time.Hour)
		k.allowed("the first", k.key(""), l, 1, 0)
		for range 3 {
			k.refused("the second", k.key(""), l, 1, 0)
		}
	}, false},
	{"Cost", saysTakes, func(k *kit) {
		l := ratelimit.PerHour(10)
		k.allowed("4 of 10", k.key(""), l, 4, 6)
		k.refused("7 of 6", k.key(""), l, 7, 6)
		k.refused("10 of 6", k.key(""), l, 10, 6)
		k.allowed("6 of 6", k.key(""), l, 6, 0)
		k.refused("1 of 0", k.key(""), l, 1, 0)
		k.allowed("all at once", k.key("b"), l, 10, 0)
		k.refused("all again", k.key("b"), l, 10, 0)
	}, false},
	{"Large", saysTakes, func(k *kit) {
		// So many that a float64 cannot hold them in sixteenths of a nanosecond. Some
		// come back meanwhile, but not enough for a second half.
		const burst = 1 << 30
		l := ratelimit.PerSecond(1000).Burst(burst)
		if v := k.take(k.key(""), l, burst/2); !v.Allowed || v.Remaining < burst/2 || v.Remaining > burst/2+1e6 {
			k.fail("half of 2^30: %+v", v)
		}
		if v := k.take(k.key(""), l, burst/2+1e6); v.Allowed {
			k.fail("more than the other half: %+v", v)
		}
		k.allowed("of a bucket that takes a year to fill", k.key("slow"), ratelimit.Every(365*24*time.Hour), 1, 0)
		k.refused("of the same again", k.key("slow"), ratelimit.Every(365*24*time.Hour), 1, 0)
	}, false},
	{"Remaining", saysRemain, func(k *kit) {
		l := ratelimit.PerHour(10).Burst(20)
		for _, n := range []int64{1, 2, 0, 3, 5} {
			before := k.take(k.key(""), l, 0).Remaining
			k.allowed("what was there less what is taken", k.key(""), l, n, before-n)
		}
	}, false},
	{"RetryAfter", saysRetry, func(k *kit) {
		l := ratelimit.PerHour(10) // 6 minutes for one
		k.allowed("all", k.key(""), l, 10, 0)
		for _, n := range []int64{1, 2, 5, 10} {
			v := k.refused("of none", k.key(""), l, n, 0)
			k.about("RetryAfter", v.RetryAfter, time.Duration(n)*6*time.Minute)
		}
		k.allowed("7", k.key("b"), l, 7, 3)
		k.about("RetryAfter of 5 where 3 are", k.refused("of 3", k.key("b"), l, 5, 3).RetryAfter, 12*time.Minute)
		k.allowed("3", k.key("b"), l, 3, 0)
	}, false},
	{"ResetAfter", saysReset, func(k *kit) {
		l := ratelimit.PerHour(4).Burst(8) // 15 minutes for one
		if v := k.take(k.key(""), l, 0); v.ResetAfter != 0 {
			k.fail("a full bucket: ResetAfter %v", v.ResetAfter)
		}
		var taken int64
		for _, n := range []int64{1, 0, 2, 5, 0} {
			v := k.take(k.key(""), l, n)
			taken += n
			k.about("ResetAfter", v.ResetAfter, time.Duration(taken)*15*time.Minute)
		}
		k.about("ResetAfter of a refusal", k.refused("of none", k.key(""), l, 3, 0).ResetAfter, 2*time.Hour)
	}, false},
}

// argumentCases are about values of n and l that take nothing.
var argumentCases = []storeCase{
	{"Fresh", saysFresh, func(k *kit) {
		v := k.take(k.key(""), ratelimit.PerHour(7), 0)
		if want := (ratelimit.Verdict{Allowed: true, Limit: 7, Remaining: 7}); v != want {
			k.fail("%+v, want %+v", v, want)
		}
	}, false},
	{"Peek", saysPeek, func(k *kit) {
		l := ratelimit.PerHour(3)
		for range 10 {
			k.allowed("of a fresh key", k.key(""), l, 0, 3)
		}
		k.allowed("2 of 3", k.key(""), l, 2, 1)
		for range 10 {
			k.allowed("of what is left", k.key(""), l, 0, 1)
		}
		k.allowed("the last", k.key(""), l, 1, 0)
		k.allowed("of an empty bucket", k.key(""), l, 0, 0)
		k.refused("after it", k.key(""), l, 1, 0)
	}, false},
	{"Never", saysNever, func(k *kit) {
		l := ratelimit.PerHour(3)
		for _, n := range []int64{4, 5, 1 << 31, 1 << 53, math.MaxInt64/l.Size() + 1, math.MaxInt64 - 1, math.MaxInt64} {
			k.refused("more than a fresh bucket holds", k.key(""), l, n, 3)
		}
		k.allowed("2", k.key(""), l, 2, 1)
		k.refused("more than the bucket holds", k.key(""), l, 4, 1)
		k.refused("more than the bucket holds", k.key(""), l, math.MaxInt64, 1)
		k.allowed("the last", k.key(""), l, 1, 0)
		k.refused("of none", k.key(""), l, 4, 0)
	}, false},
	{"Negative", saysWrong, func(k *kit) {
		l := ratelimit.PerHour(3)
		for _, left := range []int64{3, 1, 0} { // what is there after each round
			k.allowed("first", k.key(""), l, k.take(k.key(""), l, 0).Remaining-left, left)
			for _, n := range []int64{-1, -2, -3, math.MinInt32, math.MinInt64} {
				k.errs("a negative n", k.key(""), l, n, ratelimit.ErrCost)
			}
			k.allowed("afterwards", k.key(""), l, 0, left)
		}
		k.refused("in the end", k.key(""), l, 1, 0)
	}, false},
	{"Invalid", saysWrong, func(k *kit) {
		good := ratelimit.PerHour(3)
		k.allowed("before", k.key(""), good, 1, 2)
		for _, l := range []ratelimit.Limit{
			{}, ratelimit.Unlimited(), ratelimit.Unlimited().Burst(1), ratelimit.PerSecond(0), ratelimit.PerSecond(-1),
			ratelimit.PerSecond(0).Burst(1), ratelimit.PerSecond(-1).Burst(1), ratelimit.PerMinute(math.MinInt),
			ratelimit.Every(0), ratelimit.Every(-time.Second), ratelimit.Every(math.MinInt64), ratelimit.Every(math.MaxInt64),
			ratelimit.PerHour(1).Burst(0), ratelimit.PerHour(1).Burst(-1), ratelimit.PerHour(1).Burst(math.MinInt),
			ratelimit.PerHour(1).Burst(367 * 24), ratelimit.Every(367 * 24 * time.Hour), ratelimit.PerSecond(1e9 + 1),
			ratelimit.PerSecond(1).Burst(math.MaxInt), ratelimit.PerSecond(math.MaxInt),
		} {
			for _, n := range []int64{1, 0, 2, math.MaxInt64} {
				k.errs("an invalid limit", k.key(""), l, n, ratelimit.ErrLimit)
				k.errs("an invalid limit", k.key("fresh"), l, n, ratelimit.ErrLimit)
			}
		}
		k.allowed("afterwards", k.key(""), good, 1, 1)
		k.allowed("afterwards", k.key("fresh"), good, 1, 2)
	}, false},
}

// errs checks that Take fails with want.
func (k *kit) errs(what, key string, l ratelimit.Limit, n int64, want error) {
	k.Helper()
	v, err := k.store.Take(k.Context(), key, l, n)
	if err == nil {
		k.fail("%s: %d under %v: %+v, want an error", what, n, l, v)
		return
	}
	k.is(err, want)
}
