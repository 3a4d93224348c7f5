package ratelimit_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
)

// TestOutageOpen: what was let in while the store was away does not count afterwards.
func TestOutageOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &shared{MemoryStore: ratelimit.NewMemoryStore(0)}
		l := newLimiter(t, ratelimit.PerHour(10), &ratelimit.Options{Store: store, Outage: ratelimit.Open, Logger: quiet})
		store.away.Store(true)
		if in := knocks(l, 50); in != 50 {
			t.Errorf("%d of 50 let in while the store is away", in)
		}
		store.away.Store(false)
		if in := knocks(l, 20); in != 10 {
			t.Errorf("%d let in by a node alone, want the 10 that the store has", in)
		}
		// Nor does what was let in before, as soon as anybody has found the store away.
		store.away.Store(true)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "192.0.2.2:1"
		l.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
		if in := knocks(l, 50); in != 50 {
			t.Errorf("%d of 50 let in of a client that has had its 10", in)
		}
	})
}

// TestOutageHangs: one decision asks several times, and all of them together wait for a
// store that hangs as long as one.
func TestOutageHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &shared{MemoryStore: ratelimit.NewMemoryStore(0)}
		l := newLimiter(t, ratelimit.PerHour(2), &ratelimit.Options{
			Store: store, Logger: quiet, Penalty: ratelimit.Penalty{After: ratelimit.PerHour(1), Ban: time.Hour},
		})
		store.hangs.Store(true)
		for i, want := range []int{http.StatusOK, http.StatusOK, http.StatusTooManyRequests, http.StatusTooManyRequests, http.StatusTooManyRequests} {
			begin := time.Now()
			if code := knock(l); code != want || time.Since(begin) > time.Second {
				t.Errorf("attempt %d: status %d after %v, want %d after a second at most", i, code, time.Since(begin), want)
			}
			time.Sleep(time.Minute) // synctest's: it is asked again
		}
	})
}

// TestOutageFlapping: an outage of a part of a store is logged now and then, not at
// each call.
func TestOutageFlapping(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		calls := 0
		flapping := storeFunc(func(context.Context, string, ratelimit.Limit, int64) (ratelimit.Verdict, error) {
			if calls++; calls%2 == 0 {
				return ratelimit.Verdict{}, errors.New("away")
			}
			return ratelimit.Verdict{Allowed: true}, nil
		})
		l := newLimiter(t, ratelimit.PerSecond(1000), &ratelimit.Options{Store: flapping, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		const minutes = 1
		for range 600 * minutes {
			knock(l)
			time.Sleep(100 * time.Millisecond) // synctest's
		}
		away, back := strings.Count(log.String(), "store unavailable"), strings.Count(log.String(), "store available again")
		if away == 0 || away > 6*minutes || back > away {
			t.Errorf("the log has %d times away and %d times back, want each at most every 10 s", away, back)
		}
	})
}

// TestOutageAgain: an outage that begins soon after another one is logged as well, if it
// lasts.
func TestOutageAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		store := &shared{MemoryStore: ratelimit.NewMemoryStore(0)}
		l := newLimiter(t, ratelimit.PerSecond(1000), &ratelimit.Options{Store: store, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		for _, away := range []bool{true, false, true} {
			store.away.Store(away)
			knock(l)
		}
		for range 60 {
			time.Sleep(time.Second) // synctest's
			knock(l)
		}
		if n := strings.Count(log.String(), "store unavailable"); n != 2 {
			t.Errorf("told of %d outages, want 2:\n%s", n, log.String())
		}
	})
}

// TestOutageClosedLog: an event that is refused because the store is away does not
// make a log entry. It sets the default logger, so it is not parallel.
func TestOutageClosedLog(t *testing.T) {
	var log, rest lockedBuffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&rest, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	store := &shared{MemoryStore: ratelimit.NewMemoryStore(0)}
	s := limited(t, newLimiter(t, ratelimit.PerHour(10), &ratelimit.Options{
		Events: ratelimit.PerHour(1000), Store: store, Outage: ratelimit.Closed, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}))
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	store.away.Store(true)
	for range 50 {
		data, _ := say(t, c, "echo").(object)
		if data["code"] != "unavailable" || data["retryable"] != true {
			t.Fatalf("answered %v", data)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "store unavailable") {
		t.Errorf("want one line in the log:\n%s", log.String())
	}
	if text := rest.String(); strings.Contains(text, "level=ERROR") {
		t.Errorf("the default log has\n%.500s", text)
	}
}

// TestOutageDryRun: no refusal is reported if nothing could be decided.
func TestOutageDryRun(t *testing.T) {
	t.Parallel()
	var told atomic.Int32
	store := &shared{MemoryStore: ratelimit.NewMemoryStore(0)}
	store.away.Store(true)
	l := newLimiter(t, ratelimit.PerHour(1), &ratelimit.Options{
		Store: store, Outage: ratelimit.Closed, DryRun: true, Logger: quiet,
		Concurrent: 1, Events: ratelimit.PerHour(1),
		Penalty: ratelimit.Penalty{After: ratelimit.PerHour(1), Ban: time.Hour},
		Refused: func(ratelimit.Refusal) { told.Add(1) },
	})
	if code := knock(l); code != http.StatusOK {
		t.Errorf("status %d", code)
	}
	s := limited(t, l)
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for range 3 {
		if got := say(t, c, "echo"); got != "ok" {
			t.Errorf("answered %v", got)
		}
	}
	if n := told.Load(); n != 0 {
		t.Errorf("told of %d refusals", n)
	}
	// It is told again of what the store decides.
	store.away.Store(false)
	if in := knocks(l, 3); in != 3 || told.Load() != 2 {
		t.Errorf("%d of 3 let in, told of %d refusals, want 2", in, told.Load())
	}
}
