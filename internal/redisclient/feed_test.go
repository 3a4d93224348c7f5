package redisclient_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/redisclient"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
)

// failures records what is logged about failed attempts.
type failures struct {
	slog.Handler
	last *atomic.Int64
}

func (f failures) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "failed" && r.Level == slog.LevelWarn {
			f.last.Store(a.Value.Int64())
		}
		return true
	})
	return nil
}

// TestFeedPatience: a Feed that is checked more often than it tries to subscribe is not
// given up while it waits.
func TestFeedPatience(t *testing.T) {
	t.Parallel()
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr)
	var failed, subscribed atomic.Int64
	logger := slog.New(failures{slog.NewTextHandler(nil, nil), &failed})
	feed := redisclient.NewFeed(redistest.Client(t, proxy.Addr), "news", logger, 200*time.Millisecond,
		func(string) {}, func(bool) { subscribed.Add(1) })
	siotest.Eventually(t, "it subscribes", func() bool { return subscribed.Load() > 0 })
	proxy.Cut()
	siotest.Eventually(t, "it has failed often", func() bool { return failed.Load() >= 16 })
	before := subscribed.Load()
	proxy.Restore()
	siotest.Eventually(t, "it subscribes again", func() bool { return subscribed.Load() > before })
	if err := feed.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
