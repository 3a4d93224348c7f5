package ratelimit_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestCause: what a log has of a refused client says which limit it was.
func TestCause(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]*ratelimit.Options{
		"too many attempts to connect": nil, "too many concurrent connections": {Concurrent: 1},
	} {
		limit := ratelimit.PerHour(1)
		if o != nil {
			limit = ratelimit.PerHour(10)
		}
		l, causes := newLimiter(t, limit, o), make(chan error, 2)
		s := serve(t, func(io *socket.Server) {
			wrap.UseAll(io, wrap.Func(func(_ context.Context, s *socket.Socket) error {
				life := wrap.Context(s)
				context.AfterFunc(life, func() { causes <- context.Cause(life) })
				return nil
			}), l.Middleware())
		})
		s.Dial(t, siotest.Dial{}).Connected(t)
		s.Dial(t, siotest.Dial{}).ConnectError(t)
		if err := <-causes; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestHandler(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, d siotest.Dial) {
		l := newLimiter(t, ratelimit.PerMinute(2), nil)
		s := serve(t, func(*socket.Server) {}, l.Handler)
		for left := 1; left >= 0; left-- {
			c := s.Dial(t, d)
			c.Connected(t)
			h := c.Handshake.Header
			if got := h.Get("RateLimit-Policy"); got != `"connect";q=2;w=60` {
				t.Errorf("RateLimit-Policy %q", got)
			}
			if got, want := h.Get("RateLimit"), `"connect";r=`+strconv.Itoa(left)+";t="; len(got) != len(want)+2 || got[:len(want)] != want {
				t.Errorf("RateLimit %q, want %q and seconds", got, want)
			}
		}
		_, res, err := s.Handshake(t.Context(), d)
		if err == nil || res == nil {
			t.Fatalf("not refused: %v, %v", res, err)
		}
		if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("RateLimit") != `"connect";r=0;t=60` {
			t.Errorf("status %d, headers %v", res.StatusCode, res.Header)
		}
		if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err != nil || s < 1 || s > 30 {
			t.Errorf("Retry-After %q", res.Header.Get("Retry-After"))
		}
		var data object
		if err := json.NewDecoder(res.Body).Decode(&data); err != nil {
			t.Fatal(err)
		}
		checkRefusal(t, data, "rate_limited", "connect")
	})
}

// TestHandlerAlone: Handler counts requests anywhere, separately from CONNECTs.
func TestHandlerAlone(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.PerMinute(2), nil)
	s := serve(t, func(io *socket.Server) { io.Use(l.Middleware()) }, l.Handler)
	for range 2 {
		s.Dial(t, siotest.Dial{}).Connected(t)
	}
	h := l.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	get := func(addr string) *http.Response {
		r := httptest.NewRequest(http.MethodGet, "/page", nil)
		r.RemoteAddr = addr
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	if res := get("127.0.0.1:4000"); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("status %d", res.StatusCode)
	}
	if res := get("192.0.2.1:4000"); res.StatusCode != http.StatusOK {
		t.Errorf("status %d", res.StatusCode)
	}
	// One customer has all addresses of a /64, and IPv4 written as IPv6 is IPv4.
	for _, addr := range []string{"[2001:db8::1]:1", "[2001:db8::ffff:1]:2"} {
		if res := get(addr); res.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", addr, res.StatusCode)
		}
	}
	for addr, want := range map[string]int{
		"[2001:db8::2]:1":         http.StatusTooManyRequests,
		"[2001:db8:0:1::2]:1":     http.StatusOK,
		"[::ffff:203.0.113.7]:1":  http.StatusOK,
		"[::ffff:127.0.0.1]:1":    http.StatusTooManyRequests,
		"[2001:db8::2%eth0]:1":    http.StatusTooManyRequests,
		"127.0.0.1":               http.StatusTooManyRequests,
		"@":                       http.StatusOK,
		"[fe80::1%25eth0]:80:bad": http.StatusOK,
	} {
		if res := get(addr); res.StatusCode != want {
			t.Errorf("%s: status %d, want %d", addr, res.StatusCode, want)
		}
	}
	// Those were two of an address that cannot be told.
	if res := get("nonsense"); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestHandlerProxy(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.PerHour(1), &ratelimit.Options{
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	})
	h := l.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, c := range []struct {
		name, peer, forwarded string
		status                int
	}{
		{"through the proxy", "10.0.0.1:1", "192.0.2.1", 200},
		{"again", "10.0.0.2:1", "192.0.2.1", 429},
		{"with a made up hop", "10.0.0.2:1", "8.8.8.8, 192.0.2.1", 429},
		{"past the proxy", "192.0.2.1:5", "198.51.100.1", 429},
		{"another client", "10.0.0.2:1", "192.0.2.1, 192.0.2.2, 10.0.0.9", 200},
		{"another client, past it", "192.0.2.3:5", "192.0.2.99", 200},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.peer
		r.Header.Set("X-Forwarded-For", c.forwarded)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d", c.name, w.Code, c.status)
		}
	}
}

func TestHandlerLists(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.PerHour(1), &ratelimit.Options{
		Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
		Deny:  []netip.Prefix{netip.MustParsePrefix("192.0.2.66/32"), netip.MustParsePrefix("2001:db8::/32")},
	})
	h := l.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for range 3 {
		for addr, want := range map[string]int{
			"192.0.2.1:1": 200, "[::ffff:192.0.2.1]:1": 200, "192.0.2.66:1": 403, "[2001:db8::7]:1": 403,
		} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = addr
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s: status %d, want %d", addr, w.Code, want)
			}
			if w.Header().Get("RateLimit") != "" {
				t.Errorf("%s: told of a limit that it does not have", addr)
			}
		}
	}
}

func TestHandlerStore(t *testing.T) {
	t.Parallel()
	for outage, want := range map[ratelimit.Outage][2]int{
		ratelimit.Insured: {200, 429}, ratelimit.Open: {200, 200}, ratelimit.Closed: {503, 503},
	} {
		for _, dry := range []bool{false, true} {
			l := newLimiter(t, ratelimit.PerHour(1), &ratelimit.Options{
				Store: storeFunc(func(context.Context, string, ratelimit.Limit, int64) (ratelimit.Verdict, error) {
					return ratelimit.Verdict{}, errors.New("away")
				}), Outage: outage, DryRun: dry, Logger: quiet,
			})
			h := l.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			for i, want := range want {
				if dry {
					want = 200
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
				if w.Code != want {
					t.Errorf("outage %d, dry %v, attempt %d: status %d, want %d", outage, dry, i, w.Code, want)
				}
			}
		}
	}
}

// TestHandlerComesBack: a client that waits exactly as long as the refusal of its
// handshake has said gets in, even if both count and the network was slow before.
func TestHandlerComesBack(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.Every(600*time.Millisecond), nil)
	s := serve(t, func(io *socket.Server) { io.Use(l.Middleware()) }, l.Handler)
	c := s.Dial(t, siotest.Dial{NoConnect: true})
	<-time.After(200 * time.Millisecond)
	c.Connect("/", nil)
	c.Connected(t)
	_, err := s.Open(t, siotest.Dial{NoConnect: true})
	var refusal *siotest.RefusedError
	if !errors.As(err, &refusal) {
		t.Fatalf("not refused: %v", err)
	}
	var data object
	if err := json.Unmarshal([]byte(refusal.Body), &data); err != nil {
		t.Fatal(err)
	}
	ms, _ := checkRefusal(t, data, "rate_limited", "connect")["retryAfterMs"].(float64)
	<-time.After(time.Duration(ms) * time.Millisecond)
	s.Dial(t, siotest.Dial{}).Connected(t)
}

// TestHandlerDryRun: a handshake that would be refused is reported once, and its CONNECT
// takes nothing.
func TestHandlerDryRun(t *testing.T) {
	t.Parallel()
	var told atomic.Int64
	l := newLimiter(t, ratelimit.PerHour(1), &ratelimit.Options{
		DryRun: true, Refused: func(ratelimit.Refusal) { told.Add(1) }, Logger: quiet,
	})
	s := serve(t, func(io *socket.Server) { wrap.UseAll(io, l.Middleware()) }, l.Handler)
	const clients = 4
	var c *siotest.Client
	for range clients {
		c = s.Dial(t, siotest.Dial{})
		c.Connected(t)
	}
	if n := told.Load(); n != clients-1 {
		t.Errorf("told of %d refusals, want %d", n, clients-1)
	}
	// The next CONNECT has the bucket of its own kind to itself.
	for want := int64(clients - 1); want <= clients; want++ {
		c.Leave(t, "/")
		c.Connect("/", nil)
		c.Connected(t)
		if n := told.Load(); n != want {
			t.Errorf("told of %d refusals, want %d", n, want)
		}
	}
}
