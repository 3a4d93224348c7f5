package logging_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
)

// TestHandshakeRefused: by later middlewares, whatever they answer with.
func TestHandshakeRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		mw   wrap.Middleware
		want object
	}{
		{"error", answering((&wrap.Error{Code: "token_invalid", Err: errors.New("cause")}).ServeHTTP),
			object{"level": "WARN", "status": 401, "code": "token_invalid", "error": "cause"}},
		{"fault", answering((&wrap.Error{Err: errors.New("cause")}).ServeHTTP),
			object{"level": "ERROR", "status": 500, "code": "internal", "error": "cause"}},
		{"plain", answering(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTooManyRequests) }),
			object{"level": "WARN", "status": 429, "code": "http_429", "error": nil}},
		{"redirect", answering(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) }),
			object{"level": "WARN", "status": 302, "code": "http_302"}},
		{"page", answering(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "sign in") }),
			object{"level": "WARN", "status": 200, "code": "http_200", "error": nil}},
		{"silent", answering(func(http.ResponseWriter, *http.Request) {}),
			object{"level": "ERROR", "status": 500, "code": "http_500"}},
		{"panic", answering(func(http.ResponseWriter, *http.Request) { panic("oops") }),
			object{"level": "ERROR", "code": "internal", "error": "panic: oops"}},
		{"abort", answering(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
			object{"level": "WARN", "status": nil, "code": "aborted", "error": nil, "stack": nil}},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, d siotest.Dial) {
				o := new(observer)
				l, log := newLogger(t, slog.LevelDebug, &logging.Options{Observer: o})
				s := serve(t, l, nil, l.Handler, l.Handler, c.mw)
				if _, err := s.Open(t, d); err == nil {
					t.Error("not refused")
				}
				r := log.one(t, "handshake refused")
				check(t, r, c.want)
				check(t, r, object{"conn.addr": "127.0.0.1", "conn.transport": transport(d), "conn.protocol": 4, "by": nil})
				if n := len(log.all(t)); n != 1 {
					t.Errorf("%d records:\n%s", n, log)
				}
				o.mu.Lock()
				defer o.mu.Unlock()
				if len(o.refused) != 1 || o.refused[0].Code != r["code"] || o.refused[0].Abandoned || o.conns[0].ID != r["conn"].(object)["id"] {
					t.Errorf("observed %+v", o.refused)
				}
			})
		})
	}
}

// TestHandshakeRefusedTwoLoggers: each knows the code and the cause, not only the inner one.
func TestHandshakeRefusedTwoLoggers(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, d siotest.Dial) {
		outer, outerLog := newLogger(t, slog.LevelDebug, nil)
		inner, innerLog := newLogger(t, slog.LevelDebug, nil)
		s := serve(t, outer, nil, outer.Handler, inner.Handler,
			answering((&wrap.Error{Code: "token_invalid", Err: errors.New("cause")}).ServeHTTP))
		if _, err := s.Open(t, d); err == nil {
			t.Error("not refused")
		}
		for _, log := range []*sink{outerLog, innerLog} {
			check(t, log.one(t, "handshake refused"), object{"status": 401, "code": "token_invalid", "error": "cause"})
		}
	})
}

// TestHandshakeAborted: by a middleware that has called next. The session is taken back,
// and over long-polling the engine's answer too.
func TestHandshakeAborted(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, d siotest.Dial) {
		o := new(observer)
		l, log := newLogger(t, slog.LevelDebug, &logging.Options{Observer: o})
		s := serve(t, l, nil, l.Handler, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r)
				panic(http.ErrAbortHandler)
			})
		})
		if c, err := s.Open(t, d); err == nil {
			<-c.Done()
		}
		want := object{"level": "WARN", "status": nil, "code": "aborted"}
		if !d.Polling {
			want["status"] = 101 // which the client has seen
		}
		check(t, log.one(t, "handshake refused"), want)
		o.mu.Lock()
		defer o.mu.Unlock()
		if len(o.refused) != 1 || o.refused[0].Code != "aborted" || o.refused[0].Abandoned {
			t.Errorf("observed %+v", o.refused)
		}
	})
}

// answering is a middleware that does not call next.
func answering(h http.HandlerFunc) wrap.Middleware {
	return func(http.Handler) http.Handler { return h }
}

// TestHandshakeAbandoned: the client left before there was an answer, or while the
// refusing middleware waited for a store, which is not that middleware's fault.
func TestHandshakeAbandoned(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]http.HandlerFunc{
		"silent": func(http.ResponseWriter, *http.Request) {},
		"abort":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"refused": func(w http.ResponseWriter, r *http.Request) {
			(&wrap.Error{Code: "unavailable", Err: fmt.Errorf("the store: %w", context.Cause(r.Context()))}).ServeHTTP(w, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, log := newLogger(t, slog.LevelDebug, nil)
			inside := make(chan struct{})
			s := serve(t, l, nil, l.Handler, answering(func(w http.ResponseWriter, r *http.Request) {
				close(inside)
				<-r.Context().Done()
				refuse(w, r)
			}))
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-inside; cancel() }()
			r, err := http.NewRequestWithContext(ctx, "GET", s.Endpoint(siotest.Dial{Polling: true}), nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp, err := http.DefaultClient.Do(r); err == nil {
				resp.Body.Close()
				t.Error("answered")
			}
			check(t, log.one(t, "handshake abandoned"), object{"level": "INFO", "code": nil})
		})
	}
}
