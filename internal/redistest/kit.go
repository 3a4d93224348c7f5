package redistest

import (
	"context"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"
)

// logs is the environment variable that makes tests show what a store and the Redis
// client log: they break so many connections that it is useless otherwise.
const logs = "REDIS_LOG"

// Main runs the tests of a store, and fails if a goroutine is left.
func Main(m *testing.M) {
	if os.Getenv(logs) == "" {
		logging.Disable()
	}
	goleak.VerifyTestMain(m)
}

// Logger returns a logger for a store.
func Logger(tb testing.TB) *slog.Logger {
	w := io.Discard
	if os.Getenv(logs) != "" {
		w = tb.Output()
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// Closer is a store.
type Closer interface {
	Close(ctx context.Context) error
}

// Closing closes a store at the end of the test.
func Closing(tb testing.TB, store Closer) {
	tb.Cleanup(func() {
		if err := store.Close(context.Background()); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
}

// Patient returns a client of addr that is closed at the end of the test. As by default,
// it does not honor the deadlines of contexts.
func Patient(tb testing.TB, addr string) *redis.Client {
	tb.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, ReadTimeout: 2 * time.Second, MaxRetries: -1})
	tb.Cleanup(func() { _ = c.Close() })
	return c
}
