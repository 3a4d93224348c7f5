package wrap_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// recorder is the writer of many a logger: it notes the status, and hides the rest.
type recorder struct {
	http.ResponseWriter
	status int
}

// TestHiddenHijacker: a handler around Handler that takes WebSockets from all clients is
// told of, once, since these go on with long-polling and say nothing.
func TestHiddenHijacker(t *testing.T) {
	got := logged(t, func(func() string) {
		s := siotest.Config{
			Options: wrap.Harden(nil),
			Handler: func(h http.Handler) http.Handler {
				h = wrap.Handler(h)
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					h.ServeHTTP(&recorder{ResponseWriter: w}, r)
				})
			},
		}.NewServer(t, func(*socket.Server) {})
		for range 2 {
			var refused *siotest.RefusedError
			if _, err := s.Open(t, siotest.Dial{}); !errors.As(err, &refused) {
				t.Errorf("opened: %v", err)
			}
		}
		s.Dial(t, siotest.Dial{Polling: true}).Connected(t)
	})
	if strings.Count(got, "http.Hijacker") != 1 || !strings.Contains(got, "writer=*wrap_test.recorder") {
		t.Errorf("logged %q", got)
	}
}
