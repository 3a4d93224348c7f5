package redisstore

import (
	"context"
	"log/slog"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redisclient"
	"github.com/sioware/sioware/ratelimit"
)

// takeAt is the script with a clock that its caller sets, and keys that do not expire
// meanwhile by the clock of Redis.
var takeAt = redis.NewScript(strings.NewReplacer(
	"redis.call('TIME')", "{ARGV[7], ARGV[8]}",
	"'PXAT', expiry", "'EX', 3600",
).Replace(takeSource))

// TakeAt is Take at a time in microseconds.
func (s *Store) TakeAt(ctx context.Context, us int64, key string, l ratelimit.Limit, n int64) (ratelimit.Verdict, error) {
	return s.take(ctx, takeAt, key, l, n, us/1e6, us%1e6)
}

// BucketKey and SlotsKey are the names of keys.
func (s *Store) BucketKey(key string) string { return s.bucketKey(key) }
func (s *Store) SlotsKey(key string) string  { return s.slotsKey(key) }

// Pending returns how many slots are held, and how many wait to be given back.
func (s *Store) Pending() (held, releases int) {
	s.slots.mu.Lock()
	defer s.slots.mu.Unlock()
	return len(s.slots.held), len(s.slots.releases)
}

// Given returns how many slots were given back of which Redis may not know it.
func (s *Store) Given() (n int) {
	s.slots.mu.Lock()
	defer s.slots.mu.Unlock()
	for _, ids := range s.slots.given {
		n += len(ids)
	}
	return n
}

// Calls returns how many calls are under way.
func (s *Store) Calls() int64 { return s.calls.Load() }

// MaxCalls is how many there may be.
const MaxCalls = maxCalls

// The pauses of a breaker, and how many failures it takes.
const (
	MinPause  = redisclient.MinPause
	MaxPause  = redisclient.MaxPause
	Tolerance = redisclient.Tolerance
)

// Breaker is the breaker.
type Breaker struct{ b redisclient.Breaker }

// NewBreaker returns a breaker.
func NewBreaker(logger *slog.Logger) *Breaker { return &Breaker{redisclient.Breaker{Logger: logger}} }

// Enter is enter.
func (b *Breaker) Enter() (int, error) { return b.b.Enter() }

// Leave is leave: with an error, without one, or, if it was left, unknown.
func (b *Breaker) Leave(epoch int, err error, left bool) {
	o := redisclient.Succeeded
	switch {
	case left:
		o = redisclient.Unknown
	case err != nil:
		o = redisclient.Failed
	}
	b.b.Leave(epoch, o, err)
}

// Renew renews all slots, as the keeper does on its goroutine.
func (s *Store) Renew(ctx context.Context) error { return (&keeper{Store: s}).renew(ctx) }
