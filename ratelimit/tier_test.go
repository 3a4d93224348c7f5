package ratelimit_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/ratelimit"
)

// shared is a store that may be away, as one of many nodes sees it.
type shared struct {
	*ratelimit.MemoryStore
	away  atomic.Bool
	hangs atomic.Bool
	calls atomic.Int64
}

func (s *shared) Take(ctx context.Context, key string, l ratelimit.Limit, n int64) (ratelimit.Verdict, error) {
	s.calls.Add(1)
	if s.hangs.Load() {
		<-ctx.Done()
		return ratelimit.Verdict{}, ctx.Err()
	}
	if s.away.Load() {
		return ratelimit.Verdict{}, errors.New("away")
	}
	return s.MemoryStore.Take(ctx, key, l, n)
}

// knock asks whether a limiter lets a request of the usual address through.
func knock(l *ratelimit.Limiter) int {
	w := httptest.NewRecorder()
	h := l.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	return w.Code
}

// knocks counts how many of n are let through.
func knocks(l *ratelimit.Limiter, n int) (in int) {
	for range n {
		if knock(l) == http.StatusOK {
			in++
		}
	}
	return in
}

func TestNodesShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &shared{MemoryStore: ratelimit.NewMemoryStore(0)}
		a := newLimiter(t, ratelimit.PerMinute(60).Burst(10), &ratelimit.Options{Store: store})
		b := newLimiter(t, ratelimit.PerMinute(60).Burst(10), &ratelimit.Options{Store: store})
		if in := knocks(a, 6) + knocks(b, 20); in != 10 {
			t.Errorf("%d let in, want 10", in)
		}
		// What a node knows to be too much it does not ask about.
		store.calls.Store(0)
		if in := knocks(a, 40); in != 0 || store.calls.Load() != 1 {
			t.Errorf("%d let in, %d calls: it needs one to learn what the other has let in", in, store.calls.Load())
		}
		c := newLimiter(t, ratelimit.PerMinute(60).Burst(10), &ratelimit.Options{Store: store, Name: "c"})
		if in := knocks(c, 10); in != 10 {
			t.Errorf("%d let in, want 10", in)
		}
		store.calls.Store(0)
		if in := knocks(c, 1000); in != 0 || store.calls.Load() != 0 {
			t.Errorf("%d let in, %d calls of the store in a flood", in, store.calls.Load())
		}
		// Neither node is stricter than the store: each token that comes back is had.
		for range 20 {
			time.Sleep(time.Second) // synctest's
			if in := knocks(a, 3) + knocks(b, 3); in != 1 {
				t.Fatalf("%d let in, want 1", in)
			}
		}
	})
}

func TestOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		store := &shared{MemoryStore: ratelimit.NewMemoryStore(0)}
		l := newLimiter(t, ratelimit.PerMinute(60).Burst(10), &ratelimit.Options{
			Store: store, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if in := knocks(l, 4); in != 4 {
			t.Errorf("%d let in", in)
		}
		store.away.Store(true)
		if in := knocks(l, 20); in != 6 {
			t.Errorf("%d let in while the store is away, want the 6 that are left", in)
		}
		store.away.Store(false)
		time.Sleep(time.Second)
		if in := knocks(l, 20); in != 1 {
			t.Errorf("%d let in, want 1: what was let in meanwhile counts here", in)
		}
		text := log.String()
		if strings.Count(text, "store unavailable") != 1 || strings.Count(text, "store available again") != 1 {
			t.Errorf("the log says\n%s", text)
		}
		// A store that hangs is not waited for.
		time.Sleep(time.Minute)
		store.hangs.Store(true)
		begin := time.Now()
		if knock(l) != http.StatusOK || time.Since(begin) != time.Second {
			t.Errorf("waited for %v", time.Since(begin))
		}
	})
}

// TestOutageNotOurs: neither a client that leaves nor a wrong cost makes the store look
// away.
func TestOutageNotOurs(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	store := &shared{MemoryStore: ratelimit.NewMemoryStore(0)}
	store.hangs.Store(true)
	l := newLimiter(t, ratelimit.PerHour(1), &ratelimit.Options{Store: store, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	l.Handler(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	if w.Code != http.StatusServiceUnavailable || log.String() != "" {
		t.Errorf("status %d, log %s", w.Code, log.String())
	}
	store.hangs.Store(false)
	if knock(l) != http.StatusOK {
		t.Error("the token of the client that left is gone")
	}
}

// lockedBuffer is a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
