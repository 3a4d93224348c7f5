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

// recorder is a writer as many loggers have, which hides what else the server's writer can
// do.
type recorder struct{ http.ResponseWriter }

// TestHiddenHijacker: a handler around Handler that prevents all WebSockets is logged once,
// since clients silently stay with long-polling.
func TestHiddenHijacker(t *testing.T) {
	got := logged(t, func(func() string) {
		s := siotest.Config{
			Options: wrap.Harden(nil),
			Handler: func(h http.Handler) http.Handler {
				h = wrap.Handler(h)
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					h.ServeHTTP(&recorder{w}, r)
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

// TestUnhardened: UseAll warns, once for each server, of options that have not been through
// Harden.
func TestUnhardened(t *testing.T) {
	for _, hardened := range []bool{false, true} {
		got := logged(t, func(func() string) {
			o := socket.DefaultServerOptions()
			if hardened {
				wrap.Harden(o)
			}
			io := socket.NewServer(nil, o)
			wrap.UseAll(io, pass)
			wrap.UseAll(io, pass)
		})
		if want := map[bool]int{false: 1, true: 0}[hardened]; strings.Count(got, "Harden") != want*2 {
			t.Errorf("hardened %v: logged %q", hardened, got)
		}
	}
}
