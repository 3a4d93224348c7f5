package ratelimit_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// handshakes is how many there may be from one address.
const handshakes = 50

// once panics the first time that it is asked about a key with the name of a place.
type once struct{ seen sync.Map }

func (o *once) panics(what, key string) {
	if !strings.HasSuffix(key, what) {
		return
	}
	if _, again := o.seen.LoadOrStore(what, true); !again {
		panic(what)
	}
}

// hostileStore panics for some keys.
type hostileStore struct {
	*ratelimit.MemoryStore
	once
}

func (s *hostileStore) Take(ctx context.Context, key string, l ratelimit.Limit, n int64) (ratelimit.Verdict, error) {
	s.panics("Take", key)
	return s.MemoryStore.Take(ctx, key, l, n)
}

func (s *hostileStore) Acquire(ctx context.Context, key string, max int64) (func(), ratelimit.Verdict, error) {
	s.panics("Acquire", key)
	release, v, err := s.MemoryStore.Acquire(ctx, key, max)
	if release == nil {
		return nil, v, err
	}
	return func() { release(); s.panics("release", key) }, v, err
}

// hostile serves, in a process of its own, a limiter all of whose application code
// panics, depending on the name of the user, or always.
func hostile(report func(url string)) {
	var key, again once
	user := func(s *socket.Socket) string {
		auth, _ := s.Handshake().Auth.(object)
		name, _ := auth["user"].(string)
		return name
	}
	l, err := ratelimit.New(ratelimit.PerHour(handshakes), &ratelimit.Options{
		Key: func(s *socket.Socket) (string, bool) {
			name := user(s)
			key.panics("Key", name)
			if s.Connected() { // its first event
				again.panics("Key later", name)
			}
			return name, name != ""
		},
		Concurrent: 1,
		Events:     ratelimit.PerHour(4),
		Bytes:      ratelimit.PerHour(1000),
		Cost:       func(_ *socket.Socket, e *wrap.Event) int64 { return int64(e.Args[0].(float64)) },
		Penalty:    ratelimit.Penalty{After: ratelimit.PerHour(4)},
		Refused:    func(ratelimit.Refusal) { panic("Refused") },
		Store:      &hostileStore{MemoryStore: ratelimit.NewMemoryStore(0)},
		Logger:     quiet,
	})
	if err != nil {
		panic(err)
	}
	report(siotest.Config{
		Options: wrap.Harden(nil),
		Handler: func(h http.Handler) http.Handler { return wrap.Handler(h, l.Handler) },
	}.Serve(func(io *socket.Server) {
		io.Use(l.Middleware())
		_ = io.On("connection", func(args ...any) {
			_ = args[0].(*socket.Socket).On("echo", func(args ...any) {
				args[len(args)-1].(socket.Ack)([]any{"ok"}, nil)
			})
		})
	}))
}

// internal expects that a CONNECT is refused for a fault of ours.
func internal(t *testing.T, c *siotest.Client) {
	t.Helper()
	data, _ := c.ConnectError(t).Data.(object)["data"].(object)
	if data["code"] != "internal" {
		t.Errorf("refused with %v", data)
	}
}

// TestHandlerStorePanics: a handshake is answered even if the store panics, or returns an
// error that does, and has not paid.
func TestHandlerStorePanics(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"panic": func() error { panic("secret cause") }, "nil error": siotest.NilError,
	} {
		fails := true
		l := newLimiter(t, ratelimit.PerHour(1), &ratelimit.Options{
			Store: storeFunc(func(context.Context, string, ratelimit.Limit, int64) (v ratelimit.Verdict, err error) {
				if fails {
					return v, fail()
				}
				return ratelimit.Verdict{Allowed: true}, nil
			}),
			Logger: quiet,
		})
		if got := knock(l); got != http.StatusInternalServerError {
			t.Errorf("%s: %d", name, got)
		}
		fails = false
		if got := knock(l); got != http.StatusOK {
			t.Errorf("%s: %d afterwards", name, got)
		}
	}
}

// TestHostilePanics: a panic in application code neither ends the process nor leaks
// what is held: each user may have one connection, and gets it afterwards.
func TestHostilePanics(t *testing.T) {
	t.Parallel()
	child := siotest.ChildProcess(t, "hostile")
	s := child.Server()
	as := func(user, from string) siotest.Dial {
		return siotest.Dial{Auth: object{"user": user}, From: from}
	}
	code := func(got any) any {
		data, _ := got.(object)
		return data["code"]
	}
	for _, c := range []struct {
		name, from string
		again      bool                                  // the first connection gets in when it tries again
		fails      func(t *testing.T, c *siotest.Client) // that one
	}{
		{"none", "127.0.1.1", false, func(t *testing.T, c *siotest.Client) {
			c.Connected(t)
			if got := say(t, c, "echo", 1); got != "ok" {
				t.Errorf("answered %v", got)
			}
		}},
		{"Key", "127.0.1.2", true, internal},
		{"Take", "127.0.1.3", true, internal},
		{"Acquire", "127.0.1.4", true, internal},
		{"release", "127.0.1.5", false, func(t *testing.T, c *siotest.Client) { c.Connected(t) }},
		{"Key later", "127.0.1.6", false, func(t *testing.T, c *siotest.Client) {
			c.Connected(t)
			if got := say(t, c, "echo", 1); code(got) != "internal" {
				t.Errorf("answered %v", got)
			}
		}},
		{"Cost", "127.0.1.7", false, func(t *testing.T, c *siotest.Client) {
			c.Connected(t)
			// What fails takes one each, and counts as refused in the end.
			for _, want := range []string{"internal", "internal", "internal", "internal", "rate_limited"} {
				if got := say(t, c, "echo", "dear"); code(got) != want {
					t.Errorf("answered %v, want %s", got, want)
				}
			}
		}},
		{"Refused, of an event", "127.0.1.8", false, func(t *testing.T, c *siotest.Client) {
			c.Connected(t)
			if got := say(t, c, "echo", 5); code(got) != "rate_limited" {
				t.Errorf("answered %v", got)
			}
		}},
		{"Refused, of bytes", "127.0.1.9", false, func(t *testing.T, c *siotest.Client) {
			c.Connected(t)
			for range 100 {
				c.Send(`43777["nobody has asked for this answer"]`)
			}
			putOut(t, c, "bytes")
		}},
		{"Refused, of a CONNECT", "127.0.1.10", false, func(t *testing.T, c *siotest.Client) {
			c.Connected(t)
			other := s.Dial(t, as("Refused, of a CONNECT", "127.0.1.11"))
			refused(t, other, "too_many_connections", "concurrent")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			first := s.Dial(t, as(c.name, c.from))
			c.fails(t, first)
			if c.again {
				first.Connect("/", object{"user": c.name})
				first.Connected(t)
			}
			first.Kill()
			// It has come to nothing, and the slot is free as soon as the host knows.
			next, err := s.Open(t, as(c.name, c.from))
			if err != nil {
				t.Fatalf("%v\n%s", err, child.Stderr())
			}
			siotest.Eventually(t, "another connection gets in", func() bool {
				next.Connect("/", object{"user": c.name})
				return next.Next(t).Type == siotest.TypeConnect
			})
		})
	}
	for i := range handshakes + 1 {
		_, err := s.Open(t, siotest.Dial{From: "127.0.1.20", NoConnect: true})
		var refusal *siotest.RefusedError
		switch {
		case i < handshakes && err != nil:
			t.Fatalf("handshake %d: %v", i, err)
		case i == handshakes && (!errors.As(err, &refusal) || refusal.Status != http.StatusTooManyRequests):
			t.Errorf("one handshake too many: %v", err)
		}
	}
	if !child.Alive() {
		t.Errorf("the process has ended:\n%s", child.Stderr())
	}
}
