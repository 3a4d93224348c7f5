package main

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// TestArrives: the effect of each middleware arrives, and each has run once after the
// connection has sent and received a good deal.
func TestArrives(t *testing.T) {
	t.Parallel()
	kinds(t, func(t *testing.T, d siotest.Dial, upgrade bool) {
		s := start(t, 10)
		d.Header = http.Header{
			"Cookie": {s.signIn(t, "ada")}, "Origin": {front}, "X-Request-Id": {"r-7"},
			"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		}
		c := s.Dial(t, d)
		c.Connected(t)

		h := c.Handshake.Header
		has(t, h, "X-Frame-Options", "DENY")
		has(t, h, "X-Content-Type-Options", "nosniff")
		has(t, h, "Referrer-Policy", "no-referrer")
		has(t, h, "X-Ratelimit-Limit", "10")
		has(t, h, "X-Ratelimit-Remaining", "9")
		has(t, h, "Access-Control-Allow-Origin", front)
		has(t, h, "Access-Control-Allow-Credentials", "true")
		has(t, h, "Vary", "Origin", "Cookie")
		if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("Content-Security-Policy: %q", csp)
		}
		cookies := c.Handshake.Cookies()
		if len(cookies) != 1 || cookies[0].Name != "session" || !cookies[0].HttpOnly {
			t.Errorf("cookies %v", cookies)
		}

		got := arrived(t, c)
		for key, want := range map[string]any{
			"user": "ada", "handshakes": 1.0, "requestId": "r-7", "traceId": "0af7651916cd43dd8448eb211c80319c",
		} {
			if got[key] != want {
				t.Errorf("%s: %v, want %v", key, got[key], want)
			}
		}

		if upgrade {
			c.Upgrade(t)
			has(t, c.UpgradeResponse.Header, "Access-Control-Allow-Origin", front)
			has(t, c.UpgradeResponse.Header, "X-Frame-Options") // not a handshake
		}
		for range 3 {
			if got := asks(t, c); got["user"] != "ada" || got["handshakes"] != 1.0 || got["requestId"] != "r-7" {
				t.Errorf("whoami: %v", got)
			}
		}
		siotest.Eventually(t, "the spans have ended", func() bool {
			return len(s.named("handshake")) > 0 && len(s.named("whoami")) == 3
		})
		spans := s.named("handshake")
		if n := len(s.spans.Started()); len(spans) != 1 || n != 4 {
			t.Fatalf("%d spans of handshakes, %d in all", len(spans), n)
		}
		if parent := spans[0].Parent().SpanID().String(); parent != "b7ad6b7169203331" {
			t.Errorf("the handshake's parent is %s", parent)
		}
		status := attribute.Int("http.response.status_code", c.Handshake.StatusCode)
		if !slices.Contains(spans[0].Attributes(), status) {
			t.Errorf("the span of the handshake has %v, want %v", spans[0].Attributes(), status)
		}
		for _, span := range s.named("whoami") {
			if span.Parent().SpanID() != spans[0].SpanContext().SpanID() {
				t.Errorf("the parent of whoami is %v", span.Parent())
			}
		}
	})
}

// TestChainOfReadme: README.md shows the chain as it is.
func TestChainOfReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("chain.go")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(readme), "```go\n")
	block, _, _ = strings.Cut(block, "```")
	if block == "" || !strings.Contains(strings.ReplaceAll(string(code), "\n\t", "\n"), block) {
		t.Errorf("chain.go has no such lines:\n%s", block)
	}
}

// TestPolls checks each request of long-polling: CORS is on all of them, the rest only on
// the handshake.
func TestPolls(t *testing.T) {
	t.Parallel()
	s := start(t, 10)
	header := http.Header{"Cookie": {s.signIn(t, "ada")}, "Origin": {front}}
	res, body := s.fetch(t, http.MethodGet, "transport=polling", "", header)
	has(t, res.Header, "X-Frame-Options", "DENY")
	sid, _ := decode(t, strings.TrimPrefix(body, "0"))["sid"].(string)
	query := "transport=polling&sid=" + url.QueryEscape(sid)

	for _, step := range []struct{ method, body, want string }{
		{http.MethodPost, "40", "ok"},
		{http.MethodGet, "", "40{"},
		{http.MethodPost, `420["whoami"]`, "ok"},
		{http.MethodGet, "", "4"},
		{http.MethodPost, "1", "ok"},
	} {
		res, body := s.fetch(t, step.method, query, step.body, header)
		if res.StatusCode != http.StatusOK || !strings.HasPrefix(body, step.want) {
			t.Fatalf("%s %q: %d %q", step.method, step.body, res.StatusCode, body)
		}
		has(t, res.Header, "Access-Control-Allow-Origin", front)
		has(t, res.Header, "X-Frame-Options")
		has(t, res.Header, "X-Ratelimit-Remaining")
		has(t, res.Header, "Set-Cookie")
	}
	res, _ = s.fetch(t, http.MethodGet, "transport=polling", "", header)
	has(t, res.Header, "X-Ratelimit-Remaining", "8") // one per session
}

// TestPreflight: the preflight of a page of another origin is answered, for either
// transport, and only for that origin.
func TestPreflight(t *testing.T) {
	t.Parallel()
	s := start(t, 1)
	for _, transport := range []string{"polling", "websocket"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			asked := http.Header{
				"Origin": {front}, "Access-Control-Request-Method": {method},
				"Access-Control-Request-Headers": {"x-request-id"},
			}
			res, _ := s.fetch(t, http.MethodOptions, "transport="+transport, "", asked)
			if res.StatusCode != http.StatusNoContent {
				t.Errorf("%s %s: %d", transport, method, res.StatusCode)
			}
			has(t, res.Header, "Access-Control-Allow-Origin", front)
			has(t, res.Header, "Access-Control-Allow-Methods", method)
			has(t, res.Header, "Access-Control-Allow-Headers", "x-request-id")
			has(t, res.Header, "Access-Control-Allow-Credentials", "true")

			asked.Set("Origin", foreign)
			res, _ = s.fetch(t, http.MethodOptions, "transport="+transport, "", asked)
			has(t, res.Header, "Access-Control-Allow-Origin")
		}
	}
	if n := len(s.spans.Started()); n != 0 {
		t.Errorf("%d preflights were taken for handshakes", n)
	}
}

// refused opens a connection that must be refused.
func refused(t *testing.T, s *site, d siotest.Dial) *siotest.RefusedError {
	t.Helper()
	d.NoConnect = true
	_, err := s.Open(t, d)
	var answer *siotest.RefusedError
	if !errors.As(err, &answer) {
		t.Fatalf("opened with %v, want a refusal", err)
	}
	return answer
}

// TestLimit: clients that come too often are told so in HTTP, which a foreign page may
// read, and connected ones notice nothing.
func TestLimit(t *testing.T) {
	t.Parallel()
	kinds(t, func(t *testing.T, d siotest.Dial, upgrade bool) {
		s := start(t, 2)
		d.Header = http.Header{"Cookie": {s.signIn(t, "ada")}, "Origin": {front}}
		var in []*siotest.Client
		for range 2 {
			c := s.Dial(t, d)
			c.Connected(t)
			in = append(in, c)
		}
		got := refused(t, s, d)
		if got.Status != http.StatusTooManyRequests || !strings.HasPrefix(got.Body, "Too Many Requests") {
			t.Errorf("refused with %d %q", got.Status, got.Body)
		}
		has(t, got.Header, "X-Frame-Options", "DENY")
		has(t, got.Header, "Access-Control-Allow-Origin", front)
		if got.Header.Get("Retry-After") == "" {
			t.Error("nobody says when to come back")
		}
		for _, c := range in {
			if upgrade {
				c.Upgrade(t)
			}
			if got := asks(t, c); got["user"] != "ada" || got["handshakes"] == 3.0 {
				t.Errorf("whoami: %v", got)
			}
		}
		siotest.Eventually(t, "the refusal has a span", func() bool {
			return slices.ContainsFunc(s.named("handshake"), func(span sdktrace.ReadOnlySpan) bool {
				return slices.Contains(span.Attributes(), attribute.Int("http.response.status_code", http.StatusTooManyRequests))
			})
		})
	})
}

// TestOrigin: a foreign page does not get in with its visitor's cookie.
func TestOrigin(t *testing.T) {
	t.Parallel()
	kinds(t, func(t *testing.T, d siotest.Dial, _ bool) {
		s := start(t, 10)
		d.Header = http.Header{"Cookie": {s.signIn(t, "ada")}, "Origin": {foreign}}
		got := refused(t, s, d)
		if got.Status != http.StatusForbidden || !strings.Contains(got.Body, "origin_denied") {
			t.Errorf("refused with %d %q", got.Status, got.Body)
		}
		has(t, got.Header, "Access-Control-Allow-Origin")
		has(t, got.Header, "X-Ratelimit-Limit") // stopped before it counted against any limit
		has(t, got.Header, "Set-Cookie")
	})
}
