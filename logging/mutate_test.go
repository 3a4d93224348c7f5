package logging_test

import (
	"log/slog"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/sioware/sioware/logging"
)

// TestRequestMutated: a request is recorded as it came, even if its handler changes its
// URL and headers, also in a goroutine that http.TimeoutHandler leaves behind.
func TestRequestMutated(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"in time": false, "late": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, log := newLogger(t, slog.LevelDebug, &logging.Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
			done := make(chan struct{})
			h := func(_ http.ResponseWriter, r *http.Request) {
				defer close(done)
				for {
					r.URL.Path = "/elsewhere"
					r.Header.Set("X-Forwarded-For", "192.0.2.99")
					if !late || r.Context().Err() != nil && len(log.all(t)) > 0 {
						return
					}
				}
			}
			if late {
				h = http.TimeoutHandler(http.HandlerFunc(h), 20*time.Millisecond, "").ServeHTTP
			}
			s := page(t, l, h)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/page", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Forwarded-For", "192.0.2.7")
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			<-done
			check(t, log.one(t, "request"), object{"path": "/page", "addr": "192.0.2.7"})
		})
	}
}
