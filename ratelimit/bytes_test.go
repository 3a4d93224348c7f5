package ratelimit_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestBytes(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, d siotest.Dial) {
		l := newLimiter(t, ratelimit.PerMinute(10), &ratelimit.Options{Bytes: ratelimit.PerHour(100_000), Emit: true})
		s := limited(t, l)
		c := s.Dial(t, d)
		c.Connected(t)
		for range 2 { // the second one takes more than is left, and the rest is owed
			if got := say(t, c, "echo", strings.Repeat("x", 60_000)); got != "ok" {
				t.Errorf("answered %v", got)
			}
		}
		data := checkRefusal(t, say(t, c, "echo"), "rate_limited", "bytes")
		if ms, _ := data["retryAfterMs"].(float64); ms < 700_000 || ms > 800_000 || data["retryable"] != true {
			t.Errorf("refused with %v", data)
		}
		checkRefusal(t, c.NextEvent(t, "rate_limited").Args()[0], "rate_limited", "bytes")
		// What is binary is dropped whole, and what comes after it is read again.
		checkRefusal(t, say(t, c, "echo", []byte("a"), []byte("b")), "rate_limited", "bytes")
		if err := l.Update(ratelimit.PerMinute(10), nil); err != nil {
			t.Fatal(err)
		}
		for _, arg := range []any{"x", []byte("x")} {
			if got := say(t, c, "echo", arg); got != "ok" {
				t.Errorf("answered %v", got)
			}
		}
	})
}

// TestBytesBinary: attachments count, and are owed with their size.
func TestBytesBinary(t *testing.T) {
	t.Parallel()
	s := limited(t, newLimiter(t, ratelimit.PerMinute(10), &ratelimit.Options{Bytes: ratelimit.PerSecond(1000).Burst(10_000)}))
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	if got := say(t, c, "echo", make([]byte, 50_000), make([]byte, 50_000)); got != "ok" {
		t.Errorf("answered %v", got)
	}
	for range 3 {
		data := checkRefusal(t, say(t, c, "echo"), "rate_limited", "bytes")
		if ms, _ := data["retryAfterMs"].(float64); ms < 80_000 || ms > 95_000 {
			t.Errorf("refused with %v", data)
		}
	}
	// Other namespaces of the connection, and other connections of the key.
	c.Connect("/other", nil)
	c.Connected(t)
	c = s.Dial(t, siotest.Dial{Namespace: "/other"})
	c.Connected(t)
	checkRefusal(t, say(t, c, "echo"), "rate_limited", "bytes")
}

// TestBytesExact: a message within the limit is not refused for what comes after it.
func TestBytesExact(t *testing.T) {
	t.Parallel()
	s := limited(t, newLimiter(t, ratelimit.PerMinute(10), &ratelimit.Options{Bytes: ratelimit.PerHour(1000)}))
	c := s.Dial(t, siotest.Dial{Polling: true})
	c.Connected(t)
	c.Send(`421["echo","small"]` + "\x1e" + `422["echo","` + strings.Repeat("x", 2000) + `"]` + "\x1e" + `423["echo","late"]`)
	for range 3 {
		p := c.Next(t)
		_, refused := p.Args()[0].(object)
		if want := *p.ID == 3; refused != want {
			t.Errorf("event %d: %v", *p.ID, p.Args())
		}
	}
}

// TestBytesUpdate: the attachments of an event that was dropped are dropped as well,
// even if bytes are no longer limited when they come.
func TestBytesUpdate(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.PerMinute(10), &ratelimit.Options{Bytes: ratelimit.PerHour(100)})
	s := limited(t, l)
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for range 2 {
		c.Emit("echo", make([]byte, 100))
	}
	c.Send(`452-7["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
	checkRefusal(t, c.Next(t).Args()[0], "rate_limited", "bytes")
	if err := l.Update(ratelimit.PerMinute(10), nil); err != nil {
		t.Fatal(err)
	}
	c.SendBinary([]byte("a"))
	c.SendBinary([]byte("b"))
	if got := say(t, c, "echo"); got != "ok" {
		t.Errorf("answered %v", got)
	}
}

// TestBytesConnect: a CONNECT passes whatever is owed, since its client waits for an
// answer, but not forever.
func TestBytesConnect(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		penalty ratelimit.Penalty
		sizes   []int // up to the last one that is answered
		last    int
	}{
		"within debts":  {ratelimit.Penalty{}, []int{2000, 2000, 2000, 2000, 1, 1}, 9000},
		"beyond debts":  {ratelimit.Penalty{}, []int{9000}, 9000},
		"within burst":  {ratelimit.Penalty{After: ratelimit.PerHour(1)}, []int{1, 1, 1, 1, 1, 2000, 1}, 1},
		"too many owed": {ratelimit.Penalty{After: ratelimit.PerHour(2)}, []int{2000, 1, 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var told atomic.Int64
			s := limited(t, newLimiter(t, ratelimit.PerMinute(100), &ratelimit.Options{
				Bytes: ratelimit.PerHour(1000), Penalty: tt.penalty, Logger: quiet,
				Refused: func(r ratelimit.Refusal) { told.Add(1) },
			}))
			c := s.Dial(t, siotest.Dial{})
			c.Connected(t)
			connect := func(size int) { c.Connect("/nope", object{"pad": strings.Repeat("x", size)}) }
			for _, size := range tt.sizes {
				connect(size)
				c.ConnectError(t) // there is no such namespace
			}
			before := told.Load()
			connect(tt.last)
			putOut(t, c, "bytes")
			if n := told.Load(); n != before+1 {
				t.Errorf("told of %d refusals, then of %d", before, n)
			}
		})
	}
}

// TestBytesListenerHangs: a client that is disconnected for its bytes is told so in each of
// its namespaces, even if a listener of "disconnect" hangs.
func TestBytesListenerHangs(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	release := sync.OnceFunc(func() { close(hang) })
	t.Cleanup(release) // after a failure
	s := limited(t, newLimiter(t, ratelimit.PerMinute(100), &ratelimit.Options{
		Bytes: ratelimit.PerHour(1000), Penalty: ratelimit.Penalty{After: ratelimit.PerHour(1)}, Logger: quiet,
	}))
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	c.Connect("/other", nil)
	c.Connected(t)
	listening := 0
	for _, nsp := range []socket.Namespace{s.IO.Sockets(), s.IO.Of("/other", nil)} {
		nsp.Sockets().Range(func(_ socket.SocketId, so *socket.Socket) bool {
			_ = so.On("disconnect", func(...any) { <-hang })
			listening++
			return true
		})
	}
	if listening != 2 {
		t.Fatalf("%d sockets", listening)
	}
	for range 3 {
		c.Emit("echo", strings.Repeat("x", 2000))
	}
	for range 2 {
		if data, _ := c.NextEvent(t, "kicked").Args()[0].(object); data["policy"] != "bytes" && data["policy"] != "ban" {
			t.Errorf("kicked with %v", data)
		}
	}
	release()
}

// TestBytesStorePanics: a store that panics where the connection is read does not end the
// process, and the client has its answer. It sets the default logger, so that it is not
// parallel.
func TestBytesStorePanics(t *testing.T) {
	var log lockedBuffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	var panics atomic.Bool
	memory := ratelimit.NewMemoryStore(0)
	l := newLimiter(t, ratelimit.PerMinute(10), &ratelimit.Options{
		Bytes: ratelimit.PerHour(1000), Penalty: ratelimit.Penalty{After: ratelimit.PerHour(3)},
		Store: storeFunc(func(ctx context.Context, key string, l ratelimit.Limit, n int64) (ratelimit.Verdict, error) {
			if panics.Load() {
				panic("a store")
			}
			return memory.Take(ctx, key, l, n)
		}),
	})
	s := limited(t, l)
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	c.Emit("echo", strings.Repeat("x", 2000))
	panics.Store(true)
	checkRefusal(t, say(t, c, "echo"), "rate_limited", "bytes")
	if !strings.Contains(log.String(), "panic in the Store") {
		t.Errorf("the log has\n%.500s", log.String())
	}
}
