package storetest

import (
	"time"

	"github.com/sioware/sioware/ratelimit"
)

const (
	saysChange  = "One key may be used with different limits, as when a limit is changed: what carries over is the time at which the bucket is full."
	saysNoLoss  = "a bucket never takes longer to fill than an empty one of l"
	saysDoesNot = "Calls that take nothing do not delay a refill"
)

var changeCases = []storeCase{
	{"FasterLimit", saysChange, func(k *kit) {
		k.allowed("5 of 10", k.key(""), ratelimit.PerHour(10), 5, 5) // full in half an hour
		k.allowed("that are 10 of 20", k.key(""), ratelimit.PerHour(20), 0, 10)
		k.allowed("all of them", k.key(""), ratelimit.PerHour(20), 10, 0)
		k.refused("of none", k.key(""), ratelimit.PerHour(20), 1, 0)
		k.refused("of none", k.key(""), ratelimit.PerHour(10), 1, 0)
	}, false},
	{"LargerLimit", saysChange, func(k *kit) {
		k.allowed("all of 5", k.key(""), ratelimit.PerHour(10).Burst(5), 5, 0)
		k.allowed("5 of 100 are missing", k.key(""), ratelimit.PerHour(10).Burst(100), 0, 95)
		k.allowed("all of them", k.key(""), ratelimit.PerHour(10).Burst(100), 95, 0)
	}, false},
	{"SlowerLimit", saysChange, func(k *kit) {
		k.allowed("2 of 60", k.key(""), ratelimit.PerHour(60), 2, 58) // full in two minutes
		// Some time has passed: less than one per hour is missing, so not all are there.
		v := k.take(k.key(""), ratelimit.Every(time.Hour).Burst(3), 0)
		if v.Remaining != 2 {
			k.fail("%+v, want 2 remaining", v)
		}
		k.about("ResetAfter", v.ResetAfter, 2*time.Minute)
	}, false},
	{"SmallerLimit", saysNoLoss, func(k *kit) {
		k.allowed("all of 10", k.key(""), ratelimit.PerHour(10), 10, 0) // full in an hour
		small := ratelimit.PerHour(10).Burst(2)
		v := k.refused("1 of 2", k.key(""), small, 1, 0)
		k.about("RetryAfter", v.RetryAfter, 6*time.Minute)
		k.about("ResetAfter", v.ResetAfter, 12*time.Minute)
	}, false},
	{"MuchSmallerLimit", saysNoLoss, func(k *kit) {
		// A mistake in a configuration that has locked somebody out for hours must
		// not last once it has been fixed.
		k.allowed("all of 10", k.key(""), ratelimit.PerHour(1).Burst(10), 10, 0)
		l := ratelimit.Every(20 * time.Millisecond)
		if !k.eventually(func() bool { return k.take(k.key(""), l, 1).Allowed }) {
			k.fail("refused for %v under %v", k.patience, l)
		}
		k.allowed("all of 10", k.key("b"), ratelimit.PerHour(1).Burst(10), 10, 0)
		l = ratelimit.Every(20 * time.Millisecond).Burst(4)
		if !k.eventually(func() bool { return k.take(k.key("b"), l, 4).Allowed }) {
			k.fail("refused for %v under %v", k.patience, l)
		}
	}, false},
	{"WhoeverLooks", saysDoesNot, func(k *kit) {
		// Neither peeks nor refusals hold up time.
		l := ratelimit.Every(20 * time.Millisecond).Burst(2)
		k.exhaust(k.key(""), l, 2)
		if !k.eventually(func() bool {
			k.take(k.key(""), l, 3)
			k.take(k.key(""), l, 2)
			k.take(k.key(""), l, 2)
			return k.take(k.key(""), l, 1).Allowed
		}) {
			k.fail("refused all the time")
		}
	}, false},
}
