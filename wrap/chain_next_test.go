package wrap_test

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
)

func TestChainNextTwice(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		r := start(mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			next.ServeHTTP(w, r)
		}))
		r.admitted(t)
		if n := r.IO.Engine().ClientsCount(); n != 1 {
			t.Errorf("%d sessions", n)
		}
	})
}

func TestChainNextConcurrent(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		r := start(mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() { next.ServeHTTP(w, r) })
			}
			wg.Wait()
		}))
		r.admitted(t)
		if n := r.IO.Engine().ClientsCount(); n != 1 {
			t.Errorf("%d sessions", n)
		}
	})
}

// Calling next after the chain has returned opens nothing. On the bare host it ends the
// process, over WebSocket.
func TestChainNextLate(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		returned, called := make(chan struct{}), make(chan struct{})
		r := start(mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			go func() {
				<-returned
				next.ServeHTTP(w, r)
				close(called)
			}()
		}))
		r.refused(t, http.StatusInternalServerError)
		close(returned)
		<-called
		r.noSession(t)
	})
}

func TestChainAnswerThenNext(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		r := start(mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			http.Error(w, "no", http.StatusForbidden) // a return is missing
			next.ServeHTTP(w, r)
		}))
		if _, body := r.refused(t, http.StatusForbidden); body != "no" {
			t.Errorf("body %q", body)
		}
	})
}

// bufferWriter buffers everything, and gives no access to the connection.
type bufferWriter struct {
	h      http.Header
	status int
	body   bytes.Buffer
}

func (b *bufferWriter) Header() http.Header { return b.h }
func (b *bufferWriter) WriteHeader(s int) {
	if b.status == 0 {
		b.status = s
	}
}
func (b *bufferWriter) Write(p []byte) (int, error) { b.WriteHeader(200); return b.body.Write(p) }

func buffered() wrap.Middleware {
	return mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		b := &bufferWriter{h: make(http.Header)}
		next.ServeHTTP(b, r)
		for k, v := range b.h {
			w.Header()[k] = v
		}
		w.WriteHeader(b.status)
		_, _ = w.Write(b.body.Bytes())
	})
}

// A buffering middleware hides from us that an answer has begun: the session that next
// opens is taken back.
func TestChainBufferedAnswerThenNext(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		var calls atomic.Int32
		r := start(buffered(), mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			http.Error(w, "no", http.StatusForbidden)
			next.ServeHTTP(w, r)
			calls.Add(1)
		}))
		if !r.http {
			r.refused(t, http.StatusForbidden)
			return
		}
		// Over WebSocket the engine has already answered 101 by then, and at Engine 200
		// over long-polling too; the client loses the connection instead.
		if c, err := r.Open(t, r.dial); err == nil {
			if r.name == "Handler" || !r.dial.Polling {
				<-c.Done()
			}
			c.Kill()
		}
		if r.name == "Handler" {
			r.noSession(t)
		}
		siotest.Eventually(t, "the middleware has run", func() bool { return calls.Load() > 0 })
	})
}

func TestChainBuffered(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		r := start(buffered(), before(func(h http.Header) { h.Set("X-Inner", "1"); h.Add("Set-Cookie", "a=1"); h.Add("Set-Cookie", "b=2") }))
		c, _ := r.admitted(t)
		if r.http && (c.Handshake.Header.Get("X-Inner") != "1" || len(c.Handshake.Header.Values("Set-Cookie")) != 2) {
			t.Errorf("header %v", c.Handshake.Header)
		}
	})
}

func TestChainTimeoutHandler(t *testing.T) {
	t.Parallel()
	timeout := func(d time.Duration) wrap.Middleware {
		return func(next http.Handler) http.Handler { return http.TimeoutHandler(next, d, "too slow") }
	}
	t.Run("in time", func(t *testing.T) {
		everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
			if r := start(timeout(10 * time.Second)); r.name != "Every" || !r.dial.Polling { // a poll lasts longer
				r.admitted(t)
			}
		})
	})
	t.Run("before next", func(t *testing.T) {
		everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
			late := make(chan struct{})
			r := start(timeout(20*time.Millisecond), mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				<-r.Context().Done() // at the deadline, which it ignores
				defer close(late)
				<-time.After(20 * time.Millisecond)
				next.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
			}))
			if _, body := r.refused(t, http.StatusServiceUnavailable); body != "too slow" {
				t.Errorf("body %q", body)
			}
			<-late
			r.noSession(t)
		})
	})
	t.Run("after next", func(t *testing.T) {
		everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
			r := start(timeout(50*time.Millisecond), mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r)
				<-r.Context().Done()
			}))
			switch {
			case r.name == "Handler" && r.dial.Polling, !r.http:
				r.refused(t, http.StatusServiceUnavailable)
			case r.name == "Handler":
				c, err := r.Open(t, r.dial)
				if err == nil {
					<-c.Done()
				}
				r.noSession(t)
			}
		})
	})
}

func TestChainPanic(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before", "after"} {
		t.Run(when, func(t *testing.T) {
			everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
				var panicked atomic.Int32
				r := start(mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
					if panicked.Load() > 1 {
						next.ServeHTTP(w, r)
						return
					}
					if when == "after" {
						next.ServeHTTP(w, r)
					}
					panicked.Add(1)
					panic("of the middleware")
				}))
				for range 2 {
					if !r.http {
						c := r.Dial(t, r.dial)
						if code := refusalData(t, c.ConnectError(t))["code"]; code != "internal" {
							t.Errorf("code %v", code)
						}
						c.Close()
						continue
					}
					if c, err := r.Open(t, r.dial); err == nil {
						// The answer was on its way; the session must not last.
						if r.name == "Handler" || !r.dial.Polling {
							<-c.Done()
						}
						c.Kill()
					}
				}
				if r.name == "Handler" || when == "before" {
					r.noSession(t)
				}
				siotest.Eventually(t, "two panics", func() bool { return panicked.Load() == 2 })
				r.admitted(t)
			})
		})
	}
}
