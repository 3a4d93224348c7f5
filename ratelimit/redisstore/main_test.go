package redisstore_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/ratelimit/redisstore"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// unhurried is for tests that expect answers, on a machine that is busy.
var unhurried = &redisstore.Options{Timeout: 20 * time.Second}

// short is for tests that expect none.
var short = &redisstore.Options{Timeout: 300 * time.Millisecond}

// open returns a store that is closed with the test.
func open(tb testing.TB, client redis.UniversalClient, opts *redisstore.Options) *redisstore.Store {
	tb.Helper()
	var o redisstore.Options
	if opts != nil {
		o = *opts
	}
	if o.Logger == nil {
		o.Logger = redistest.Logger(tb)
	}
	s, err := redisstore.New(client, &o)
	if err != nil {
		tb.Fatal(err)
	}
	redistest.Closing(tb, s)
	return s
}

// take is Take where no error is expected.
func take(tb testing.TB, s ratelimit.Store, key string, l ratelimit.Limit, n int64) ratelimit.Verdict {
	tb.Helper()
	v, err := s.Take(tb.Context(), key, l, n)
	if err != nil {
		tb.Fatalf("Take: %v", err)
	}
	return v
}

// acquire is Acquire where no error is expected.
func acquire(tb testing.TB, s ratelimit.SlotStore, key string, slots int64) (release func(), v ratelimit.Verdict) {
	tb.Helper()
	release, v, err := s.Acquire(tb.Context(), key, slots)
	if err != nil {
		tb.Fatalf("Acquire: %v", err)
	}
	if (release != nil) != v.Allowed {
		tb.Fatalf("Acquire: allowed %v, release %p", v.Allowed, release)
	}
	return release, v
}
