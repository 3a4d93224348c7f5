package ratelimit_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestFloodCalls: what a node knows to be too much is refused there, and does not
// lead to calls of the store.
func TestFloodCalls(t *testing.T) {
	t.Parallel()
	const flood = 1000
	for _, c := range []struct {
		name  string
		opts  ratelimit.Options
		nodes int
		most  int64 // calls of the store in the flood
	}{
		{"over the limit", ratelimit.Options{}, 1, 0},
		{"banned", ratelimit.Options{
			Penalty: ratelimit.Penalty{After: ratelimit.PerHour(2), Ban: time.Hour},
		}, 1, 0},
		// Each refusal is counted, and nothing else is asked.
		{"not yet banned", ratelimit.Options{
			Penalty: ratelimit.Penalty{After: ratelimit.PerHour(1_000_000), Ban: time.Hour},
		}, 1, flood},
		// Each node learns once what has passed through the other.
		{"two nodes", ratelimit.Options{}, 2, 2},
		{"banned on two nodes", ratelimit.Options{
			Penalty: ratelimit.Penalty{After: ratelimit.PerHour(2), Ban: time.Hour},
		}, 2, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &shared{MemoryStore: ratelimit.NewMemoryStore(0)}
				c.opts.Store, c.opts.Logger = store, quiet
				var nodes []*ratelimit.Limiter
				in := 0
				for range c.nodes {
					l := newLimiter(t, ratelimit.PerHour(10), &c.opts)
					in += knocks(l, 20/c.nodes-4)
					nodes = append(nodes, l)
				}
				if in != 10 {
					t.Errorf("%d let in, want 10", in)
				}
				store.calls.Store(0)
				for _, l := range nodes {
					if in := knocks(l, flood); in != 0 {
						t.Errorf("%d let in of a flood", in)
					}
				}
				if n := store.calls.Load(); n > c.most {
					t.Errorf("%d calls of the store, want at most %d", n, c.most)
				}
			})
		})
	}
}

// full returns a store in which a flood has left no room.
func full(t *testing.T) *ratelimit.MemoryStore {
	t.Helper()
	const room = 100
	store := ratelimit.NewMemoryStore(room)
	for i := range room {
		if _, err := store.Take(t.Context(), fmt.Sprint("flood", i), ratelimit.Every(24*time.Hour), 1); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

// TestFloodInnocents: a client that finds no room in the store because of a flood may
// be refused for what others do, but is not blamed for it.
func TestFloodInnocents(t *testing.T) {
	t.Parallel()
	penalty := ratelimit.Penalty{After: ratelimit.PerHour(3), Ban: time.Hour}
	t.Run("handshakes", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			l := newLimiter(t, ratelimit.PerSecond(1), &ratelimit.Options{Store: full(t), Penalty: penalty, Logger: quiet})
			h := l.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			refused := 0
			for i := range 10 { // each comes once
				w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
				r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", i)
				h.ServeHTTP(w, r)
				if w.Code == http.StatusOK {
					continue
				}
				refused++
				if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" {
					t.Errorf("client %d at its first request: %d %s", i, w.Code, w.Body)
				}
			}
			if refused == 0 {
				t.Error("nobody was refused: the store has room")
			}
		})
	})
	t.Run("events", func(t *testing.T) {
		t.Parallel()
		s := limited(t, newLimiter(t, ratelimit.Unlimited(), &ratelimit.Options{
			Store: full(t), Events: ratelimit.PerHour(1), Penalty: penalty, Logger: quiet,
		}))
		for i := range 4 {
			c := s.Dial(t, dialFrom(fmt.Sprint("127.0.2.", i+1)))
			c.Connected(t)
			if i == 0 {
				say(t, c, "echo") // the one that all of them may have
			}
			for range 3 { // nobody is put out
				checkRefusal(t, say(t, c, "echo"), "rate_limited", "events")
			}
		}
	})
}

// TestFloodWaiting: events that come faster than the Store answers do not pile up, each
// with a goroutine.
func TestFloodWaiting(t *testing.T) {
	t.Parallel()
	const asking, waiting, flood = 32, 1024, 1500
	const first = 8 // events of which none finds what the others have found out
	answer := make(chan struct{})
	var once sync.Once
	release := func() { once.Do(func() { close(answer) }) }
	t.Cleanup(release)
	store := storeFunc(func(_ context.Context, _ string, l ratelimit.Limit, _ int64) (ratelimit.Verdict, error) {
		<-answer
		return ratelimit.Verdict{Allowed: true, Limit: l.Size(), Remaining: l.Size()}, nil
	})
	var told, named atomic.Int64
	var meet sync.WaitGroup
	meet.Add(first)
	s := limited(t, newLimiter(t, ratelimit.Unlimited(), &ratelimit.Options{
		Events: ratelimit.PerSecond(1_000_000), Penalty: ratelimit.Penalty{After: ratelimit.PerHour(1)},
		Key: func(s *socket.Socket) (string, bool) {
			if s.Connected() && named.Add(1) <= first {
				meet.Done()
				meet.Wait()
			}
			return "", false
		},
		Store: store, Logger: quiet, Refused: func(r ratelimit.Refusal) {
			if r.Verdict.Policy != "events" || r.Verdict.RetryAfter != time.Second {
				t.Errorf("refused with %+v", r.Verdict)
			}
			told.Add(1)
		},
	}))
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for range flood {
		c.Emit("echo", "x")
	}
	siotest.Eventually(t, "what there is no place for is refused", func() bool {
		return told.Load() >= flood-asking-waiting
	})
	if n := told.Load(); n != flood-asking-waiting {
		t.Errorf("%d refused", n)
	}
	release()
	siotest.Eventually(t, "all have had their turn, and the socket is not put out", func() bool {
		return say(t, c, "echo") == "ok"
	})
}
