package wrap_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
)

func TestChainOrder(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		var mu sync.Mutex
		var got []string
		step := func(name string) wrap.Middleware {
			note := func(s string) { mu.Lock(); got = append(got, s); mu.Unlock() }
			return func(next http.Handler) http.Handler {
				note("build " + name)
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if !wrap.IsHandshake(r) {
						next.ServeHTTP(w, r)
						return
					}
					note(name)
					next.ServeHTTP(w, r)
					note("/" + name)
				})
			}
		}
		r := start(step("a"), step("b"))
		for range 2 {
			c, _ := r.admitted(t)
			c.Close()
		}
		want := []string{"build b", "build a", "a", "b", "/b", "/a", "a", "b", "/b", "/a"}
		siotest.Eventually(t, "the chain has returned twice", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(got) == len(want)
		})
		if !slices.Equal(got, want) {
			t.Errorf("ran %q, want %q", got, want)
		}
	})
}

func TestChainHeaders(t *testing.T) {
	t.Parallel()
	shared := []string{"Origin"} // as rs/cors does: not ours to append to
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		r := start(
			late(func(h http.Header) { h.Add("Set-Cookie", "late=1"); h.Set("X-Late", "yes") }),
			before(func(h http.Header) {
				h.Add("Set-Cookie", "a=1")
				h.Add("Set-Cookie", "b=2")
				h["Vary"] = shared
				h.Add("Vary", "Accept-Encoding")
				h.Set("X-Frame-Options", "DENY")
				h.Set("Content-Security-Policy", "default-src 'none'")
				h["X-Nothing"] = nil
				h["Date"] = nil
				h.Set("Connection", "close")
				h.Set("Transfer-Encoding", "identity")
				h.Set("Sec-Websocket-Protocol", "x")
				h.Set("Content-Length", "3")
			}))
		c, _ := r.admitted(t)
		if !r.http {
			return
		}
		h := c.Handshake.Header
		for k, want := range map[string][]string{
			"Set-Cookie":              {"a=1", "b=2", "late=1"},
			"Vary":                    {"Origin", "Accept-Encoding"},
			"X-Frame-Options":         {"DENY"},
			"Content-Security-Policy": {"default-src 'none'"},
			"X-Late":                  {"yes"},
			"X-Nothing":               nil,
		} {
			if got := h.Values(k); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", k, got, want)
			}
		}
	})
	if !slices.Equal(shared, []string{"Origin"}) {
		t.Errorf("a slice of the middleware has become %q", shared)
	}
}

func TestChainRefusal(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		admit := make(chan struct{})
		r := start(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				select {
				case <-admit:
					next.ServeHTTP(w, r)
				default:
					w.Header().Set("Retry-After", "7")
					w.Header().Set("Content-Type", "text/plain")
					w.Header().Add("Set-Cookie", "a=1")
					w.Header().Add("Set-Cookie", "b=2")
					w.WriteHeader(http.StatusUnauthorized)
					_, _ = io.WriteString(w, "who are you?")
				}
			})
		})
		h, body := r.refused(t, http.StatusUnauthorized)
		if body != "who are you?" {
			t.Errorf("body %q", body)
		}
		if r.http && (h.Get("Retry-After") != "7" || !slices.Equal(h.Values("Set-Cookie"), []string{"a=1", "b=2"})) {
			t.Errorf("header %v", h)
		}
		close(admit)
		r.admitted(t)
	})
}

func TestChainSilent(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		r := start(func(http.Handler) http.Handler { return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}) })
		r.refused(t, http.StatusInternalServerError)
	})
}

func TestChainRequest(t *testing.T) {
	t.Parallel()
	type key struct{}
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		r := start(
			func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					next.ServeHTTP(w, r)
					if r.Header.Get("X-User") != "" || r.Context().Value(key{}) != nil {
						t.Error("the outer handler's request has changed")
					}
				})
			},
			func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), key{}, "value"), time.Minute)
					defer cancel()
					r = r.Clone(ctx)
					r.Header.Set("X-User", "ada")
					r.RemoteAddr = "203.0.113.9:1"
					next.ServeHTTP(w, r)
				})
			})
		c, s := r.admitted(t)
		ctx, req := wrap.Context(s), wrap.Request(s)
		if ctx.Value(key{}) != "value" || req.Context().Value(key{}) != "value" {
			t.Error("the context's value is lost")
		}
		if req.Header.Get("X-User") != "ada" || req.RemoteAddr != "203.0.113.9:1" {
			t.Errorf("request with header %v from %s", req.Header, req.RemoteAddr)
		}
		if _, ok := ctx.Deadline(); ok || ctx.Err() != nil {
			t.Errorf("the chain's deadline or cancellation is in the socket's context: %v", ctx.Err())
		}
		if req.Host == "" || req.URL.Path != siotest.Path {
			t.Errorf("request for %q %q", req.Host, req.URL)
		}
		c.Close()
		<-ctx.Done()
		var d *wrap.Disconnected
		if !errors.As(context.Cause(ctx), &d) || d.Reason == "" {
			t.Errorf("cause %v", context.Cause(ctx))
		}
	})
}

func TestChainContextReplaced(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		r := start(mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.Background()))
		}))
		r.admitted(t)
	})
	t.Run("and the writer", func(t *testing.T) {
		everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
			r := start(mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(struct{ http.ResponseWriter }{w}, r.WithContext(context.Background()))
			}))
			r.refused(t, http.StatusInternalServerError)
		})
	})
}

// The engine's refusal arrives complete, whatever Content-Length a middleware has set.
func TestChainContentLength(t *testing.T) {
	t.Parallel()
	s := siotest.Config{Handler: func(h http.Handler) http.Handler {
		return wrap.Handler(h, before(func(h http.Header) { h.Set("Content-Length", "3") }))
	}}.NewServer(t, nil)
	res, body := request(t, "GET", s.URL+siotest.Path+"?EIO=4&transport=nonsense", nil, nil)
	if res.StatusCode != http.StatusBadRequest || !json.Valid([]byte(body)) {
		t.Errorf("%d %q", res.StatusCode, body)
	}
}

// Requests may share a list of header values that has spare capacity.
func TestChainSharedVary(t *testing.T) {
	t.Parallel()
	shared := append(make([]string, 0, 8), "Accept")
	h := wrap.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", r.Header.Get("X-Own"))
		w.WriteHeader(http.StatusOK)
	}), before(func(h http.Header) { h["Vary"] = shared }))
	serve := func(own string) http.Header {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", openPath, nil)
		r.Header.Set("X-Own", own)
		h.ServeHTTP(w, r)
		return w.Header()
	}
	one := make(chan http.Header)
	go func() { one <- serve("One") }()
	two := serve("Two")
	for want, got := range map[string]http.Header{"One": <-one, "Two": two} {
		if !slices.Equal(got["Vary"], []string{"Accept", want}) {
			t.Errorf("Vary %q, want Accept and %s", got["Vary"], want)
		}
	}
}
