package wrap_test

import (
	"net/http"
	"runtime"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestReleased: a session keeps nothing of the request that opened it except the request
// itself: not net/http's writer, which holds the buffers of the connection.
func TestReleased(t *testing.T) {
	t.Parallel()
	for _, d := range []siotest.Dial{{}, {Polling: true}, {EIO: 3}, {EIO: 3, Polling: true}} {
		gone := make(chan struct{}, 1)
		o := socket.DefaultServerOptions()
		o.SetAllowEIO3(true)
		s := siotest.Config{Options: wrap.Harden(o), Handler: func(h http.Handler) http.Handler {
			h = wrap.Handler(h)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !wrap.IsHandshake(r) {
					h.ServeHTTP(w, r)
					return
				}
				own := &unwrapper{w}
				runtime.AddCleanup(own, func(done chan struct{}) { done <- struct{}{} }, gone)
				h.ServeHTTP(own, r)
			})
		}}.NewServer(t, nil)
		c := s.Dial(t, d)
		c.Connected(t)
		siotest.Eventually(t, "the writer has been collected", func() bool {
			runtime.GC()
			select {
			case <-gone:
				return true
			default:
				return false
			}
		})
		if s.IO.Engine().ClientsCount() != 1 {
			t.Error("the session has ended")
		}
	}
}

// unwrapper is a writer that http.ResponseController sees through.
type unwrapper struct{ http.ResponseWriter }

func (u *unwrapper) Unwrap() http.ResponseWriter { return u.ResponseWriter }
