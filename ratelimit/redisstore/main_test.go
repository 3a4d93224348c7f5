package redisstore_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/ratelimit/redisstore"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv("REDIS_LOG") == "" {
		logging.Disable() // the client's own, of every connection that the tests break
	}
	goleak.VerifyTestMain(m)
}

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
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	s, err := redisstore.New(client, &o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return s
}

// patient returns a client that does not honor the deadlines of contexts, as is
// the default.
func patient(tb testing.TB, addr string) *redis.Client {
	tb.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, ReadTimeout: 2 * time.Second, MaxRetries: -1})
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// eventually waits for f to hold.
func eventually(tb testing.TB, what string, f func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("it does not happen: %s", what)
		}
	}
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
