// Package gcra is the algorithm by which the stores of package ratelimit decide: a
// token bucket, kept as the one moment at which it will be full again (the "theoretical
// arrival time" of the Generic Cell Rate Algorithm, ITU-T I.371, annex A).
//
// Time is counted in ticks of a sixteenth of a nanosecond, in whole numbers: two
// stores that are asked the same questions at the same times give the same
// answers, and rounding errors do not add up. 63 bits of ticks are 18 years.
package gcra

import (
	"errors"
	"fmt"
	"math/bits"
	"time"
)

const (
	// Nanosecond is how many ticks a nanosecond has, and Microsecond a microsecond.
	Nanosecond  = 16
	Microsecond = 1000 * Nanosecond

	// MaxFill is the longest time that an empty bucket may take to fill.
	MaxFill = 366 * 24 * time.Hour

	// Never is the wait for what is never allowed.
	Never time.Duration = -1
)

// Rate is how fast a bucket fills, and how much it holds.
type Rate struct {
	Interval int64 // ticks in which one token comes back; positive
	Burst    int64 // tokens that a full bucket has; positive
}

// New returns the rate of n tokens in per. A token takes a whole number of ticks,
// rounded up: never more than n come back in per.
func New(n int64, per time.Duration, burst int64) (Rate, error) {
	if n <= 0 || per <= 0 || burst <= 0 {
		return Rate{}, errors.New("not positive")
	}
	if per > MaxFill {
		return Rate{}, fmt.Errorf("longer than %v", MaxFill)
	}
	if n > int64(per) {
		return Rate{}, errors.New("more than one per nanosecond")
	}
	// per is below 2^55, so that the product has at most 59 bits.
	interval := (int64(per)*Nanosecond + n - 1) / n
	hi, fill := bits.Mul64(uint64(interval), uint64(burst))
	if hi != 0 || fill > uint64(MaxFill)*Nanosecond {
		return Rate{}, fmt.Errorf("an empty bucket would take more than %v to fill", MaxFill)
	}
	return Rate{interval, burst}, nil
}

// Full returns how many ticks an empty bucket takes to fill.
func (r Rate) Full() int64 { return r.Interval * r.Burst }

// Clamp limits wait, the ticks until a bucket is full, to what a bucket of this
// rate can have: a clock that was set back, or a limit that was made smaller, must
// not lock anybody out for longer than that.
func (r Rate) Clamp(wait int64) int64 { return max(0, min(wait, r.Full())) }

// Room returns how many ticks a bucket may at most be from full for n tokens to be
// there. It is negative if n, which is not negative, is more than the bucket holds.
func (r Rate) Room(n int64) int64 {
	if n > r.Burst {
		return -1
	}
	return (r.Burst - n) * r.Interval
}

// Remaining returns how many tokens are in a bucket that needs wait ticks to be full.
func (r Rate) Remaining(wait int64) int64 { return (r.Full() - wait) / r.Interval }

// Until returns how long it takes, from now, until n tokens are in a bucket that needs
// wait ticks to be full: zero if they are there, [Never] if it does not hold as many.
func (r Rate) Until(wait, n int64) time.Duration {
	room := r.Room(n)
	if room < 0 {
		return Never
	}
	return Duration(max(0, wait-room))
}

// Duration returns ticks as a duration, rounded up.
func Duration(ticks int64) time.Duration {
	return time.Duration((ticks + Nanosecond - 1) / Nanosecond)
}
