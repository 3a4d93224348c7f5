package ratelimit_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
)

// putOut waits until a client is told why it is put out, and disconnected.
func putOut(t testing.TB, c *siotest.Client, policy string) object {
	t.Helper()
	data := checkRefusal(t, c.NextEvent(t, "kicked").Args()[0], "rate_limited", policy)
	for c.Next(t).Type != siotest.TypeDisconnect {
	}
	return data
}

func TestPenaltyDrop(t *testing.T) {
	t.Parallel()
	s := limited(t, newLimiter(t, ratelimit.PerHour(10), &ratelimit.Options{
		Events: ratelimit.PerHour(1), Penalty: ratelimit.Penalty{After: ratelimit.PerHour(2)},
	}))
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	say(t, c, "echo")
	for range 2 {
		checkRefusal(t, say(t, c, "echo"), "rate_limited", "events")
	}
	checkRefusal(t, say(t, c, "echo"), "rate_limited", "events")
	putOut(t, c, "events")
	// It is not banned, but one more is one too much.
	c.Connect("/", nil)
	c.Connected(t)
	c.Emit("echo")
	putOut(t, c, "events")
}

func TestPenaltyBan(t *testing.T) {
	t.Parallel()
	const ban = 400 * time.Millisecond
	l := newLimiter(t, ratelimit.PerHour(100), &ratelimit.Options{
		Events:  ratelimit.PerHour(1),
		Penalty: ratelimit.Penalty{After: ratelimit.PerHour(1), Ban: ban, MaxBan: 3 * ban},
		Logger:  quiet,
	})
	s := limited(t, l)
	// Its other sockets, also in other namespaces, go with their next event.
	other := s.Dial(t, siotest.Dial{})
	other.Connected(t)
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	say(t, c, "echo")
	say(t, c, "echo")
	var last time.Duration
	for i, want := range []time.Duration{ban, 2 * ban, 3 * ban} {
		begin := time.Now()
		c.Emit("echo")
		data := putOut(t, c, "ban")
		left := time.Duration(data["retryAfterMs"].(float64)) * time.Millisecond
		if left <= last || left > want+time.Millisecond {
			t.Errorf("ban %d lasts %v, want %v", i, left, want)
		}
		last = min(left, want-ban/2)
		if i == 0 {
			checkRefusal(t, say(t, other, "free"), "rate_limited", "ban")
			putOut(t, other, "ban")
		}
		if p := s.Dial(t, siotest.Dial{}).Next(t); p.Type == siotest.TypeConnectError {
			data = checkRefusal(t, p.Data.(object)["data"], "rate_limited", "ban")
			if ms, _ := data["retryAfterMs"].(float64); ms <= 0 || ms > float64(want/time.Millisecond) {
				t.Errorf("refused with %v", data)
			}
		} else if time.Since(begin) < left { // else all this took longer than the ban
			t.Errorf("let in, %v before the ban ends", left-time.Since(begin))
		}
		<-time.After(time.Until(begin.Add(left + ban/4)))
		c = s.Dial(t, siotest.Dial{})
		c.Connected(t)
	}
	// Nobody else is concerned.
	c = s.Dial(t, siotest.Dial{From: "127.0.0.2"})
	c.Connected(t)
	if got := say(t, c, "echo"); got != "ok" {
		t.Errorf("answered %v", got)
	}
}

// TestPenaltyConnect: attempts to connect are not counted, as an address may be that of
// a crowd.
func TestPenaltyConnect(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.PerHour(1), &ratelimit.Options{
		Events: ratelimit.PerHour(1), Penalty: ratelimit.Penalty{After: ratelimit.PerHour(1), Ban: time.Hour},
	})
	s := limited(t, l)
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for range 5 {
		refused(t, s.Dial(t, siotest.Dial{}), "rate_limited", "connect")
	}
	if in := knocks(l, 10); in != 1 {
		t.Errorf("%d requests let in, want 1", in)
	}
	say(t, c, "echo")
	checkRefusal(t, say(t, c, "echo"), "rate_limited", "events")
}

// TestPenaltyBytes: what is not an event can be too much as well.
func TestPenaltyBytes(t *testing.T) {
	t.Parallel()
	for _, bytes := range []int{1_000_000, 1000} {
		s := limited(t, newLimiter(t, ratelimit.PerHour(10), &ratelimit.Options{
			Bytes: ratelimit.PerHour(bytes), Penalty: ratelimit.Penalty{After: ratelimit.PerHour(5)},
		}))
		c := s.Dial(t, siotest.Dial{})
		c.Connected(t)
		for range 100 {
			c.Send(`43777["nobody has asked for this answer"]`)
		}
		if bytes > 1000 {
			if got := say(t, c, "echo"); got != "ok" {
				t.Errorf("answered %v", got)
			}
			continue
		}
		putOut(t, c, "bytes")
	}
}

// TestPardon: an operator can end a ban, on all nodes that share a store.
func TestPardon(t *testing.T) {
	t.Parallel()
	for _, store := range []ratelimit.Store{ratelimit.NewMemoryStore(0), &shared{MemoryStore: ratelimit.NewMemoryStore(0)}} {
		o := &ratelimit.Options{
			Store:   store,
			Events:  ratelimit.PerHour(1),
			Penalty: ratelimit.Penalty{After: ratelimit.PerHour(1), Ban: time.Hour},
			Logger:  quiet,
		}
		a, b := newLimiter(t, ratelimit.PerHour(100), o), newLimiter(t, ratelimit.PerHour(100), o)
		s := limited(t, a)
		c := s.Dial(t, siotest.Dial{})
		c.Connected(t)
		for range 2 {
			say(t, c, "echo")
		}
		c.Emit("echo")
		putOut(t, c, "ban")
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "127.0.0.1:4711"
		status := func(l *ratelimit.Limiter) int {
			w := httptest.NewRecorder()
			l.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
			return w.Code
		}
		if got := []int{status(a), status(b)}; got[0] != 429 || got[1] != 429 {
			t.Errorf("status %v of a banned address", got)
		}
		for _, l := range []*ratelimit.Limiter{a, b} { // each has learned of it
			if err := l.Pardon(t.Context(), "ip:127.0.0.1"); err != nil {
				t.Fatal(err)
			}
			if got := status(l); got != 404 {
				t.Errorf("status %d of one that was pardoned", got)
			}
		}
		c = s.Dial(t, siotest.Dial{})
		c.Connected(t)
		checkRefusal(t, say(t, c, "echo"), "rate_limited", "events") // it is not the first again
	}
}
