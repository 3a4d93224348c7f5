package ratelimit

import (
	"errors"
	"fmt"
	"time"

	"github.com/sioware/sioware/ratelimit/internal/gcra"
)

// Limit is a token bucket: it fills at a rate, holds at most its burst, and each act
// takes tokens out of it. A full bucket allows a burst at once and the rate from then
// on: in any time t at most burst + rate * t.
//
// Create one with [PerSecond], [PerMinute], [PerHour] or [Every]. The zero Limit stands
// for "none" in [Options] and is refused everywhere else. Limits are comparable.
//
// A token takes a whole number of sixteenths of a nanosecond to come back, rounded
// up, so that tokens never come back faster than the rate: with PerSecond(3) one in
// eight billion fewer, with PerSecond(300_000_000) one in eighty.
type Limit struct {
	n     int64
	per   time.Duration // negative if unlimited
	burst int64
	rate  gcra.Rate // zero if the above is invalid
}

// PerSecond returns a limit of n per second, with a burst of n.
func PerSecond(n int) Limit { return limit(int64(n), time.Second, int64(n)) }

// PerMinute returns a limit of n per minute, with a burst of n.
func PerMinute(n int) Limit { return limit(int64(n), time.Minute, int64(n)) }

// PerHour returns a limit of n per hour, with a burst of n.
func PerHour(n int) Limit { return limit(int64(n), time.Hour, int64(n)) }

// Every returns a limit of one per d, with a burst of one.
func Every(d time.Duration) Limit { return limit(1, d, 1) }

// Unlimited returns the limit for [New] that refuses no attempt, for use where
// only the other limits are wanted. A [Store] does not take it.
func Unlimited() Limit { return Limit{per: -1} }

// Burst returns l with a burst of n.
func (l Limit) Burst(n int) Limit {
	if l.unlimited() {
		return l
	}
	return limit(l.n, l.per, int64(n))
}

func limit(n int64, per time.Duration, burst int64) Limit {
	rate, _ := gcra.New(n, per, burst) // Check reports it
	return Limit{n, per, burst, rate}
}

// ErrLimit is returned by a [Store], wrapped, for a [Limit] that cannot be counted.
var ErrLimit = errors.New("ratelimit: invalid limit")

// Check returns what is wrong with l, as an error that wraps [ErrLimit], or nil.
// Wrong are a rate or a burst of zero or less, more than one per nanosecond, and an
// empty bucket that takes more than 366 days to fill.
func (l Limit) Check() error {
	if err := l.fault(); err != nil {
		return fmt.Errorf("%w: %w", ErrLimit, err)
	}
	return nil
}

// fault returns what is wrong, without the prefix of ErrLimit.
func (l Limit) fault() error {
	switch {
	case l.rate.Interval > 0:
		return nil
	case l == Limit{}:
		return errors.New("none")
	case l.unlimited():
		return errors.New("unlimited")
	}
	_, err := gcra.New(l.n, l.per, l.burst)
	return fmt.Errorf("%v: %w", l, err)
}

// Rate returns how many tokens come back in what time. It is for those who write a [Store].
func (l Limit) Rate() (n int64, per time.Duration) { return l.n, l.per }

// Size returns the burst: how many tokens a full bucket holds.
func (l Limit) Size() int64 { return l.burst }

// String returns l in words, such as "60 per 1m0s, burst 10".
func (l Limit) String() string {
	if l.unlimited() {
		return "unlimited"
	}
	return fmt.Sprintf("%d per %v, burst %d", l.n, l.per, l.burst)
}

func (l Limit) unlimited() bool { return l.per < 0 && l.n == 0 }

// window returns how long an empty bucket takes to fill, as it is counted.
func (l Limit) window() time.Duration { return gcra.Duration(l.rate.Full()) }
