package ratelimit_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestBanOfUser: a user banned by one node is disconnected by all others, even if the
// limiter stands in front of what knows the user.
func TestBanOfUser(t *testing.T) {
	t.Parallel()
	store := &shared{MemoryStore: ratelimit.NewMemoryStore(0)}
	node := func() *siotest.Server {
		l := newLimiter(t, ratelimit.PerHour(100), &ratelimit.Options{
			Key: ratelimit.ByUser(func(s *socket.Socket) (string, bool) {
				name, ok := s.Data().(string)
				return name, ok
			}),
			Event:   map[string]ratelimit.Limit{"search": ratelimit.PerHour(1)},
			Penalty: ratelimit.Penalty{After: ratelimit.PerHour(1), Ban: time.Hour},
			Store:   store, Logger: quiet,
		})
		return limited(t, l, wrap.Func(func(_ context.Context, s *socket.Socket) error {
			s.SetData(s.Handshake().Auth.(object)["user"])
			return nil
		}))
	}
	a, b := node(), node()
	c := a.Dial(t, siotest.Dial{Auth: object{"user": "mallory"}})
	c.Connected(t)
	for range 2 {
		say(t, c, "search")
	}
	c.Emit("search")
	putOut(t, c, "ban")

	for range 2 { // nobody has asked the store, and then the node knows
		c = b.Dial(t, siotest.Dial{Auth: object{"user": "mallory"}})
		c.Connected(t)
		checkRefusal(t, say(t, c, "echo"), "rate_limited", "ban") // which has no limit
		putOut(t, c, "ban")
	}
	c = b.Dial(t, siotest.Dial{Auth: object{"user": "ada"}})
	c.Connected(t)
	if got := say(t, c, "echo"); got != "ok" {
		t.Errorf("answered %v", got)
	}
}

// TestBanOfUserAtOnce: events that come while a node asks whether a user is banned do
// not pass.
func TestBanOfUserAtOnce(t *testing.T) {
	t.Parallel()
	memory := ratelimit.NewMemoryStore(0)
	var asked, handled atomic.Int64
	answer := make(chan struct{})
	open := sync.OnceFunc(func() { close(answer) })
	store := storeFunc(func(ctx context.Context, key string, l ratelimit.Limit, n int64) (ratelimit.Verdict, error) {
		if strings.HasSuffix(key, "bkey:mallory") {
			if asked.Add(1) == 2 {
				open()
			}
			<-answer
		}
		return memory.Take(ctx, key, l, n)
	})
	if _, err := memory.Take(t.Context(), "0:bkey:mallory", ratelimit.Every(time.Hour), 1); err != nil {
		t.Fatal(err)
	}
	l := newLimiter(t, ratelimit.PerHour(100), &ratelimit.Options{
		Key: ratelimit.ByUser(func(s *socket.Socket) (string, bool) {
			name, ok := s.Data().(string)
			return name, ok
		}),
		Events:  ratelimit.PerHour(100),
		Penalty: ratelimit.Penalty{After: ratelimit.PerHour(1), Ban: time.Hour},
		Store:   store, Logger: quiet,
	})
	s := serve(t, func(io *socket.Server) {
		wrap.UseAll(io, l.Middleware())
		io.Use(wrap.Func(func(_ context.Context, s *socket.Socket) error {
			s.SetData("mallory")
			return nil
		}))
		_ = io.On("connection", func(args ...any) {
			_ = args[0].(*socket.Socket).On("echo", func(...any) {
				handled.Add(1)
				open()
			})
		})
	})
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for range 2 {
		c.Emit("echo")
	}
	putOut(t, c, "ban")
	if n := handled.Load(); n != 0 {
		t.Errorf("%d events of a banned user have passed", n)
	}
}

// TestBanOfUserAway: a banned user who connected while the store was away is
// disconnected once it is back.
func TestBanOfUserAway(t *testing.T) {
	t.Parallel()
	store := &shared{MemoryStore: ratelimit.NewMemoryStore(0)}
	if _, err := store.Take(t.Context(), "0:bkey:mallory", ratelimit.Every(time.Hour), 1); err != nil {
		t.Fatal(err)
	}
	store.away.Store(true)
	s := limited(t, newLimiter(t, ratelimit.PerHour(100), &ratelimit.Options{
		Key: ratelimit.ByUser(func(s *socket.Socket) (string, bool) {
			name, ok := s.Data().(string)
			return name, ok
		}),
		Penalty: ratelimit.Penalty{After: ratelimit.PerHour(1), Ban: time.Hour},
		Store:   store, Logger: quiet,
	}), wrap.Func(func(_ context.Context, s *socket.Socket) error {
		s.SetData("mallory")
		return nil
	}))
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	if got := say(t, c, "echo"); got != "ok" {
		t.Errorf("answered %v", got)
	}
	store.away.Store(false)
	checkRefusal(t, say(t, c, "echo"), "rate_limited", "ban")
	putOut(t, c, "ban")
}

// TestBanOfBytes: a client that sends too much data is banned like any other.
func TestBanOfBytes(t *testing.T) {
	t.Parallel()
	s := limited(t, newLimiter(t, ratelimit.PerHour(100), &ratelimit.Options{
		Bytes: ratelimit.PerHour(1000), Penalty: ratelimit.Penalty{After: ratelimit.PerHour(3), Ban: time.Hour}, Logger: quiet,
	}))
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for range 100 {
		c.Send(`43777["nobody has asked for this answer"]`)
	}
	putOut(t, c, "ban")
	refused(t, s.Dial(t, siotest.Dial{}), "rate_limited", "ban")
}

// TestBanOfBytesFlood: what a client goes on sending despite its ban does not reach the
// Store.
func TestBanOfBytesFlood(t *testing.T) {
	t.Parallel()
	store := &shared{MemoryStore: ratelimit.NewMemoryStore(0)}
	var told atomic.Int64
	s := limited(t, newLimiter(t, ratelimit.PerHour(100), &ratelimit.Options{
		Bytes: ratelimit.PerHour(1000), Penalty: ratelimit.Penalty{After: ratelimit.PerHour(3), Ban: time.Hour},
		Store: store, Logger: quiet, Refused: func(ratelimit.Refusal) { told.Add(1) },
	}))
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	send := func(n int64) { // pongs, which cannot be dropped
		before := told.Load()
		for range n {
			c.Send("3" + strings.Repeat("x", 2000))
		}
		siotest.Eventually(t, "all are refused", func() bool { return told.Load() >= before+n })
	}
	c.Emit("echo", strings.Repeat("x", 2000))
	send(4)
	putOut(t, c, "ban")
	before := store.calls.Load()
	send(200)
	if n := store.calls.Load() - before; n != 0 {
		t.Errorf("the store was asked %d times about one who is banned", n)
	}
}

// TestPenaltyPongs: packets that cannot be dropped count as well.
func TestPenaltyPongs(t *testing.T) {
	t.Parallel()
	s := limited(t, newLimiter(t, ratelimit.PerHour(10), &ratelimit.Options{
		Bytes: ratelimit.PerHour(10_000), Penalty: ratelimit.Penalty{After: ratelimit.PerHour(2)},
	}))
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for range 8 {
		c.Send("3" + strings.Repeat("x", 9_000))
	}
	putOut(t, c, "bytes")
}

// TestPenaltyBarePongs: nor are packets free that consist of a type alone.
func TestPenaltyBarePongs(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, d siotest.Dial) {
		s := limited(t, newLimiter(t, ratelimit.PerHour(10), &ratelimit.Options{
			Bytes: ratelimit.PerHour(1000), Penalty: ratelimit.Penalty{After: ratelimit.PerHour(2)},
		}))
		c := s.Dial(t, d)
		c.Connected(t)
		if d.Polling {
			c.Send("3" + strings.Repeat("\x1e3", 1999))
		} else {
			for range 2000 {
				c.Send("3")
			}
		}
		putOut(t, c, "bytes")
	})
}

// TestPenaltyNoBan: a client that is refused too often, but not banned for it, is
// told after what time it will be let in.
func TestPenaltyNoBan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, ratelimit.Every(3*time.Second), &ratelimit.Options{Penalty: ratelimit.Penalty{After: ratelimit.PerHour(2)}})
		h := l.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		for i := range 5 {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			if i > 0 && (w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "3" ||
				!strings.Contains(w.Body.String(), `"policy":"connect"`)) {
				t.Errorf("request %d: %d, Retry-After %q, %s", i, w.Code, w.Header().Get("Retry-After"), w.Body)
			}
		}
		time.Sleep(3 * time.Second) // synctest's
		if code := knock(l); code != http.StatusOK {
			t.Errorf("status %d after the time that was told", code)
		}
	})
}

// TestBanOutlivesSocket: a ban is not lost if another event of the socket finds it, and
// disconnects the socket, while the store is still being told of it.
func TestBanOutlivesSocket(t *testing.T) {
	t.Parallel()
	memory := ratelimit.NewMemoryStore(0)
	gone := make(chan struct{})
	store := storeFunc(func(ctx context.Context, key string, l ratelimit.Limit, n int64) (ratelimit.Verdict, error) {
		if strings.HasSuffix(key, "bip:127.0.0.1") && n > 0 {
			select {
			case <-gone:
			case <-ctx.Done():
				return ratelimit.Verdict{}, ctx.Err()
			}
		}
		return memory.Take(ctx, key, l, n)
	})
	var once sync.Once
	s := limited(t, newLimiter(t, ratelimit.PerHour(100), &ratelimit.Options{
		Events: ratelimit.PerHour(1), Penalty: ratelimit.Penalty{After: ratelimit.PerHour(1), Ban: time.Hour},
		Store: store, Logger: quiet,
	}), wrap.Func(func(_ context.Context, s *socket.Socket) error {
		context.AfterFunc(wrap.Context(s), func() { once.Do(func() { close(gone) }) })
		return nil
	}))
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for range 4 {
		c.Emit("silent") // has no handler
	}
	putOut(t, c, "ban")
	siotest.Eventually(t, "the store knows of the ban", func() bool {
		v, err := memory.Take(t.Context(), "0:bip:127.0.0.1", ratelimit.Every(time.Hour), 0)
		return err == nil && v.ResetAfter > 0
	})
	refused(t, s.Dial(t, siotest.Dial{}), "rate_limited", "ban")
}

// TestBanAfterHandshake: a handshake from before a ban lets nobody in during the ban.
func TestBanAfterHandshake(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.PerHour(100), &ratelimit.Options{
		Events: ratelimit.PerHour(1), Penalty: ratelimit.Penalty{After: ratelimit.PerHour(1), Ban: time.Hour}, Logger: quiet,
	})
	s := serve(t, func(io *socket.Server) { wrap.UseAll(io, l.Middleware()) }, l.Handler)
	early, c := s.Dial(t, siotest.Dial{NoConnect: true}), s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for range 3 {
		c.Emit("echo")
	}
	putOut(t, c, "ban")
	early.Connect("/", nil)
	refused(t, early, "rate_limited", "ban")
	// The handshake is still paid for.
	if err := l.Pardon(t.Context(), "ip:127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	early.Connect("/", nil)
	early.Connected(t)
}

// TestBanElsewhere: nor does it on a node that has not learned of the ban: a
// client that saves handshakes for later could connect there in spite of it.
func TestBanElsewhere(t *testing.T) {
	t.Parallel()
	store := &shared{MemoryStore: ratelimit.NewMemoryStore(0)}
	node := func() *siotest.Server {
		l := newLimiter(t, ratelimit.PerHour(100), &ratelimit.Options{
			Events: ratelimit.PerHour(1), Penalty: ratelimit.Penalty{After: ratelimit.PerHour(1), Ban: time.Hour},
			Store: store, Logger: quiet,
		})
		return serve(t, func(io *socket.Server) { wrap.UseAll(io, l.Middleware()) }, l.Handler)
	}
	a, b := node(), node()
	early, kept := b.Dial(t, siotest.Dial{NoConnect: true}), time.After(1100*time.Millisecond)
	c := a.Dial(t, siotest.Dial{})
	c.Connected(t)
	for range 3 {
		c.Emit("echo")
	}
	putOut(t, c, "ban")
	<-kept
	early.Connect("/", nil)
	refused(t, early, "rate_limited", "ban")
}
