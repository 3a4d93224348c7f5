package wrap_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// Rows 100, 107, 108: what a middleware does to the request in place.
func TestParityRequestParts(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		r := start(
			before(func(h http.Header) { h.Set("X-Powered-By", "us"); h.Add("Set-Cookie", "a=1") }),
			func(next http.Handler) http.Handler {
				mux := http.NewServeMux()
				mux.Handle("/{tenant}/", next)
				return mux
			},
			mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				w.Header().Del("X-Powered-By")
				w.Header().Del("Set-Cookie")
				r.Header.Del("Cookie")
				r.Header["X-Nil"] = nil
				r.Header["X-List"] = []string{"1", "2"}
				r.Host = "other.example"
				next.ServeHTTP(w, r)
			}))
		r.dial.Header = http.Header{"Cookie": {"secret=1"}, "X-Nil": {"1"}, "X-List": {"0"}}
		c, s := r.admitted(t)
		got := wrap.Request(s)
		if got.PathValue("tenant") != "socket.io" || got.Pattern != "/{tenant}/" || got.Host != "other.example" {
			t.Errorf("tenant %q, pattern %q, host %q", got.PathValue("tenant"), got.Pattern, got.Host)
		}
		if got.Header.Get("Cookie") != "" || got.Header.Get("X-Nil") != "" || !slices.Equal(got.Header["X-List"], []string{"1", "2"}) {
			t.Errorf("header %v", got.Header)
		}
		if h := c.Handshake.Header; h.Get("X-Powered-By") != "" || h.Get("Set-Cookie") != "" {
			t.Errorf("removed headers were sent: %v", h)
		}
	})
}

// Rows 85, 111: chains are built at once, and may share their middlewares.
func TestParityReuse(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		var runs atomic.Int32
		count := mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			if wrap.IsHandshake(r) {
				runs.Add(1)
			}
			next.ServeHTTP(w, r)
		})
		mws := []wrap.Middleware{count, count} // listed twice, it runs twice
		one, two := start(mws...), start(mws...)
		mws[0] = func(http.Handler) http.Handler { return http.NotFoundHandler() }
		one.admitted(t)
		two.admitted(t)
		if n := runs.Load(); n != 4 {
			t.Errorf("%d runs, want 4", n)
		}
	})
}

// Rows 80, 112: something that is not a middleware is refused on registration.
func TestParityNil(t *testing.T) {
	t.Parallel()
	nothing := func(http.Handler) http.Handler { return nil }
	for want, register := range map[string]func(){
		"Handler: nil handler":                func() { wrap.Handler(nil) },
		"middleware 1 is nil":                 func() { wrap.Handler(http.NotFoundHandler(), nil) },
		"middleware 2 is nil":                 func() { wrap.Engine(wrap.Origin(), nil) },
		"middleware 1 returned a nil handler": func() { wrap.Every(nothing) },
		"middleware 3 is nil":                 func() { wrap.Namespace(wrap.Origin(), wrap.Origin(), nil) },
		"Func: nil function":                  func() { wrap.Func(nil) },
		"Guard: nil middleware":               func() { wrap.Guard(nil, 0) },
		"Named: nil middleware":               func() { wrap.Named("x", nil) },
		"Packet: nil function":                func() { wrap.Packet(nil) },
		"UseAll: nil server":                  func() { wrap.UseAll(nil, pass) },
		"UseAll: middleware 2 is nil":         func() { wrap.UseAll(socket.NewServer(nil, nil), pass, nil) },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, "wrap: "+want) {
					t.Errorf("%s: %s", want, got)
				}
			}()
			register()
		}()
	}
}

// Row 112: the other capabilities of a writer.
func TestParityWriter(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		r := start(mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush() // an answer has begun
			next.ServeHTTP(w, r)
		}))
		r.refused(t, http.StatusOK)
	})
	t.Run("hijack", func(t *testing.T) {
		everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
			r := start(mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					http.Error(w, "no connection", http.StatusTeapot)
					return
				}
				_, _ = fmt.Fprint(conn, "HTTP/1.1 418 Mine\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
				_ = conn.Close()
				next.ServeHTTP(w, r)
			}))
			if _, body := r.refused(t, http.StatusTeapot); (body == "") != (r.name == "Handler") {
				t.Errorf("body %q", body)
			}
		})
	})
	t.Run("deadlines and hints", func(t *testing.T) {
		everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
			r := start(mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				if !websocket.IsWebSocketUpgrade(r) {
					w.WriteHeader(http.StatusEarlyHints)
				}
				err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute))
				if err != nil && !errors.Is(err, http.ErrNotSupported) {
					t.Error(err)
				}
				next.ServeHTTP(w, r)
			}))
			r.admitted(t)
		})
	})
}
