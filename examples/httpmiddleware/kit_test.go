package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"
)

const (
	front   = "https://app.example"
	foreign = "https://evil.example"
)

func TestMain(m *testing.M) {
	// The in-memory sessions are swept for as long as the process lives.
	siotest.Main(m, nil, goleak.IgnoreTopFunction("github.com/alexedwards/scs/v2/memstore.(*MemStore).startCleanup"))
}

// site is the example, with its spans in memory.
type site struct {
	*siotest.Server
	handler http.Handler
	spans   *tracetest.SpanRecorder
}

// start serves newHandler. A window of a day does not end during a test; even if it does,
// what was counted in it still counts.
func start(t *testing.T, limit int) *site {
	t.Helper()
	s := &site{spans: tracetest.NewSpanRecorder()}
	s.Server = siotest.Config{
		Options: wrap.Harden(nil),
		Handler: func(http.Handler) http.Handler { return s.handler },
	}.NewServer(t, func(sio *socket.Server) {
		c := config{origin: front, limit: limit, window: 24 * time.Hour}
		s.handler = newHandler(sio, c, sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s.spans)))
	})
	return s
}

// post sends a form to a page and returns the cookie that is valid after it.
func (s *site) post(t *testing.T, path, cookie string, form url.Values, header http.Header) (status int, after string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Cookie": {cookie}}
	for k, vs := range header {
		r.Header[k] = vs
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.Name == "session" {
			cookie = c.Name + "=" + c.Value
		}
	}
	return w.Code, cookie
}

// signIn returns the cookie of a signed-in user.
func (s *site) signIn(t *testing.T, user string) string {
	t.Helper()
	status, cookie := s.post(t, "/login", "", url.Values{"user": {user}}, nil)
	if status != http.StatusNoContent || cookie == "" {
		t.Fatalf("login: %d, cookie %q", status, cookie)
	}
	return cookie
}

// fetch sends one long-polling request verbatim.
func (s *site) fetch(t *testing.T, method, query, body string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+siotest.Path+"?EIO=4&"+query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, vs := range header {
		r.Header[k] = vs
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

// named returns the spans of that name that have ended.
func (s *site) named(name string) (found []sdktrace.ReadOnlySpan) {
	for _, span := range s.spans.Ended() {
		if span.Name() == name {
			found = append(found, span)
		}
	}
	return found
}

// kinds runs a test over each transport.
func kinds(t *testing.T, f func(t *testing.T, d siotest.Dial, upgrade bool)) {
	t.Helper()
	for _, k := range []struct {
		name             string
		polling, upgrade bool
	}{{"websocket", false, false}, {"polling", true, false}, {"upgraded", true, true}} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			f(t, siotest.Dial{Polling: k.polling}, k.upgrade)
		})
	}
}

// arrived waits for the first event.
func arrived(t *testing.T, c *siotest.Client) map[string]any {
	t.Helper()
	what, _ := c.NextEvent(t, "arrived").Args()[0].(map[string]any)
	return what
}

func asks(t *testing.T, c *siotest.Client) map[string]any {
	t.Helper()
	what, _ := c.EmitAck(t, "whoami").Args()[0].(map[string]any)
	return what
}

// has compares header values; none are wanted when want is empty.
func has(t *testing.T, h http.Header, key string, want ...string) {
	t.Helper()
	if got := h.Values(key); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%s: %q, want %q", key, got, want)
	}
}

func decode(t *testing.T, text string) (v map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}
