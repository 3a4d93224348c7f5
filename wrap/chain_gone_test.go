package wrap_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/engine"
)

// If the client has left while the chain ran, next opens nothing.
func TestChainClientGone(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		entered, done := make(chan struct{}), make(chan struct{})
		r := start(mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done()
			next.ServeHTTP(w, r)
			close(done)
		}))
		if !r.http && r.dial.EIO == 4 {
			c := r.Dial(t, r.dial)
			<-entered
			c.Kill()
		} else {
			ctx, cancel := context.WithCancel(t.Context())
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, r.Endpoint(r.dial), nil)
			if !r.dial.Polling {
				req.Header = http.Header{
					"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
					"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
				}
			}
			go func() {
				<-entered
				cancel()
			}()
			if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
				res.Body.Close()
			}
			http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		}
		<-done
		r.noSession(t)
	})
}

// The client has left: next opens nothing, whatever context it is called with.
func TestChainGoneWithoutCancel(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(t.Context())
	h := wrap.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("entered for a client that has gone")
	}), mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		leave()
		next.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", openPath, nil))
}

// A handshake whose context was ended by an outer chain does not hang in the engine.
func TestEngineChainContextEnded(t *testing.T) {
	t.Parallel()
	type key struct{}
	s := siotest.Config{Options: wrap.Harden(nil), Engine: func(e engine.BaseServer) {
		e.Use(wrap.Engine(mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, key{}, cancel)))
		})))
		e.Use(wrap.Engine(mw(func(_ http.Handler, _ http.ResponseWriter, r *http.Request) {
			r.Context().Value(key{}).(context.CancelFunc)() // as a deadline would
		})))
	}}.NewServer(t, nil)
	if hangs(t, "GET", s.URL+openPath, nil, nil) {
		t.Error("no answer")
	}
}

// If the client of a chain in the engine leaves, the handler ends without a session.
func TestEngineChainGone(t *testing.T) {
	t.Parallel()
	var running atomic.Int32
	entered := make(chan struct{})
	s := siotest.Config{
		Options: wrap.Harden(nil),
		Engine: func(e engine.BaseServer) {
			e.Use(wrap.Engine(mw(func(_ http.Handler, _ http.ResponseWriter, r *http.Request) {
				close(entered)
				<-r.Context().Done()
			})))
		},
		Handler: func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				running.Add(1)
				defer running.Add(-1)
				h.ServeHTTP(w, r)
			})
		},
	}.NewServer(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	req, _ := http.NewRequestWithContext(ctx, "GET", s.URL+openPath, nil)
	if res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req); err == nil {
		res.Body.Close()
	}
	siotest.Eventually(t, "the handler ends", func() bool { return running.Load() == 0 })
	if n := s.IO.Engine().ClientsCount(); n != 0 {
		t.Errorf("%d sessions", n)
	}
}
