package logging_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// page serves h behind l, on an ordinary route.
func page(t *testing.T, l *logging.Logger, h http.HandlerFunc) *httptest.Server {
	s := httptest.NewServer(l.Handler(h))
	t.Cleanup(s.Close)
	return s
}

func TestRequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		h    http.HandlerFunc
		want object
	}{
		{"plain", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") },
			object{"level": "INFO", "status": 200, "bytes": 5, "code": nil}},
		{"silent", func(http.ResponseWriter, *http.Request) {}, object{"level": "INFO", "status": 200, "bytes": 0}},
		{"status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) },
			object{"level": "INFO", "status": 404}},
		{"fault", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, object{"level": "ERROR", "status": 503}},
		{"early", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(201) },
			object{"level": "INFO", "status": 201}},
		{"flush", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() },
			object{"level": "INFO", "status": 200}},
		{"controller", func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() },
			object{"level": "INFO", "status": 200}},
		{"copy", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader("12345678"))
		},
			object{"level": "INFO", "status": 200, "bytes": 8}},
		{"error", (&wrap.Error{Code: "forbidden", Err: errors.New("the cause")}).ServeHTTP,
			object{"level": "INFO", "status": 403, "code": "forbidden", "error": "the cause"}},
		{"internal", (&wrap.Error{Err: errors.New("the cause")}).ServeHTTP,
			object{"level": "ERROR", "status": 500, "code": "internal", "error": "the cause"}},
		{"abort", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202); panic(http.ErrAbortHandler) },
			object{"level": "WARN", "status": 202, "code": "aborted", "error": nil, "stack": nil}},
		{"abort at once", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			object{"level": "WARN", "status": nil, "code": "aborted", "error": nil, "stack": nil}},
		{"abort a fault", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502); panic(http.ErrAbortHandler) },
			object{"level": "ERROR", "status": 502, "code": "aborted"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, log := newLogger(t, slog.LevelDebug, nil)
			s := page(t, l, c.h)
			resp, err := http.Get(s.URL + "/page/x?secret=1")
			if err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			} else if !strings.HasPrefix(c.name, "abort") {
				t.Error(err)
			}
			r := log.one(t, "request")
			check(t, r, c.want)
			check(t, r, object{"method": "GET", "path": "/page/x", "addr": "127.0.0.1", "conn": nil})
		})
	}
}

// TestRequestAborted: the Observer is told, and told who aborted it.
func TestRequestAborted(t *testing.T) {
	t.Parallel()
	abort := func() { panic(http.ErrAbortHandler) }
	for _, c := range []struct {
		left  bool
		abort func()
	}{{false, abort}, {true, abort}, {false, runtime.Goexit}} {
		left := c.left
		o := new(observer)
		l, log := newLogger(t, slog.LevelDebug, &logging.Options{Observer: o})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := page(t, l, func(_ http.ResponseWriter, r *http.Request) {
			if left {
				cancel()
				<-r.Context().Done()
			}
			c.abort()
		})
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(r); err == nil {
			resp.Body.Close()
			t.Error("answered")
		}
		level := map[bool]string{false: "WARN", true: "INFO"}[left]
		check(t, log.one(t, "request"), object{"level": level, "status": nil, "code": "aborted"})
		o.mu.Lock()
		if len(o.refused) != 1 || o.refused[0].Code != "aborted" || o.refused[0].Abandoned != left || o.refused[0].Status != 0 {
			t.Errorf("left %t: observed %+v", left, o.refused)
		}
		o.mu.Unlock()
	}
}

func TestRequestHijack(t *testing.T) {
	t.Parallel()
	l, log := newLogger(t, slog.LevelDebug, nil)
	s := page(t, l, func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_ = rw.Flush()
		_ = c.Close()
	})
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 101 {
		t.Error(resp, err)
	}
	check(t, log.one(t, "request"), object{"status": 101, "level": "INFO"})
}

// TestRequestPanic: there is one record, and net/http does not log the text of the panic.
func TestRequestPanic(t *testing.T) {
	t.Parallel()
	l, log := newLogger(t, slog.LevelDebug, nil)
	h := httptest.NewUnstartedServer(l.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the value") })))
	said := new(sink)
	h.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(said, nil), slog.LevelError)
	h.Start()
	if resp, err := http.Get(h.URL); err == nil {
		resp.Body.Close()
		t.Error("answered")
	}
	h.Close()
	r := log.one(t, "request")
	check(t, r, object{"level": "ERROR", "error": "panic: the value", "code": "internal"})
	if stack, _ := r["stack"].(string); !strings.Contains(stack, "TestRequestPanic") {
		t.Errorf("stack: %q", stack)
	}
	if said.String() != "" {
		t.Errorf("net/http says %s", said)
	}
}

func TestProxies(t *testing.T) {
	t.Parallel()
	l, log := newLogger(t, slog.LevelDebug, &logging.Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	s := logged(t, l)
	s.Dial(t, siotest.Dial{Header: http.Header{"X-Forwarded-For": {"192.0.2.7"}}}).Connected(t)
	check(t, log.one(t, "socket connected"), object{"conn.addr": "192.0.2.7"})
	check(t, log.one(t, "handshake accepted"), object{"conn.addr": "192.0.2.7"})
}

// TestChain: among middlewares that wrap the writer, recover, and replace the context, as
// those of chi do, the record is correct, and the sockets have its id.
func TestChain(t *testing.T) {
	t.Parallel()
	type key struct{}
	outer := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("panic: %v", p)
				}
			}()
			next.ServeHTTP(unwrapping{w}, r.WithContext(context.WithValue(r.Context(), key{}, "outer")))
		})
	}
	inner := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Inner", "1")
			next.ServeHTTP(unwrapping{w}, r.WithContext(context.WithValue(r.Context(), key{}, "inner")))
		})
	}
	eachTransport(t, func(t *testing.T, d siotest.Dial) {
		l, log := newLogger(t, slog.LevelDebug, nil)
		s := serve(t, l, func(io *socket.Server) { io.Use(l.Middleware()) }, outer, l.Handler, inner)
		c := s.Dial(t, d)
		c.Connected(t)
		if c.Handshake.Header.Get("X-Inner") != "1" {
			t.Error("a header is missing")
		}
		shook := log.one(t, "handshake accepted")
		check(t, shook, object{"status": map[bool]int{false: 101, true: 200}[d.Polling]})
		check(t, log.one(t, "socket connected"), object{"conn.id": shook["conn"].(object)["id"]})
	})
}

// unwrapping hides a writer's capabilities from everything but http.ResponseController.
type unwrapping struct{ http.ResponseWriter }

func (w unwrapping) Unwrap() http.ResponseWriter { return w.ResponseWriter }
