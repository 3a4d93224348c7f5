package wrap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/socket.io/v2/socket"
)

func init() { slog.SetDefault(slog.New(slog.DiscardHandler)) } // panics on purpose

// A place is one of those where a chain of HTTP middleware can run.
type place struct {
	name string
	// http reports whether the client's HTTP handshake sees what the chain does.
	http bool
	add  func(c *siotest.Config, mws []wrap.Middleware) socket.NamespaceMiddleware
}

var places = []place{
	{"Handler", true, func(c *siotest.Config, mws []wrap.Middleware) socket.NamespaceMiddleware {
		c.Handler = func(h http.Handler) http.Handler { return wrap.Handler(h, mws...) }
		return nil
	}},
	{"Engine", true, func(c *siotest.Config, mws []wrap.Middleware) socket.NamespaceMiddleware {
		c.Engine = func(e engine.BaseServer) { e.Use(wrap.Engine(mws...)) }
		return nil
	}},
	{"Every", true, func(c *siotest.Config, mws []wrap.Middleware) socket.NamespaceMiddleware {
		c.Engine = func(e engine.BaseServer) { e.Use(wrap.Every(mws...)) }
		return nil
	}},
	{"Namespace", false, func(c *siotest.Config, mws []wrap.Middleware) socket.NamespaceMiddleware {
		c.Handler = func(h http.Handler) http.Handler { return wrap.Handler(h) }
		return wrap.Namespace(mws...)
	}},
}

// rig is a server with a chain at one place, and a client that connects to it.
type rig struct {
	*siotest.Server
	place
	dial    siotest.Dial
	sockets chan *socket.Socket // the connected ones
}

// everywhere runs f at each place over each transport, with Engine.IO 4 and 3.
func everywhere(t *testing.T, f func(t *testing.T, start func(mws ...wrap.Middleware) *rig)) {
	for _, p := range places {
		for _, polling := range []bool{true, false} {
			for _, eio := range []int{4, 3} {
				transport := map[bool]string{true: "polling", false: "websocket"}[polling]
				t.Run(fmt.Sprintf("%s/%s/EIO%d", p.name, transport, eio), func(t *testing.T) {
					t.Parallel()
					f(t, func(mws ...wrap.Middleware) *rig {
						t.Helper()
						return newRig(t, p, siotest.Dial{Polling: polling, EIO: eio, Settled: p.name[0] == 'E'}, mws)
					})
				})
			}
		}
	}
}

func newRig(t *testing.T, p place, d siotest.Dial, mws []wrap.Middleware) *rig {
	t.Helper()
	r := &rig{place: p, dial: d, sockets: make(chan *socket.Socket, 64)}
	opts := socket.DefaultServerOptions()
	opts.SetAllowEIO3(true)
	c := siotest.Config{Options: wrap.Harden(opts)}
	use := p.add(&c, mws)
	r.Server = c.NewServer(t, func(io *socket.Server) {
		if use != nil {
			io.Use(use)
		}
		_ = io.On("connection", func(args ...any) { r.sockets <- args[0].(*socket.Socket) })
	})
	return r
}

// admitted connects a client and returns the server's socket.
func (r *rig) admitted(t *testing.T) (*siotest.Client, *socket.Socket) {
	t.Helper()
	c := r.Dial(t, r.dial)
	c.Connected(t)
	select {
	case s := <-r.sockets:
		return c, s
	case <-time.After(5 * time.Second):
		t.Fatal("no connection event")
		return nil, nil
	}
}

// refused expects a refusal with this status. It returns its header and body if the
// client can see them: at Namespace these are empty, and the message replaces the body.
func (r *rig) refused(t *testing.T, status int) (http.Header, string) {
	t.Helper()
	defer r.noSession(t)
	if r.http {
		_, err := r.Open(t, r.dial)
		var re *siotest.RefusedError
		if !errors.As(err, &re) {
			t.Fatalf("handshake: %v, want a refusal with %d", err, status)
		}
		if re.Status != status {
			t.Fatalf("status %d %q, want %d", re.Status, re.Body, status)
		}
		return re.Header, strings.TrimSpace(re.Body)
	}
	c := r.Dial(t, r.dial)
	p := c.ConnectError(t)
	data := refusalData(t, p)
	if want := fmt.Sprintf("http_%d", status); data["code"] != want || data["status"] != float64(status) {
		t.Fatalf("refused with %v, want code %s", data, want)
	}
	c.Close()
	return nil, fmt.Sprint(data["message"])
}

// refusalData returns the data of a CONNECT_ERROR, which in Engine.IO 3 is the
// whole payload.
func refusalData(t *testing.T, p siotest.Packet) map[string]any {
	t.Helper()
	data, _ := p.Data.(map[string]any)
	if inner, ok := data["data"].(map[string]any); ok {
		if inner["message"] != data["message"] {
			t.Errorf("message %q differs from that in the data %v", data["message"], inner)
		}
		data = inner
	}
	return data
}

// noSession expects the engine to have no session, or to end it soon.
func (r *rig) noSession(t *testing.T) {
	t.Helper()
	siotest.Eventually(t, "no session is left", func() bool { return r.IO.Engine().ClientsCount() == 0 })
	select {
	case s := <-r.sockets:
		if r.dial.EIO == 4 { // Engine.IO 3 connects to "/" within the handshake
			t.Errorf("socket %s has connected", s.Id())
		}
	default:
	}
}

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

// before sets headers and goes on.
func before(set func(http.Header)) wrap.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			set(w.Header())
			next.ServeHTTP(w, r)
		})
	}
}

// late sets headers at the last moment, as session managers do. Its writer has neither
// Hijack nor Unwrap.
func late(set func(http.Header)) wrap.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&lateWriter{ResponseWriter: w, set: set}, r)
		})
	}
}

type lateWriter struct {
	http.ResponseWriter
	set  func(http.Header)
	done bool
}

func (w *lateWriter) WriteHeader(status int) {
	if !w.done {
		w.done = true
		w.set(w.Header())
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *lateWriter) Write(p []byte) (int, error) {
	if !w.done {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
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
