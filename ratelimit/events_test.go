package ratelimit_test

import (
	"bytes"
	"iter"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// say sends an event, and returns what the ack was given.
func say(t testing.TB, c *siotest.Client, event string, args ...any) any {
	t.Helper()
	got := c.EmitAck(t, event, args...).Args()
	if len(got) != 1 {
		t.Fatalf("ack of %v", got)
	}
	return got[0]
}

func TestEvents(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, d siotest.Dial) {
		s := limited(t, newLimiter(t, ratelimit.PerMinute(10), &ratelimit.Options{Events: ratelimit.PerMinute(2)}))
		c := s.Dial(t, d)
		c.Connected(t)
		for range 2 {
			if got := say(t, c, "echo"); got != "ok" {
				t.Errorf("answered %v", got)
			}
		}
		data := checkRefusal(t, say(t, c, "echo"), "rate_limited", "events")
		if ms, _ := data["retryAfterMs"].(float64); ms <= 0 || ms > 30_000 || data["retryable"] != true || len(data) != 5 {
			t.Errorf("refused with %v", data)
		}
		// Another connection of the same client is no way round it.
		c = s.Dial(t, d)
		c.Connected(t)
		checkRefusal(t, say(t, c, "echo"), "rate_limited", "events")
		d.From = "127.0.0.2"
		c = s.Dial(t, d)
		c.Connected(t)
		if got := say(t, c, "echo"); got != "ok" {
			t.Errorf("answered %v", got)
		}
	})
}

func TestEventsByName(t *testing.T) {
	t.Parallel()
	s := limited(t, newLimiter(t, ratelimit.PerMinute(10), &ratelimit.Options{
		Events: ratelimit.PerHour(3),
		Event:  map[string]ratelimit.Limit{"search": ratelimit.PerHour(1)},
	}))
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	if got := say(t, c, "search"); got != "ok" {
		t.Errorf("answered %v", got)
	}
	for range 5 {
		checkRefusal(t, say(t, c, "search"), "rate_limited", "event:search")
	}
	// Those that were refused have not taken anything of the whole.
	for range 2 {
		if got := say(t, c, "echo"); got != "ok" {
			t.Errorf("answered %v", got)
		}
	}
	checkRefusal(t, say(t, c, "echo"), "rate_limited", "events")
}

func TestEventsCost(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer // written to for one event at a time
	s := limited(t, newLimiter(t, ratelimit.PerMinute(10), &ratelimit.Options{
		Events: ratelimit.PerHour(12),
		Cost: func(_ *socket.Socket, e *wrap.Event) int64 {
			n, ok := e.Args[0].(float64)
			if !ok {
				panic("no cost")
			}
			return int64(n)
		},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}))
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for _, step := range []struct {
		name string
		arg  any
		want string // the code, or "" for what is allowed
	}{
		{"more than the burst", 13, "rate_limited"},
		{"negative", -5, "internal"},
		{"a panic", "x", "internal"},
		{"all", 10, ""},
		{"free", 0, ""},
		{"one more", 1, "rate_limited"},
		{"negative gives nothing back", -10, "rate_limited"},
		{"one more", 1, "rate_limited"},
		{"more than the burst", 1000, "rate_limited"},
	} {
		got := say(t, c, "echo", step.arg)
		data, refused := got.(object)
		if !refused && step.want == "" {
			continue
		}
		if data["code"] != step.want {
			t.Fatalf("%s: answered %v", step.name, got)
		}
		_, again := data["retryAfterMs"]
		if never := step.name == "more than the burst"; step.want == "rate_limited" && (again == never || data["retryable"] == never) {
			t.Errorf("%s: %v", step.name, data)
		}
	}
	if text := log.String(); !strings.Contains(text, "panic in Options.Cost") || !strings.Contains(text, "TestEventsCost") {
		t.Errorf("the log has %s", text)
	}
}

// TestEventsEmit: a client that did not ask for an ack is told too, but not every time.
func TestEventsEmit(t *testing.T) {
	t.Parallel()
	s := limited(t, newLimiter(t, ratelimit.PerMinute(10), &ratelimit.Options{Events: ratelimit.PerHour(1), Emit: true}))
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	say(t, c, "echo")
	long := strings.Repeat("x", 1<<19)
	begin := time.Now()
	c.Emit(long)
	data := checkRefusal(t, c.NextEvent(t, "rate_limited").Args()[0], "rate_limited", "events")
	if name, _ := data["event"].(string); name != long[:100] || data["retryAfterMs"] == nil {
		t.Errorf("told %.200v", data)
	}
	for range 100 {
		c.Emit("echo")
	}
	told := 0
	for p := range packetsUntilAck(t, c, "echo") {
		if p.Event() == "rate_limited" {
			told++
		}
	}
	if most := int(time.Since(begin) / time.Second); told > most {
		t.Errorf("told %d times more in %v", told, time.Since(begin))
	}
}

// packetsUntilAck are the packets that come before the answer to an event.
func packetsUntilAck(t testing.TB, c *siotest.Client, event string) iter.Seq[siotest.Packet] {
	c.Send(`42999["` + event + `"]`)
	return func(yield func(siotest.Packet) bool) {
		for {
			p := c.Next(t)
			if p.Type == siotest.TypeAck || !yield(p) {
				return
			}
		}
	}
}

func TestEventsHandlers(t *testing.T) {
	t.Parallel()
	var handled, failed, told atomic.Int32
	l := newLimiter(t, ratelimit.PerMinute(10), &ratelimit.Options{
		Events: ratelimit.PerHour(5),
		Refused: func(r ratelimit.Refusal) {
			told.Add(1)
			if r.Event != "echo" || r.Key != "ip:127.0.0.1" || r.Socket == nil || r.Verdict.Policy != "events" || r.DryRun {
				t.Errorf("told %+v", r)
			}
		},
	})
	s := serve(t, func(io *socket.Server) {
		io.Use(l.Middleware())
		_ = io.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("error", func(...any) { failed.Add(1) })
			_ = s.On("echo", func(...any) { handled.Add(1) })
			_ = s.On("done", func(args ...any) { args[0].(socket.Ack)([]any{}, nil) })
		})
	})
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for range 100 {
		c.Emit("echo")
	}
	siotest.Eventually(t, "all dealt with", func() bool { return handled.Load() == 5 && failed.Load() == 95 })
	if told.Load() != 95 {
		t.Errorf("told of %d refusals", told.Load())
	}
}

// TestEventsUser: a user who is known only behind the limiter counts for events.
func TestEventsUser(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.PerMinute(10), &ratelimit.Options{
		Events: ratelimit.PerHour(1),
		Key: ratelimit.ByUser(func(s *socket.Socket) (string, bool) {
			name, ok := s.Data().(string)
			return name, ok
		}),
	})
	s := limited(t, l, func(s *socket.Socket, next func(*socket.ExtendedError)) {
		s.SetData(s.Handshake().Auth.(object)["user"])
		next(nil)
	})
	for user, from := range map[string]string{"ada": "127.0.0.1", "bob": "127.0.0.1"} {
		c := s.Dial(t, siotest.Dial{From: from, Auth: object{"user": user}})
		c.Connected(t)
		if got := say(t, c, "echo"); got != "ok" {
			t.Errorf("%s: answered %v", user, got)
		}
	}
	c := s.Dial(t, siotest.Dial{From: "127.0.0.2", Auth: object{"user": "ada"}})
	c.Connected(t)
	checkRefusal(t, say(t, c, "echo"), "rate_limited", "events")
}

func TestDryRun(t *testing.T) {
	t.Parallel()
	var told atomic.Int32
	l := newLimiter(t, ratelimit.PerHour(1), &ratelimit.Options{
		Events: ratelimit.PerHour(1), Event: map[string]ratelimit.Limit{"search": ratelimit.PerHour(1)},
		Concurrent: 1, Bytes: ratelimit.PerHour(10), DryRun: true,
		Penalty: ratelimit.Penalty{After: ratelimit.PerHour(1), Ban: time.Hour},
		Refused: func(r ratelimit.Refusal) {
			if !r.DryRun || r.Verdict.Allowed {
				t.Errorf("told %+v", r)
			}
			told.Add(1)
		},
	})
	s := limited(t, l)
	for range 4 {
		c := s.Dial(t, siotest.Dial{})
		c.Connected(t)
		for _, event := range []string{"echo", "search", "echo", "search"} {
			if got := say(t, c, event, "0123456789"); got != "ok" {
				t.Errorf("answered %v", got)
			}
		}
	}
	if told.Load() < 10 {
		t.Errorf("told of %d refusals", told.Load())
	}
}

// TestUpdate: limits change for sockets that are there already.
func TestUpdate(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.PerHour(10), nil)
	s := limited(t, l)
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for range 5 {
		say(t, c, "echo")
	}
	if err := l.Update(ratelimit.PerHour(10), &ratelimit.Options{Events: ratelimit.PerHour(2)}); err != nil {
		t.Fatal(err)
	}
	say(t, c, "echo")
	say(t, c, "echo")
	checkRefusal(t, say(t, c, "echo"), "rate_limited", "events")
	if err := l.Update(ratelimit.PerHour(0), &ratelimit.Options{Concurrent: -1}); err == nil {
		t.Fatal("bad limits are taken")
	}
	checkRefusal(t, say(t, c, "echo"), "rate_limited", "events")
	if err := l.Update(ratelimit.PerHour(1), nil); err != nil {
		t.Fatal(err)
	}
	if got := say(t, c, "echo"); got != "ok" {
		t.Errorf("answered %v", got)
	}
	// What was used of the old limit stays used: at ten an hour, with one used, it
	// is 6 minutes from full, and at one an hour that takes an hour.
	s.Dial(t, siotest.Dial{From: "127.0.0.2"}).Connected(t)
	refused(t, s.Dial(t, siotest.Dial{From: "127.0.0.2"}), "rate_limited", "connect")
}
