package ratelimit

import (
	"context"
	"errors"
	"time"

	"github.com/sioware/sioware/ratelimit/internal/gcra"
)

// Never is the RetryAfter of what is never allowed, because it asks for more at
// once than the limit's burst.
const Never = gcra.Never

// ErrCost is returned by a [Store], wrapped, for a negative number of tokens.
var ErrCost = errors.New("ratelimit: negative cost")

// Verdict is a decision.
type Verdict struct {
	// Allowed reports whether it may be done.
	Allowed bool

	// Degraded reports whether the Store could not be asked, so that this node
	// has decided by what it knows itself.
	Degraded bool

	// Policy is what decided: "connect", "concurrent", "events", "event:" and the
	// name, "bytes", "ban", "allow" or "deny", or "unavailable" if nothing could
	// decide. A Store leaves it empty.
	Policy string

	// Limit is the burst, and Remaining how much of it is available now: how many of
	// these could be done at once.
	Limit, Remaining int64

	// RetryAfter is, after a refusal, how long to wait until the same would be allowed,
	// rounded up to a nanosecond, if nobody else takes the tokens that come back.
	// [Never] if it is more than the burst; zero if it is not known.
	RetryAfter time.Duration

	// ResetAfter is how long it takes until all of Limit is available again.
	ResetAfter time.Duration
}

// Store keeps the buckets of all keys. [MemoryStore] does so for one process, and
// ratelimit/redisstore for many. Package ratelimit/storetest tests a Store
// against this documentation.
//
// Methods may be called concurrently. They return soon after ctx has ended, with an
// error that wraps its error, and should end by themselves long before: a client
// waits for them.
type Store interface {
	// Take takes n tokens out of the bucket of key if all of them are available,
	// otherwise none. The bucket of a key that has never been seen, or not for as long
	// as it takes to fill, is full. Calls that take nothing do not delay a refill, and a
	// clock that is set back makes nobody wait longer than l allows: a bucket never takes
	// longer to fill than an empty one of l.
	//
	// An n of 0 takes nothing, is allowed, and reports the state of the bucket:
	// RetryAfter is zero. An n above l.Size is refused and takes nothing: RetryAfter is
	// [Never]. A negative n is an error that wraps [ErrCost]; if l.Check fails, Take
	// returns its error. Neither changes anything.
	//
	// A key is any string, of any length. One key may be used with different limits, as
	// when a limit is changed: what carries over is the time at which the bucket is full.
	// If that is further away than l allows it is moved nearer for good, even if n is 0,
	// so limits that are in use at the same time need different keys.
	//
	// After any other error the verdict means nothing, and it is not known whether the
	// tokens were taken.
	Take(ctx context.Context, key string, l Limit, n int64) (Verdict, error)
}

// SlotStore is a [Store] that also counts what goes on at the same time, as
// Options.Concurrent requires.
type SlotStore interface {
	Store

	// Acquire takes one of max slots of key if one is free: release gives it back, and
	// is nil if none was. The caller calls release at least once, from any goroutine;
	// only the first call counts, and it does not wait for a network. A slot whose
	// process has died becomes free by itself.
	//
	// In the verdict Limit is max, Remaining how many are left, and RetryAfter zero,
	// since nobody knows when one will be free. A max below 1 is an error that wraps
	// [ErrLimit]. Slots and buckets do not share keys.
	//
	// With an error no slot is held, or it is given back as soon as possible, at the
	// latest when the slot of a dead process would be.
	Acquire(ctx context.Context, key string, max int64) (release func(), v Verdict, err error)
}
