package redisclient

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// ErrBroken is what Enter returns, wrapped, while Redis is not to be asked.
var ErrBroken = errors.New("redisstore: Redis is not asked")

const (
	// Tolerance is how many calls in a row may fail.
	Tolerance = 3

	// The pauses between two probes double from MinPause to MaxPause.
	MinPause = 500 * time.Millisecond
	MaxPause = 5 * time.Second
)

// Outcome is the outcome of a call.
type Outcome int

// Outcomes of calls.
const (
	Succeeded Outcome = iota
	Failed
	Unknown // the caller did not wait
)

// Breaker decides whether Redis is asked. It is closed while it is, and open while it is
// not: after Tolerance failed calls in a row, when only one call now and then is let
// through to see whether Redis is back. It may be used concurrently.
type Breaker struct {
	Logger *slog.Logger // is told when the breaker opens and closes

	mu       sync.Mutex
	failures int           // in a row, while closed
	pause    time.Duration // 0 while closed
	until    time.Time     // when to probe
	probing  bool          // a probe is under way
	broken   error         // what Enter returns while open
	epoch    int           // how often it has opened or closed
}

// Enter returns an error if Redis is not to be asked. Otherwise the outcome must be
// passed to Leave, with the epoch.
func (b *Breaker) Enter() (epoch int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pause > 0 {
		if b.probing || time.Now().Before(b.until) {
			return 0, b.broken
		}
		b.probing = true
	}
	return b.epoch, nil
}

// Leave records the outcome of a call. A call that began before the breaker opened or
// closed does not count, so that while it is open only the probe does.
func (b *Breaker) Leave(epoch int, o Outcome, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if epoch != b.epoch {
		return
	}
	b.probing = false
	switch {
	case o == Unknown: // if it was the probe, the next call is one
	case o == Succeeded:
		b.failures = 0
		if b.pause > 0 {
			b.pause = 0
			b.epoch++
			b.Logger.Info("redisstore: Redis is asked again")
		}
	case b.pause > 0:
		b.open(min(2*b.pause, MaxPause), err)
	default:
		if b.failures++; b.failures >= Tolerance {
			b.open(MinPause, err)
			b.epoch++
			b.Logger.Warn("redisstore: Redis fails, and is not asked for a while", "error", err)
		}
	}
}

// open keeps Redis from being asked for about d; the spread prevents all processes of a
// deployment from coming back at once.
func (b *Breaker) open(d time.Duration, err error) {
	b.failures = 0
	b.pause = d
	b.until = time.Now().Add(d - d/4 + rand.N(d/2))
	// As text: nobody should take it for the end of their own context.
	b.broken = fmt.Errorf("%w, since it failed: %s", ErrBroken, err.Error())
}
