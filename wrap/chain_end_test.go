package wrap_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/socket.io/v2/socket"
)

type slowHijack struct{ http.ResponseWriter }

func (w slowHijack) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	<-time.After(50 * time.Millisecond)
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// http.TimeoutHandler answers while its goroutine takes the connection over, and the
// middleware around it goes on setting headers.
func TestTimeoutDuringHijack(t *testing.T) {
	t.Parallel()
	s := siotest.Config{Handler: func(h http.Handler) http.Handler {
		after := func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r)
				w.Header().Set("X-After", "1")
			})
		}
		h = wrap.Handler(h, after, func(next http.Handler) http.Handler {
			return http.TimeoutHandler(next, 20*time.Millisecond, "late")
		})
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(slowHijack{w}, r) })
	}}.NewServer(t, nil)
	c, err := net.Dial("tcp", s.URL[7:])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	b, _ := io.ReadAll(c)
	if strings.Contains(string(b), " 503 ") && strings.Contains(string(b), " 101 ") {
		t.Errorf("two answers: %q", b)
	}
}

// outlasts adds a middleware that is still running when the chain of the handshake has
// returned, which does not mean that the client has left.
func outlasts(io *socket.Server) {
	io.Use(wrap.Func(func(ctx context.Context, _ *socket.Socket) error {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(300 * time.Millisecond):
			return nil
		}
	}))
}

func TestEngineChainReturnsLater(t *testing.T) {
	t.Parallel()
	s := siotest.Config{
		Options: wrap.Harden(nil),
		Engine: func(e engine.BaseServer) {
			e.Use(wrap.Engine(func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					next.ServeHTTP(w, r)
					<-time.After(100 * time.Millisecond)
				})
			}))
		},
	}.NewServer(t, outlasts)
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
}

func TestHandlerChainFlushes(t *testing.T) {
	t.Parallel()
	s := siotest.Config{
		Options: wrap.Harden(nil),
		Handler: func(h http.Handler) http.Handler {
			return wrap.Handler(h, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					next.ServeHTTP(w, r)
					_ = http.NewResponseController(w).Flush()
					<-time.After(100 * time.Millisecond)
				})
			})
		},
	}.NewServer(t, outlasts)
	c := s.Dial(t, siotest.Dial{Polling: true})
	c.Connected(t)
}

func TestGoneAfterNext(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	s := siotest.Config{Handler: func(h http.Handler) http.Handler {
		return wrap.Handler(h, mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			close(gone)
			<-r.Context().Done()
		}))
	}}.NewServer(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-gone; cancel() }()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+siotest.Path+"?EIO=4&transport=polling", nil)
	if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
		res.Body.Close()
	}
	siotest.Eventually(t, "no session is left", func() bool { return s.IO.Engine().ClientsCount() == 0 })
}

func TestCompression(t *testing.T) {
	t.Parallel()
	for name, wrapped := range map[string]bool{"Handler": true, "bare": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := siotest.Config{Options: wrap.Harden(nil)}
			if wrapped {
				c.Handler = func(h http.Handler) http.Handler { return wrap.Handler(h) }
			}
			s := c.NewServer(t, nil)
			d := websocket.Dialer{EnableCompression: true}
			ws, res, err := d.Dial("ws"+s.URL[4:]+siotest.Path+"?EIO=4&transport=websocket", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer ws.Close()
			if got := res.Header.Get("Sec-Websocket-Extensions") != ""; got == wrapped {
				t.Errorf("compression: %v", got)
			}
			settle(t, s, ws)
		})
	}
}

func TestEngineRevoked(t *testing.T) {
	t.Parallel()
	sid := make(chan string, 1)
	s := siotest.Config{Options: wrap.Harden(nil), Engine: func(e engine.BaseServer) {
		_ = e.On("connection", func(args ...any) { sid <- args[0].(engine.Socket).Id() })
		e.Use(wrap.Engine(mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			b := &bufferWriter{h: http.Header{}}
			next.ServeHTTP(b, r)
			w.WriteHeader(http.StatusForbidden)
		})))
	}}.NewServer(t, func(io *socket.Server) {
		io.Use(pass)
		_ = io.On("connection", func(...any) { t.Error("connected") })
	})
	res, err := http.Get(s.URL + siotest.Path + "?EIO=4&transport=polling")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	id := <-sid
	if res, err = http.Post(s.URL+siotest.Path+"?EIO=4&transport=polling&sid="+id, "text/plain", strings.NewReader("40")); err == nil {
		res.Body.Close()
	}
	siotest.Eventually(t, "no session is left", func() bool { return s.IO.Engine().ClientsCount() == 0 })
}

func TestContextEndedBeforeNext(t *testing.T) {
	t.Parallel()
	s := siotest.Config{Handler: func(h http.Handler) http.Handler {
		return wrap.Handler(h, mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithCancel(r.Context())
			cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		}))
	}}.NewServer(t, nil)
	_ = s.IO.Engine().On("connection", func(...any) { t.Error("a session") })
	_, err := s.Open(t, siotest.Dial{})
	var re *siotest.RefusedError
	if !errors.As(err, &re) || re.Status != 500 {
		t.Error(err)
	}
}

// A context may end without the client leaving (BaseContext): a client that is still
// there is told that it has no session.
func TestContextEndedOutside(t *testing.T) {
	t.Parallel()
	through := mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r) })
	answer := mw(func(_ http.Handler, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Why", "late")
		http.Error(w, "late", http.StatusGatewayTimeout)
	})
	for want, mws := range map[int]wrap.Middleware{http.StatusServiceUnavailable: through, http.StatusGatewayTimeout: answer} {
		for _, inside := range []bool{false, true} {
			s := siotest.Config{Handler: func(h http.Handler) http.Handler {
				if e, ok := h.(engine.BaseServer); ok && inside {
					e.Use(wrap.Engine(mws))
				} else {
					h = wrap.Handler(h, mws)
				}
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					ctx, cancel := context.WithCancel(r.Context())
					cancel()
					h.ServeHTTP(w, r.WithContext(ctx))
				})
			}}.NewServer(t, nil)
			for name, d := range transports {
				_, err := s.Open(t, d)
				var re *siotest.RefusedError
				if !errors.As(err, &re) || re.Status != want || want == http.StatusGatewayTimeout && re.Header.Get("X-Why") != "late" {
					t.Errorf("%s, in the engine %v, want %d: %v", name, inside, want, err)
				}
			}
		}
	}
}

// A handler other than the host may upgrade, and send nothing at first.
func TestUpgradeOfOthers(t *testing.T) {
	t.Parallel()
	dialed := make(chan struct{})
	srv := httptest.NewServer(wrap.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		<-dialed
	})))
	defer srv.Close()
	c, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(srv.URL, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	close(dialed)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

// A Handler inside a Handler keeps the headers of both.
func TestHandlerNested(t *testing.T) {
	t.Parallel()
	set := func(name string) wrap.Middleware {
		return func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set(name, "1")
				h.ServeHTTP(w, r)
			})
		}
	}
	s := siotest.Config{Handler: func(h http.Handler) http.Handler {
		return wrap.Handler(wrap.Handler(h, set("X-Inner")), set("X-Outer"))
	}}.NewServer(t, func(*socket.Server) {})
	for name, d := range map[string]siotest.Dial{"websocket": {}, "polling": {Polling: true}} {
		c := s.Dial(t, d)
		c.Connected(t)
		if h := c.Handshake.Header; h.Get("X-Inner") != "1" || h.Get("X-Outer") != "1" {
			t.Errorf("%s: %v", name, h)
		}
	}
}
