package e2e

import (
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// honest connects a client that recipe_limit.mjs manages. By itself it would retry, if at
// all, after 5 to 10 milliseconds.
func honest(t *testing.T, v variant, s *server) *client {
	t.Helper()
	return connect(t, v, s, func(sc *scenario) {
		staying(v)(sc)
		sc.Limits = true
		sc.Listen = []string{"kicked"}
	})
}

// crowd is how many clients start at one time, and refusedTogether how often they are
// refused at most if one of them gets in each time, and nobody retries too early.
const (
	crowd           = 5
	refusedTogether = crowd * (crowd - 1) / 2
)

// start opens the rest of a crowd.
func (c *client) start(t *testing.T) {
	t.Helper()
	for range crowd - 1 {
		c.do(t, action{Do: "open"})
	}
}

// TestLimitRecipeConnect: many clients behind one address get in one after the other.
func TestLimitRecipeConnect(t *testing.T) {
	const every = 300 * time.Millisecond
	eachOf(t, []int{4}, func(t *testing.T, v variant) {
		var n refusalCount
		s := serveLimited(t, newLimiter(t, ratelimit.Every(every), ratelimit.Options{Refused: n.count}), nil)
		begin := time.Now()
		c := honest(t, v, s)
		c.start(t)
		c.await(t, crowd, "connect", on("/"))
		if took := time.Since(begin); took < (crowd-1)*every {
			t.Errorf("all were in after %v", took)
		}
		got := n.connects.Load()
		t.Logf("%d refusals, all in after %v", got, time.Since(begin))
		if got > refusedTogether || len(c.all("refused")) != 0 {
			t.Errorf("%d refusals; %s", got, c.history())
		}
	})
}

// TestLimitRecipeHandshake: the same for refused handshakes, where they can be seen.
func TestLimitRecipeHandshake(t *testing.T) {
	const every = 300 * time.Millisecond
	eachOf(t, []int{4}, func(t *testing.T, v variant) {
		var n refusalCount
		l := newLimiter(t, ratelimit.Every(every), ratelimit.Options{Refused: n.count})
		s := serve(t, nil, func(io *socket.Server) {
			lobby(io)
			onConnection(io.Sockets(), echo)
		}, l.Handler)
		begin := time.Now()
		c := honest(t, v, s)
		c.start(t)
		c.await(t, crowd, "connect", on("/"))
		got := n.connects.Load()
		t.Logf("%d refusals, all in after %v", got, time.Since(begin))
		if v.polls() && got > refusedTogether || len(c.all("refused")) != 0 {
			t.Errorf("%d refusals; %s", got, c.history())
		}
	})
}

// TestLimitRecipeRetryAfter: something else in front of the server requests a pause,
// after which the client's own delay applies again.
func TestLimitRecipeRetryAfter(t *testing.T) {
	needNode(t)
	t.Parallel()
	v := variant{4, []string{"polling"}}
	var mu sync.Mutex
	var attempts []time.Time
	s := serve(t, nil, func(io *socket.Server) { onConnection(io.Sockets(), echo) }, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			attempts = append(attempts, time.Now())
			n := len(attempts)
			mu.Unlock()
			switch n {
			case 1:
				w.Header().Set("Retry-After", "1")
				http.Error(w, "busy", http.StatusServiceUnavailable)
			case 2:
				w.Header().Set("Retry-After", time.Now().Add(2*time.Second).UTC().Format(http.TimeFormat))
				http.Error(w, "busy", http.StatusServiceUnavailable)
			case 3:
				http.Error(w, "bad gateway", http.StatusBadGateway)
			default:
				next.ServeHTTP(w, r)
			}
		})
	})
	c := honest(t, v, s)
	c.await(t, 1, "connect", on("/"))
	mu.Lock()
	defer mu.Unlock()
	if len(attempts) != 4 {
		t.Fatalf("%d attempts; %s", len(attempts), c.history())
	}
	for i, least := range []time.Duration{time.Second, time.Second, 0} {
		if d := attempts[i+1].Sub(attempts[i]); d < least || d > least+5*time.Second || least == 0 && d > time.Second {
			t.Errorf("attempt %d came %v after the one before", i+2, d)
		}
	}
}

// TestLimitRecipeFinal: a client that is never let in stops, and the page is told why.
func TestLimitRecipeFinal(t *testing.T) {
	deny := ratelimit.Options{Deny: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	eachOf(t, []int{4}, func(t *testing.T, v variant) {
		l := newLimiter(t, ratelimit.PerHour(1), deny)
		servers := []*server{serveLimited(t, l, nil)}
		if v.polls() {
			servers = append(servers, serve(t, nil, nil, l.Handler))
		}
		for i, s := range servers {
			c := connect(t, v, s, func(sc *scenario) {
				if i == 0 {
					staying(v)(sc)
				}
				sc.Limits = true
			})
			if got := c.await(t, 1, "refused", on("/"))[0]; !reflect.DeepEqual(got.Data, any(told("forbidden"))) {
				t.Errorf("refused: %s", got.raw)
			}
			c.idle(t)
			if len(c.all("connect_error", on("/"))) != 1 || len(c.all("refused")) != 1 || len(c.all("reconnect_attempt")) != 0 {
				t.Errorf("it goes on; %s", c.history())
			}
		}
	})
}

// TestLimitRecipeRequest: events that exceed the limit still arrive, once, and in order.
func TestLimitRecipeRequest(t *testing.T) {
	const times = 12
	eachOf(t, []int{4}, func(t *testing.T, v variant) {
		var n refusalCount
		var mu sync.Mutex
		var handled []float64
		l := newLimiter(t, ratelimit.Unlimited(), ratelimit.Options{
			Events: ratelimit.Every(50 * time.Millisecond).Burst(3), Refused: n.count,
		})
		s := serveLimited(t, l, func(io *socket.Server) {
			onConnection(io.Sockets(), func(s *socket.Socket) {
				_ = s.On("echo", func(args ...any) {
					mu.Lock()
					defer mu.Unlock()
					handled = append(handled, args[0].(float64))
				})
			})
		})
		c := honest(t, v, s)
		c.do(t, action{Do: "request", Event: "echo", Times: times})
		answers := c.await(t, times, "answer")
		mu.Lock()
		defer mu.Unlock()
		if len(handled) != times || !slices.IsSorted(handled) || !inOrder(answers) {
			t.Errorf("handled %v; %s", handled, c.history())
		}
		// One at a time: none of them is refused twice.
		t.Logf("%d refusals", n.events.Load())
		if got := n.events.Load(); got > times || got == 0 || len(c.all("failed")) != 0 {
			t.Errorf("%d refusals; %s", got, c.history())
		}
	})
}

// TestLimitRecipeGivesUp: what can never succeed, what would take too long, and what is
// refused again and again, is not repeated for ever; other answers are not refusals.
func TestLimitRecipeGivesUp(t *testing.T) {
	needNode(t)
	t.Parallel()
	v := variant{4, []string{"websocket"}}
	var tries, huge atomic.Int32
	l := newLimiter(t, ratelimit.Unlimited(), ratelimit.Options{
		Events: ratelimit.PerHour(3),
		Cost: func(_ *socket.Socket, e *wrap.Event) int64 {
			switch e.Name {
			case "huge":
				huge.Add(1)
				return 4
			case "never":
				return 0
			}
			return 1
		},
	})
	s := serveLimited(t, l, func(io *socket.Server) {
		onConnection(io.Sockets(), func(s *socket.Socket) {
			_ = s.On("never", func(args ...any) {
				tries.Add(1)
				args[0].(socket.Ack)([]any{(&wrap.Error{Code: "rate_limited", RetryAfter: time.Millisecond}).ClientData()}, nil)
			})
		})
	})
	c := honest(t, v, s)
	fails := func(event, code string, retryable bool) {
		t.Helper()
		n := len(c.all("failed"))
		c.do(t, action{Do: "request", Event: event})
		got := c.await(t, n+1, "failed")[n]
		data, _ := got.Data.(object)
		if got.Event != event || data["code"] != code || data["retryable"] != retryable || got.Message != data["message"] {
			t.Errorf("failed: %s", got.raw)
		}
	}
	fails("huge", "rate_limited", false)
	fails("never", "rate_limited", true)
	for i, answer := range []any{object{"code": "B", "rooms": 3.0}, "x", nil} {
		c.do(t, action{Do: "request", Event: "echo", Args: []any{answer}})
		if got := c.await(t, i+1, "answer")[i]; !reflect.DeepEqual(got.Args, []any{answer}) {
			t.Errorf("answered %s", got.raw)
		}
	}
	fails("echo", "rate_limited", true) // 20 minutes
	if huge.Load() != 1 || tries.Load() != 8 {
		t.Errorf("%d and %d tries", huge.Load(), tries.Load())
	}
}

// TestLimitRecipeBan: a client that has been kicked comes back when it may, and not
// before; what it has requested meanwhile is answered then.
func TestLimitRecipeBan(t *testing.T) {
	const ban = 500 * time.Millisecond
	eachOf(t, []int{4}, func(t *testing.T, v variant) {
		var n refusalCount
		var mu sync.Mutex
		var joined []time.Time
		var out atomic.Int64
		l := newLimiter(t, ratelimit.Unlimited(), ratelimit.Options{
			Events:  ratelimit.PerSecond(4).Burst(2),
			Penalty: ratelimit.Penalty{After: ratelimit.PerHour(3), Ban: ban},
			Refused: n.count,
		})
		s := serveLimited(t, l, func(io *socket.Server) {
			onConnection(io.Sockets(), func(s *socket.Socket) {
				mu.Lock()
				joined = append(joined, time.Now())
				mu.Unlock()
				_ = s.On("disconnect", func(...any) { out.CompareAndSwap(0, time.Now().UnixNano()) })
			})
		})
		c := honest(t, v, s)
		c.await(t, 1, "connect", on("/"))
		c.settle()
		for policy := any(nil); policy != "ban"; {
			answer, _ := c.call(t, "echo", nil)[0].(object)
			policy = answer["policy"]
		}
		c.await(t, 1, "disconnect", on("/"))
		wantLimited(t, c.all("event", named("kicked"))[0].Args[0], "rate_limited", "ban", ban)
		c.do(t, action{Do: "request", Event: "echo", Args: []any{"back"}})
		if got := c.await(t, 1, "answer")[0]; !reflect.DeepEqual(got.Args, []any{"back"}) {
			t.Errorf("answered %s", got.raw)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(joined) != 2 {
			t.Fatalf("joined %d times; %s", len(joined), c.history())
		}
		away := joined[1].Sub(time.Unix(0, out.Load()))
		t.Logf("away for %v", away)
		if away < ban-50*time.Millisecond || n.bans.Load() != 0 || len(c.all("refused")) != 0 {
			t.Errorf("it came back after %v, and was refused %d times; %s", away, n.bans.Load(), c.history())
		}
	})
}

// TestLimitRecipeFlood: a client that sends so much at once that more is in transit when
// it is kicked may lose the connection instead, and still comes back when it may.
func TestLimitRecipeFlood(t *testing.T) {
	const ban = time.Second
	eachOf(t, []int{4}, func(t *testing.T, v variant) {
		skipTorn(t, v)
		var n refusalCount
		l := newLimiter(t, ratelimit.Unlimited(), ratelimit.Options{
			Events:  ratelimit.PerSecond(4).Burst(2),
			Penalty: ratelimit.Penalty{After: ratelimit.PerHour(3), Ban: ban},
			Refused: n.count,
		})
		s := serveLimited(t, l, nil)
		c := honest(t, v, s)
		c.await(t, 1, "connect", on("/"))
		c.settle()
		begin := time.Now()
		c.do(t, action{Do: "emit", Event: "search", Times: 20})
		c.await(t, 1, "disconnect", on("/"))
		c.do(t, action{Do: "request", Event: "echo", Args: []any{"back"}})
		if got := c.await(t, 1, "answer")[0]; !reflect.DeepEqual(got.Args, []any{"back"}) {
			t.Errorf("answered %s", got.raw)
		}
		if took := time.Since(begin); took < ban || n.bans.Load() > 1 || len(c.all("refused")) != 0 {
			t.Errorf("it came back after %v, and was refused %d times; %s", took, n.bans.Load(), c.history())
		}
	})
}

// TestLimitRecipeAuth: together with recipe_auth.mjs, which comes back by itself and
// lacks only the pause after a refused handshake.
func TestLimitRecipeAuth(t *testing.T) {
	needNode(t)
	t.Parallel()
	v := variant{4, []string{"polling"}}
	var n refusalCount
	l := newLimiter(t, ratelimit.Every(700*time.Millisecond), ratelimit.Options{Refused: n.count})
	s := serveAuth(t, newAuth(t, jwtOptions{}), func(io *socket.Server) { io.Use(l.Middleware()) }, l.Handler)
	i := issue(t, func(int, bool) any { return sign("ada", time.Hour) })
	c := connect(t, v, s, func(sc *scenario) {
		i.from(v)(sc)
		sc.Recipe, sc.Limits = true, true
	})
	c.do(t, action{Do: "open"})
	c.await(t, 2, "connect", on("/"))
	if got := n.connects.Load(); got == 0 || got > 3 || len(c.all("signed_out")) != 0 {
		t.Errorf("%d refusals; %s", got, c.history())
	}
}
