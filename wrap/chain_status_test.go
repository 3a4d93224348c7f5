package wrap_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
)

// statusWriter is what most loggers use: it has neither Hijack nor Unwrap.
type statusWriter struct {
	http.ResponseWriter
	status, size int
}

func (s *statusWriter) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusWriter) Write(p []byte) (int, error) {
	if s.status == 0 {
		s.status = 200
	}
	s.size += len(p)
	return s.ResponseWriter.Write(p)
}

func TestChainStatus(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		type record struct{ status, size int }
		log := make(chan record, 100)
		r := start(mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			s := &statusWriter{ResponseWriter: w}
			next.ServeHTTP(s, r)
			if wrap.IsHandshake(r) {
				log <- record{s.status, s.size}
			}
		}))
		c, _ := r.admitted(t)
		got := <-log
		want := http.StatusSwitchingProtocols
		if r.dial.Polling || !r.http {
			want = http.StatusOK
		}
		if got.status != want {
			t.Errorf("logged %d, want %d", got.status, want)
		}
		if r.name == "Handler" && (got.size > 0) != r.dial.Polling {
			t.Errorf("logged %d bytes", got.size)
		}
		c.Close()
		if r.name != "Handler" {
			return // at Engine the engine decides afterwards
		}
		// What the engine refuses is logged as such.
		res, err := http.Get(r.URL + siotest.Path + "?EIO=4&transport=nonsense")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if got := <-log; got.status != 400 || res.StatusCode != 400 || got.size != len(body) {
			t.Errorf("the engine has refused: logged %+v, answered %d %q", got, res.StatusCode, body)
		}
	})
}
