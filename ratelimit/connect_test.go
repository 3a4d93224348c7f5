package ratelimit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestConnect(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, d siotest.Dial) {
		l := newLimiter(t, ratelimit.PerMinute(2), nil)
		verdicts := make(chan ratelimit.Verdict, 10)
		s := serve(t, func(io *socket.Server) {
			io.Use(l.Middleware())
			_ = io.On("connection", func(args ...any) {
				v, ok := l.From(args[0].(*socket.Socket))
				if !ok {
					t.Error("no verdict")
				}
				verdicts <- v
			})
		})
		for left := int64(1); left >= 0; left-- {
			s.Dial(t, d).Connected(t)
			v := <-verdicts
			if !v.Allowed || v.Degraded || v.Policy != "connect" || v.Limit != 2 || v.Remaining != left ||
				v.RetryAfter != 0 || v.ResetAfter <= 0 || v.ResetAfter > time.Minute {
				t.Errorf("verdict %+v", v)
			}
		}
		data := refused(t, s.Dial(t, d), "rate_limited", "connect")
		ms, _ := data["retryAfterMs"].(float64)
		if data["message"] != "Too many requests" || data["retryable"] != true || ms <= 0 || ms > 30_000 {
			t.Errorf("refused with %v", data)
		}
		if len(data) != 5 {
			t.Errorf("the client was told more than it should be: %v", data)
		}
	})
}

func TestConnectEngineIO3(t *testing.T) {
	t.Parallel()
	s := limited(t, newLimiter(t, ratelimit.PerMinute(1), nil))
	for _, polling := range []bool{false, true} {
		c := s.Dial(t, siotest.Dial{EIO: 3, Polling: polling, From: map[bool]string{true: "127.0.0.2"}[polling]})
		c.Connected(t)
		c = s.Dial(t, siotest.Dial{EIO: 3, Polling: polling, From: map[bool]string{true: "127.0.0.2"}[polling]})
		refused(t, c, "rate_limited", "connect")
	}
}

// TestConnectComesBack: an honest client that waits for as long as it is told gets in.
func TestConnectComesBack(t *testing.T) {
	t.Parallel()
	s := limited(t, newLimiter(t, ratelimit.Every(300*time.Millisecond), nil))
	s.Dial(t, siotest.Dial{}).Connected(t)
	c := s.Dial(t, siotest.Dial{})
	data := refused(t, c, "rate_limited", "connect")
	<-time.After(time.Duration(data["retryAfterMs"].(float64)) * time.Millisecond)
	c.Connect("/", nil)
	c.Connected(t)
}

// TestConnectNamespaces: each CONNECT is an attempt, even to a namespace that another
// limit might forget.
func TestConnectNamespaces(t *testing.T) {
	t.Parallel()
	s := limited(t, newLimiter(t, ratelimit.PerMinute(3), nil))
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	c.Connect("/other", nil)
	c.Connected(t)
	// Coming and going on one connection is no way round it.
	other := s.IO.Of("/other", nil)
	for i := range 2 {
		c.Disconnect("/other")
		siotest.Eventually(t, "gone", func() bool { return other.Sockets().Len() == 0 })
		c.Connect("/other", nil)
		if i == 0 {
			c.Connected(t)
		}
	}
	refused(t, c, "rate_limited", "connect")
}

func TestConnectKeys(t *testing.T) {
	t.Parallel()
	user := func(s *socket.Socket) (string, bool) {
		auth, _ := s.Handshake().Auth.(object)
		name, ok := auth["user"].(string)
		return name, ok
	}
	as := func(name, from string) siotest.Dial {
		d := siotest.Dial{From: from}
		if name != "" {
			d.Auth = object{"user": name}
		}
		return d
	}
	t.Run("address", func(t *testing.T) {
		t.Parallel()
		s := limited(t, newLimiter(t, ratelimit.PerHour(1), nil))
		s.Dial(t, as("", "127.0.0.1")).Connected(t)
		s.Dial(t, as("", "127.0.0.2")).Connected(t)
		refused(t, s.Dial(t, as("", "127.0.0.2")), "rate_limited", "connect")
	})
	t.Run("user", func(t *testing.T) {
		t.Parallel()
		s := limited(t, newLimiter(t, ratelimit.PerHour(1), &ratelimit.Options{Key: ratelimit.ByUser(user)}))
		s.Dial(t, as("ada", "")).Connected(t)
		s.Dial(t, as("bob", "")).Connected(t)
		refused(t, s.Dial(t, as("ada", "127.0.0.2")), "rate_limited", "connect")
		s.Dial(t, as("", "")).Connected(t) // by address
		refused(t, s.Dial(t, as("", "")), "rate_limited", "connect")
		// A user cannot be called like an address.
		s.Dial(t, as("ip:127.0.0.1", "")).Connected(t)
	})
	t.Run("name", func(t *testing.T) {
		t.Parallel()
		store := ratelimit.NewMemoryStore(0)
		a := newLimiter(t, ratelimit.PerHour(1), &ratelimit.Options{Store: store, Name: "a"})
		b := newLimiter(t, ratelimit.PerHour(1), &ratelimit.Options{Store: store, Name: "b"})
		s := limited(t, a, b.Middleware()) // both are asked, and neither takes the other's tokens
		s.Dial(t, siotest.Dial{}).Connected(t)
		refused(t, s.Dial(t, siotest.Dial{}), "rate_limited", "connect")
	})
}

// TestConnectTwice: a limiter that is used twice counts once.
func TestConnectTwice(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.PerHour(2), &ratelimit.Options{Events: ratelimit.PerHour(2)})
	s := limited(t, l, l.Middleware())
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	s.Dial(t, siotest.Dial{}).Connected(t)
	for range 2 {
		if p := c.EmitAck(t, "echo"); p.Args()[0] != "ok" {
			t.Errorf("refused: %v", p)
		}
	}
}

// TestConnectUnlimited: events can be limited alone.
func TestConnectUnlimited(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.Unlimited(), nil)
	s := limited(t, l)
	for range 20 {
		s.Dial(t, siotest.Dial{}).Connected(t)
	}
}

// TestConnectStore: what happens to a socket when the store fails.
func TestConnectStore(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, c := range []struct {
		name   string
		outage ratelimit.Outage
		second string // the code of the second attempt of two where one is allowed
	}{
		{"insured", ratelimit.Insured, "rate_limited"},
		{"open", ratelimit.Open, ""},
		{"closed", ratelimit.Closed, "unavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLimiter(t, ratelimit.PerHour(1), &ratelimit.Options{
				Store: storeFunc(func(context.Context, string, ratelimit.Limit, int64) (ratelimit.Verdict, error) {
					return ratelimit.Verdict{}, broken
				}), Outage: c.outage, Logger: quiet,
			})
			verdicts := make(chan ratelimit.Verdict, 2)
			s := serve(t, func(io *socket.Server) {
				io.Use(l.Middleware())
				_ = io.On("connection", func(args ...any) {
					v, _ := l.From(args[0].(*socket.Socket))
					verdicts <- v
				})
			})
			if c.second != "unavailable" {
				s.Dial(t, siotest.Dial{}).Connected(t)
				if v := <-verdicts; !v.Allowed || !v.Degraded {
					t.Errorf("verdict %+v", v)
				}
			}
			client := s.Dial(t, siotest.Dial{})
			if c.second == "" {
				client.Connected(t)
				return
			}
			data, _ := client.ConnectError(t).Data.(object)["data"].(object)
			if data["code"] != c.second || data["retryable"] != true {
				t.Errorf("refused with %v", data)
			}
		})
	}
	t.Run("panic", func(t *testing.T) {
		t.Parallel()
		l := newLimiter(t, ratelimit.PerHour(1), &ratelimit.Options{
			Store: storeFunc(func(context.Context, string, ratelimit.Limit, int64) (ratelimit.Verdict, error) { panic("store") }),
		})
		s := limited(t, l)
		data, _ := s.Dial(t, siotest.Dial{}).ConnectError(t).Data.(object)["data"].(object)
		if data["code"] != "internal" {
			t.Errorf("refused with %v", data)
		}
	})
}

// TestConnectRefusedBehind: a socket that a later middleware refuses leaves nothing.
func TestConnectRefusedBehind(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.PerHour(100), &ratelimit.Options{Concurrent: 1, Events: ratelimit.PerHour(1)})
	var open bool
	s := limited(t, l, wrap.Func(func(_ context.Context, s *socket.Socket) error {
		if !open {
			return &wrap.Error{Code: "forbidden"}
		}
		return nil
	}))
	for range 3 {
		c := s.Dial(t, siotest.Dial{}) // its connection stays open
		c.ConnectError(t)
	}
	open = true
	s.Dial(t, siotest.Dial{}).Connected(t)
}

// TestRecovery: if the host was told to skip middlewares for recovered sockets, which
// would then have no limits, nobody gets in, except in a dry run.
func TestRecovery(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ skip, dry, refused bool }{{false, false, false}, {true, false, true}, {true, true, false}} {
		l := newLimiter(t, ratelimit.PerHour(1), &ratelimit.Options{DryRun: tt.dry, Logger: quiet})
		o := socket.DefaultServerOptions()
		r := &socket.ConnectionStateRecovery{}
		r.SetSkipMiddlewares(tt.skip)
		o.SetConnectionStateRecovery(r)
		o.SetAdapter(new(siotest.Recovery))
		s := siotest.Config{Options: wrap.Harden(o)}.NewServer(t, func(io *socket.Server) { io.Use(l.Middleware()) })
		c := s.Dial(t, siotest.Dial{})
		if tt.refused {
			if got, ok := c.ConnectError(t).Data.(object)["data"].(object); !ok || got["code"] != "internal" {
				t.Errorf("refused with %v", got)
			}
			continue
		}
		pid, _ := c.Connected(t).Data.(object)["pid"].(string)
		if pid == "" {
			t.Error("the server recovers nothing")
		}
	}
}
