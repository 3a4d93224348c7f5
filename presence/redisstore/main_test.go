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
	"github.com/sioware/sioware/presence/redisstore"
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

// open returns a store that is closed with the test.
func open(tb testing.TB, client redis.UniversalClient, opts *redisstore.Options) *redisstore.Store {
	tb.Helper()
	var o redisstore.Options
	if opts != nil {
		o = *opts
	}
	if o.Logger == nil {
		w := io.Discard
		if os.Getenv("REDIS_LOG") != "" {
			w = tb.Output()
		}
		o.Logger = slog.New(slog.NewTextHandler(w, nil))
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
