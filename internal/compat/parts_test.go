package compat_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
)

// key is a key of values in a context.
type key struct{}

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func text(n int) string { return strconv.Itoa(n) }

func ifElse[T any](cond bool, a, b T) T {
	if cond {
		return a
	}
	return b
}

// basic returns the header of basic authentication.
func basic(user, password string) http.Header {
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}}
}

// bang panics before next.
func bang(http.Handler) http.Handler {
	return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("on purpose") })
}

// bangAfter panics after next.
func bangAfter(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		panic("on purpose")
	})
}

// untilDone waits for the end of the request's context, and does nothing.
func untilDone(http.Handler) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

// thenUntilDone calls next, and waits for the end of the request's context.
func thenUntilDone(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		<-r.Context().Done()
	})
}

// hurdle holds the first request until it is opened.
type hurdle struct {
	once    sync.Once
	reached chan struct{}
	opened  chan struct{}
	open    func()
}

func newHurdle() *hurdle {
	h := &hurdle{reached: make(chan struct{}), opened: make(chan struct{})}
	h.open = sync.OnceFunc(func() { close(h.opened) })
	return h
}

func (h *hurdle) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.once.Do(func() { close(h.reached) })
		<-h.opened
		next.ServeHTTP(w, r)
	})
}

// panics is a logger for chi that counts panics, and prints nothing.
type panics struct{ n atomic.Int32 }

func (p *panics) middleware(next http.Handler) http.Handler {
	return middleware.RequestLogger(p)(next)
}

func (p *panics) NewLogEntry(*http.Request) middleware.LogEntry { return p }

func (p *panics) Write(int, int, http.Header, time.Duration, any) {}

func (p *panics) Panic(any, []byte) { p.n.Add(1) }

// compressed tests a compressor outside wrap.Handler, where it sees each poll.
func compressed(mw wrap.Middleware) func(t *testing.T, e env) {
	return func(t *testing.T, e env) {
		s := e.serve(t, mw)
		v := s.admit(t, nil)
		if v.Handshake.Uncompressed != (e.mode != webSocket) {
			t.Errorf("handshake compressed: %v", v.Handshake.Uncompressed)
		}
		accept := http.Header{"Accept-Encoding": {"gzip"}}
		resp, body := s.fetch(t, http.MethodGet, "", "", accept)
		equal(t, resp.Header, "Content-Encoding", "gzip")
		sid := sidOf(t, gunzip(t, body))
		s.fetch(t, http.MethodPost, "&sid="+sid, "40", nil)
		resp, body = s.fetch(t, http.MethodGet, "&sid="+sid, "", accept)
		equal(t, resp.Header, "Content-Encoding", "gzip")
		if got := gunzip(t, body); !strings.HasPrefix(got, "40{") {
			t.Errorf("poll: %q", got)
		}
	}
}

// readable reports whether a message can be shown to people.
func readable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func gunzip(t *testing.T, body string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// sidOf returns the id of a session from its OPEN packet.
func sidOf(t *testing.T, open string) string {
	t.Helper()
	_, rest, _ := strings.Cut(open, `"sid":"`)
	sid, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("no sid in %q", open)
	}
	return sid
}

// fetch sends one request verbatim, and returns the answer verbatim.
func (s *site) fetch(t *testing.T, method, query, body string, header http.Header) (*http.Response, string) {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	url := s.URL + siotest.Path + "?EIO=4&transport=polling" + query
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, vs := range header {
		req.Header[k] = vs
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// equal compares header values.
func equal(t *testing.T, h http.Header, key string, want ...string) {
	t.Helper()
	if got := h.Values(key); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%s: %q, want %q", key, got, want)
	}
}
