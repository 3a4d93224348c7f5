package e2e

import (
	"log/slog"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func newLimiter(t *testing.T, connect ratelimit.Limit, o ratelimit.Options) *ratelimit.Limiter {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	l, err := ratelimit.New(connect, &o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serveLimited starts a server whose "/" is limited, and whose events "echo",
// "search" and "huge" are answered with their arguments.
func serveLimited(t *testing.T, l *ratelimit.Limiter, setup func(io *socket.Server), mws ...wrap.Middleware) *server {
	t.Helper()
	return serve(t, nil, func(io *socket.Server) {
		lobby(io)
		io.Use(l.Middleware())
		if setup != nil {
			setup(io)
		}
		onConnection(io.Sockets(), func(s *socket.Socket) {
			for _, event := range []string{"echo", "search", "huge"} {
				_ = s.On(event, func(args ...any) {
					if ack, ok := args[len(args)-1].(socket.Ack); ok {
						ack(args[:len(args)-1], nil)
					}
				})
			}
		})
	}, mws...)
}

// wantLimited checks the data of a refusal at this time, and returns the wait; 0 if there
// must be none, with most 0.
func wantLimited(t *testing.T, got any, code, policy string, most time.Duration) time.Duration {
	t.Helper()
	data, _ := got.(object)
	ms, told := data["retryAfterMs"].(float64)
	want := (&wrap.Error{Code: code, Data: object{"policy": policy}}).ClientData()
	if told {
		want["retryAfterMs"] = ms
	}
	if !reflect.DeepEqual(data, want) || told != (most > 0) || ms < 0 || ms > float64(most/time.Millisecond) {
		t.Errorf("refused with %v, want %v, and to come back within %v", got, want, most)
	}
	return time.Duration(ms) * time.Millisecond
}

// again makes a refused client connect once more.
func again(t *testing.T, v variant, c *client) {
	t.Helper()
	if v.upgrades() {
		c.await(t, 1, "upgrade")
	}
	if v.client == 2 {
		c.do(t, action{Do: "disconnect"}) // otherwise it would keep its connection, and send nothing
	}
	c.do(t, action{Do: "connect"})
}

// TestLimitConnect: a refused CONNECT says when to come back. The client leaves that to
// the page.
func TestLimitConnect(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		l := newLimiter(t, ratelimit.PerHour(1), ratelimit.Options{})
		s := serveLimited(t, l, nil)
		s.Dial(t, siotest.Dial{}).Connected(t)
		c := connect(t, v, s, staying(v))
		err := c.await(t, 1, v.refusal(), on("/"))[0]
		if wantLimited(t, err.Data, "rate_limited", "connect", time.Hour) < 50*time.Minute {
			t.Errorf("%s: %s", err.Type, err.raw)
		}
		if v.client == 4 && (err.Message != "Too many requests" || err.Active == nil || *err.Active) {
			t.Errorf("connect_error: %s", err.raw)
		}
		wantNoRetry(t, v, c)
		if err := l.Update(ratelimit.Unlimited(), nil); err != nil {
			t.Fatal(err)
		}
		again(t, v, c)
		c.await(t, 1, "connect", on("/"))
		c.call(t, "echo")
	})
}

// TestLimitConcurrent: nobody knows when a slot will be free.
func TestLimitConcurrent(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		s := serveLimited(t, newLimiter(t, ratelimit.Unlimited(), ratelimit.Options{Concurrent: 1}), nil)
		first := s.Dial(t, siotest.Dial{})
		first.Connected(t)
		c := connect(t, v, s, staying(v))
		wantLimited(t, c.await(t, 1, v.refusal(), on("/"))[0].Data, "too_many_connections", "concurrent", 0)
		wantNoRetry(t, v, c)
		first.Close()
		siotest.Eventually(t, "the first has gone", func() bool { return s.IO.Sockets().Sockets().Len() == 0 })
		again(t, v, c)
		c.await(t, 1, "connect", on("/"))
	})
}

// TestLimitEvents: a refused event is answered, and reported by an event; it does not
// reach its handler, and the socket stays.
func TestLimitEvents(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		var handled atomic.Int32
		l := newLimiter(t, ratelimit.Unlimited(), ratelimit.Options{
			Events: ratelimit.PerHour(3),
			Event:  map[string]ratelimit.Limit{"search": ratelimit.PerHour(1)},
			Cost: func(_ *socket.Socket, e *wrap.Event) int64 {
				if e.Name == "huge" {
					return 4
				}
				return 1
			},
			Emit: true,
		})
		s := serveLimited(t, l, func(io *socket.Server) {
			onConnection(io.Sockets(), func(s *socket.Socket) {
				for _, event := range []string{"echo", "search", "huge"} {
					_ = s.On(event, func(...any) { handled.Add(1) })
				}
			})
		})
		c := connect(t, v, s, func(sc *scenario) { sc.Listen = []string{"rate_limited"} })
		refused := func(event, policy string) object {
			t.Helper()
			args := c.call(t, event, "x")
			if len(args) != 1 {
				t.Fatalf("%s: %v", event, args)
			}
			if event != "huge" {
				wantLimited(t, args[0], "rate_limited", policy, time.Hour)
			}
			data, _ := args[0].(object)
			return data
		}
		accepted := func(event string) {
			t.Helper()
			if got := c.call(t, event, "x"); !reflect.DeepEqual(got, []any{"x"}) {
				t.Errorf("%s: %v", event, got)
			}
		}
		accepted("search")
		first := refused("search", "event:search")
		want := told("rate_limited")
		want["policy"], want["retryable"] = "events", false
		if got := refused("huge", "events"); !reflect.DeepEqual(got, want) {
			t.Errorf("what is never allowed: %v, want %v", got, want)
		}
		accepted("echo")
		accepted("echo")
		refused("echo", "events")
		if n := handled.Load(); n != 3 || len(c.all("disconnect")) != 0 {
			t.Errorf("handled %d times; %s", n, c.history())
		}
		// The first refusal is reported, and those within the following second are not.
		told := c.await(t, 1, "event", named("rate_limited"))[0].Args[0].(object)
		first["event"] = "search"
		if !reflect.DeepEqual(told, first) {
			t.Errorf("rate_limited: %v, want %v", told, first)
		}
	})
}

// TestLimitBan: what a client that goes on is told, that it stays away by itself, and
// that it is let in after the ban.
func TestLimitBan(t *testing.T) {
	const ban = 5 * time.Second
	each(t, func(t *testing.T, v variant) {
		l := newLimiter(t, ratelimit.Unlimited(), ratelimit.Options{
			Events:  ratelimit.PerHour(1),
			Penalty: ratelimit.Penalty{After: ratelimit.PerHour(1), Ban: ban},
		})
		s := serveLimited(t, l, nil)
		c := connect(t, v, s, func(sc *scenario) {
			staying(v)(sc)
			sc.Listen = []string{"kicked"}
		})
		c.await(t, 1, "connect", on("/"))
		c.settle()
		c.call(t, "echo")
		wantLimited(t, c.call(t, "echo")[0], "rate_limited", "events", time.Hour)
		wantLimited(t, c.call(t, "echo")[0], "rate_limited", "ban", ban)

		gone := c.await(t, 1, "disconnect", on("/"))[0]
		if gone.Reason != "io server disconnect" || gone.Connected {
			t.Errorf("disconnected by %s", gone.raw)
		}
		kicked := c.all("event", named("kicked"))
		if len(kicked) != 1 || len(kicked[0].Args) != 1 {
			t.Fatalf("kicked: %v; %s", kicked, c.history())
		}
		wantLimited(t, kicked[0].Args[0], "rate_limited", "ban", ban)
		c.idle(t)
		if len(c.all("reconnect_attempt")) != 0 || len(c.all("connect", on("/"))) != 1 || len(c.all(v.refusal())) != 0 {
			t.Errorf("the client came back; %s", c.history())
		}

		c.do(t, action{Do: "connect"})
		left := wantLimited(t, c.await(t, 1, v.refusal(), on("/"))[0].Data, "rate_limited", "ban", ban)
		c.do(t, action{Do: "pause", MS: int(left/time.Millisecond) + 1})
		c.await(t, 2, "paused")
		if v.client == 2 {
			c.do(t, action{Do: "disconnect"})
		}
		c.do(t, action{Do: "connect"})
		c.await(t, 2, "connect", on("/"))
	})
}

// refusalCount counts the calls of Options.Refused.
type refusalCount struct {
	connects, events, bans atomic.Int32 // bans: of attempts to connect
}

func (n *refusalCount) count(r ratelimit.Refusal) {
	switch {
	case r.Event != "":
		n.events.Add(1)
	case r.Verdict.Policy == "ban":
		n.bans.Add(1)
	default:
		n.connects.Add(1)
	}
}

// inOrder reports whether the answers to requests came in the order of those.
func inOrder(answers []record) bool {
	return slices.IsSortedFunc(answers, func(a, b record) int { return a.Index - b.Index })
}
