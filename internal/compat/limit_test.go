package compat_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/httprate"
	"github.com/sioware/sioware/internal/siotest"
)

func TestLimits(t *testing.T) {
	run(t, []row{
		// Not Every: each poll would count. See httprate/every.
		{name: "httprate", at: handshake | namespace, test: func(t *testing.T, e env) {
			s := e.serve(t, httprate.LimitByIP(2, time.Hour))
			v := s.admit(t, nil) // counts once, with its polls and its upgrade
			if e.heard() {
				equal(t, v.header, "X-Ratelimit-Limit", "2")
				equal(t, v.header, "X-Ratelimit-Remaining", "1")
			}
			s.admit(t, nil)
			got := s.refuse(t, nil)
			got.want(t, http.StatusTooManyRequests, "Too Many Requests")
			if got.retry != time.Hour {
				t.Errorf("retry after %v", got.retry)
			}
		}},
		{name: "httprate/every", at: every | around, refuses: true, test: func(t *testing.T, e env) {
			s := e.serve(t, httprate.LimitByIP(2, time.Hour))
			resp, body := s.fetch(t, http.MethodGet, "", "", nil)
			equal(t, resp.Header, "X-Ratelimit-Remaining", "1")
			query := "&sid=" + sidOf(t, body)
			resp, _ = s.fetch(t, http.MethodPost, query, "40", nil)
			equal(t, resp.Header, "X-Ratelimit-Remaining", "0")
			resp, body = s.fetch(t, http.MethodGet, query, "", nil)
			if resp.StatusCode != http.StatusTooManyRequests || body != "Too Many Requests\n" {
				t.Errorf("poll: %d %q", resp.StatusCode, body)
			}
			equal(t, resp.Header, "Retry-After", "3600")
		}},
		// Not Every: a poll would hold its slot for 25 s.
		{name: "Throttle", at: handshake | namespace, test: func(t *testing.T, e env) {
			s := e.serve(t, middleware.Throttle(1))
			s.admit(t, nil)
			s.admit(t, nil) // the first is still connected
		}},
		{name: "Throttle/full", at: handshake | namespace, refuses: true, test: func(t *testing.T, e env) {
			h := newHurdle()
			defer h.open()
			s := e.serve(t, middleware.ThrottleWithOpts(middleware.ThrottleOpts{
				Limit: 1, RetryAfterFn: func(bool) time.Duration { return 7 * time.Second },
			}), h.middleware)
			first := make(chan error, 1)
			go func() {
				c, err := s.Open(t, siotest.Dial{Polling: e.mode != webSocket})
				if err == nil && e.at == namespace {
					c.Connect("/", nil)
				}
				first <- err
			}()
			<-h.reached
			got := s.refuse(t, nil)
			got.want(t, http.StatusTooManyRequests, "Server capacity exceeded.")
			if got.retry != 7*time.Second {
				t.Errorf("retry after %v", got.retry)
			}
			h.open()
			if err := <-first; err != nil {
				t.Error(err)
			}
			siotest.Eventually(t, "the first has passed", func() bool { return s.runs.Load() == 1 })
		}},
		{name: "TimeoutHandler", at: anywhere, test: func(t *testing.T, e env) {
			v := e.serve(t, timeout(time.Minute), header("X-Late", "no")).admit(t, nil)
			if e.heard() {
				equal(t, v.header, "X-Late", "no")
			}
		}},
		// Its goroutine calls next after the client has been told 503.
		{name: "TimeoutHandler/slow", at: anywhere, refuses: true, test: func(t *testing.T, e env) {
			h := newHurdle()
			defer h.open()
			s := e.serve(t, timeout(20*time.Millisecond), h.middleware)
			s.refuse(t, nil).want(t, http.StatusServiceUnavailable, "too slow")
			h.open()
			siotest.Eventually(t, "the chain has run to its end", func() bool { return s.runs.Load() == 1 })
			if n := s.IO.Engine().ClientsCount(); n != 0 && e.at != namespace {
				t.Errorf("%d ghosts", n)
			}
			if n := s.IO.Sockets().Sockets().Len(); n != 0 {
				t.Errorf("%d sockets", n)
			}
		}},
		// A handshake has no body, and neither has a namespace.
		{name: "MaxBytesHandler", at: anywhere | around, test: func(t *testing.T, e env) {
			e.serve(t, maxBytes(1<<20)).admit(t, nil)
		}},
		{name: "MaxBytesHandler/post", at: every | around, refuses: true, test: func(t *testing.T, e env) {
			s := e.serve(t, maxBytes(64))
			_, body := s.fetch(t, http.MethodGet, "", "", nil)
			query := "&sid=" + sidOf(t, body)
			resp, body := s.fetch(t, http.MethodPost, query, `40{"a":"`+strings.Repeat("x", 100)+`"}`, nil)
			// With Every the host accepts a truncated body as complete, and takes half a
			// packet for an attack: 429, and the session is over.
			if resp.StatusCode == http.StatusOK {
				t.Errorf("a body that is too long: %d %q", resp.StatusCode, body)
			}
			if resp.StatusCode == http.StatusTooManyRequests {
				s.fetch(t, http.MethodGet, query, "", nil) // otherwise the host waits 30 s to tell the client
			} else {
				s.fetch(t, http.MethodPost, query, "1", nil)
			}
			siotest.Eventually(t, "the session is over", func() bool { return s.IO.Engine().ClientsCount() == 0 })
		}},
		// The limit falls between two packets: the client must not be told "ok", for one
		// of them is lost. With Every it is: the host reads the body.
		{name: "MaxBytesHandler/cut", at: around, refuses: true, test: func(t *testing.T, e env) {
			s := e.serve(t, maxBytes(3))
			_, body := s.fetch(t, http.MethodGet, "", "", nil)
			query := "&sid=" + sidOf(t, body)
			resp, body := s.fetch(t, http.MethodPost, query, "40\x1e42[\"echo\"]", nil)
			if resp.StatusCode == http.StatusOK {
				t.Errorf("half a body: %d %q", resp.StatusCode, body)
			}
		}},
	})
}

func timeout(d time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler { return http.TimeoutHandler(next, d, "too slow") }
}

func maxBytes(n int64) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler { return http.MaxBytesHandler(next, n) }
}

func header(key, value string) func(http.Handler) http.Handler {
	return middleware.SetHeader(key, value)
}
