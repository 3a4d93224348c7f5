package logging_test

import (
	"log/slog"
	"net/http"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestNilErrors: a cause that is a nil pointer ends neither the process nor the record.
func TestNilErrors(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, d siotest.Dial) {
		cause := siotest.NilError()
		l, log := newLogger(t, slog.LevelInfo, nil)
		s := serve(t, l, func(io *socket.Server) {
			wrap.UseAll(io, l.Middleware())
			_ = io.On("connection", func(args ...any) {
				go wrap.Kick(args[0].(*socket.Socket), &wrap.Error{Code: "replaced", Err: cause})
			})
		}, l.Handler, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.Header.Get("X-Do") {
				case "refuse":
					(&wrap.Error{Code: "forbidden", Err: cause}).ServeHTTP(w, r)
				case "panic":
					panic(cause)
				default:
					next.ServeHTTP(w, r)
				}
			})
		})
		s.Dial(t, d).Connected(t)
		check(t, log.one(t, "socket disconnected"), object{"code": "replaced", "error": "*siotest.nilError", "stack": nil})
		for i, what := range []string{"refuse", "panic"} {
			d.Header = http.Header{"X-Do": {what}}
			if _, err := s.Open(t, d); err == nil {
				t.Error("not refused")
			}
			check(t, log.wait(t, i+1, "handshake refused")[i], []object{
				{"status": 403, "code": "forbidden", "error": "*siotest.nilError"},
				{"status": nil, "code": "internal", "error": "panic: <nil>"},
			}[i])
		}
	})
}
