package e2e

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
)

// TestLimitHandshake: what Handler answers, and how much of it the clients pass on to the
// page. Without reconnection, or they would go on for ever.
func TestLimitHandshake(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		l := newLimiter(t, ratelimit.PerHour(1), ratelimit.Options{})
		s := serve(t, nil, lobby, l.Handler)
		s.Dial(t, siotest.Dial{}).Connected(t)
		c := connect(t, v, s, func(sc *scenario) {
			sc.Responses = true
			sc.Options["reconnection"] = false
		})
		err := c.await(t, 1, "connect_error")[0]
		message, description := "xhr poll error", any(429.0)
		if !v.polls() {
			message, description = "websocket error", "Unexpected server response: 429"
		}
		if err.Message != message || err.Description != description || err.Data != nil {
			t.Errorf("connect_error: %s", err.raw)
		}
		r := c.await(t, 1, "response")[0]
		if v.client == 4 && v.polls() {
			var data any
			if json.Unmarshal([]byte(err.Body), &data) != nil || err.Status != 429 || err.RetryAfter != r.Headers["retry-after"][0] {
				t.Errorf("err.context: %s", err.raw)
			}
			wantLimited(t, data, "rate_limited", "connect", time.Hour)
		}
		if r.Status != 429 {
			t.Errorf("response: %s", r.raw)
		}
		for name, want := range map[string]string{
			"retry-after":      `^3(5\d\d|600)$`,
			"ratelimit":        `^"connect";r=0;t=3(5\d\d|600)$`,
			"ratelimit-policy": `^"connect";q=1;w=3600$`,
			"content-type":     `^application/json$`,
			"cache-control":    `^no-store$`,
		} {
			if got := strings.Join(r.Headers[name], "; "); !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("%s: %q, want %s", name, got, want)
			}
		}
	})
}

// TestLimitHandshakeAllowed: admitted clients are told what is left, over both
// transports.
func TestLimitHandshakeAllowed(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		l := newLimiter(t, ratelimit.PerHour(5), ratelimit.Options{})
		s := serveLimited(t, l, nil, l.Handler)
		c := connect(t, v, s, func(sc *scenario) { sc.Responses = true })
		c.await(t, 1, "connect")
		c.call(t, "echo")
		if v.upgrades() {
			c.await(t, 1, "upgrade")
		}
		for i, r := range c.all("response") {
			got, want := strings.Join(r.Headers["ratelimit"], "; "), ""
			if i == 0 {
				want = `"connect";r=4;t=720`
			}
			if got != want {
				t.Errorf("response %d: RateLimit %q, want %q", i, got, want)
			}
		}
	})
}

// TestLimitHandshakeDenied: an address that is never admitted.
func TestLimitHandshakeDenied(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		l := newLimiter(t, ratelimit.PerHour(1), ratelimit.Options{Deny: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
		c := connect(t, v, serve(t, nil, lobby, l.Handler), func(sc *scenario) {
			sc.Responses = true
			sc.Options["reconnection"] = false
		})
		err := c.await(t, 1, "connect_error")[0]
		if v.client == 4 && v.polls() && (err.Status != 403 || err.Body != jsonOf(told("forbidden"))) {
			t.Errorf("err.context: %s", err.raw)
		}
		if r := c.await(t, 1, "response")[0]; r.Status != 403 || r.Headers["ratelimit"] != nil {
			t.Errorf("response: %s", r.raw)
		}
	})
}
