package ratelimit_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/didip/tollbooth/v8"
	"github.com/didip/tollbooth/v8/limiter"
	"github.com/go-chi/httprate"
	golimiter "github.com/sethvargo/go-limiter"
	"github.com/sethvargo/go-limiter/httplimit"
	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/sioware/sioware/ratelimit"
	"golang.org/x/time/rate"
)

// window is how long an empty bucket takes to fill, whatever its size, so that no bucket
// is full again during a measurement: it would be forgotten, and the next use would not
// be a hit.
const window = 360 * 24 * time.Hour

// contenders are the limiters compared. All of them allow the given number of tokens per
// window.
var contenders = []struct {
	name string
	// take returns the function that decides on keys[i]. It reads keys when it is called.
	take func(tb testing.TB, keys []string, tokens int64) func(i int) (allowed bool)
	// wrap returns the middleware, which counts by the address of the connection.
	wrap func(tb testing.TB, tokens int64) func(http.Handler) http.Handler
}{
	{
		name: "sioware",
		take: func(tb testing.TB, keys []string, tokens int64) func(int) bool {
			m, l, ctx := ratelimit.NewMemoryStore(0), siowareLimit(tokens), tb.Context()
			return func(i int) bool {
				v, err := m.Take(ctx, keys[i], l, 1)
				return v.Allowed && err == nil
			}
		},
		wrap: func(tb testing.TB, tokens int64) func(http.Handler) http.Handler {
			l, err := ratelimit.New(siowareLimit(tokens), nil)
			if err != nil {
				tb.Fatal(err)
			}
			return l.Handler
		},
	},
	{
		// Without HTTP no decision is a single step: Status and Counter().Increment are
		// two, and not enough for a limit. OnLimit sets headers, which have no names
		// here: it then leaves the response alone, but computes their values all the
		// same.
		name: "httprate",
		take: func(_ testing.TB, keys []string, tokens int64) func(int) bool {
			l := httprate.NewRateLimiter(int(tokens), window, httprate.WithResponseHeaders(httprate.ResponseHeaders{}))
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			return func(i int) bool { return !l.OnLimit(nil, r, keys[i]) }
		},
		wrap: func(_ testing.TB, tokens int64) func(http.Handler) http.Handler {
			return httprate.LimitBy(int(tokens), window, remoteAddr)
		},
	},
	{
		name: "golimiter",
		take: func(tb testing.TB, keys []string, tokens int64) func(int) bool {
			s, ctx := memoryStore(tb, tokens), tb.Context()
			return func(i int) bool {
				_, _, _, ok, err := s.Take(ctx, keys[i])
				return ok && err == nil
			}
		},
		wrap: func(tb testing.TB, tokens int64) func(http.Handler) http.Handler {
			m, err := httplimit.NewMiddleware(memoryStore(tb, tokens), httplimit.IPKeyFunc())
			if err != nil {
				tb.Fatal(err)
			}
			return m.Handle
		},
	},
	{
		// LimitByKeys is LimitReached, followed by another look-up of the key to report
		// what is left.
		name: "tollbooth",
		take: func(_ testing.TB, keys []string, tokens int64) func(int) bool {
			l := tollboothLimiter(tokens)
			return func(i int) bool { return !l.LimitReached(keys[i]) }
		},
		wrap: func(_ testing.TB, tokens int64) func(http.Handler) http.Handler {
			l := tollboothLimiter(tokens)
			return func(next http.Handler) http.Handler { return tollbooth.LimitHandler(l, next) }
		},
	},
	{
		// It has no keys.
		name: "xtime",
		take: func(_ testing.TB, keys []string, tokens int64) func(int) bool {
			limiters := make([]*rate.Limiter, len(keys))
			for i := range limiters {
				limiters[i] = rate.NewLimiter(perSecond(tokens), int(tokens))
			}
			return func(i int) bool { return limiters[i].Allow() }
		},
	},
}

func perSecond(tokens int64) rate.Limit { return rate.Limit(float64(tokens) / window.Seconds()) }

func siowareLimit(tokens int64) ratelimit.Limit {
	return ratelimit.Every(window / time.Duration(tokens)).Burst(int(tokens))
}

// remoteAddr is the key that the documentation of httprate recommends, without the
// middleware of chi that puts it into the context.
func remoteAddr(r *http.Request) (string, error) {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	return httprate.CanonicalizeIP(ip), err
}

func memoryStore(tb testing.TB, tokens int64) golimiter.Store {
	s, err := memorystore.New(&memorystore.Config{Tokens: uint64(tokens), Interval: window})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func tollboothLimiter(tokens int64) *limiter.Limiter {
	return tollbooth.NewLimiter(float64(perSecond(tokens)), nil).SetBurst(int(tokens)).
		SetIPLookup(limiter.IPLookup{Name: "RemoteAddr"}).SetIgnoreURL(true) // by address only, like the others
}

// fill makes as many IPv4 addresses as keys has room for.
func fill(keys []string) {
	for i := range keys {
		keys[i] = fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
	}
}

// response is written to by a handler, and remembers only the status.
type response struct {
	header http.Header
	status int
}

func (w *response) Header() http.Header         { return w.header }
func (w *response) Write(b []byte) (int, error) { return len(b), nil }
func (w *response) WriteHeader(status int)      { w.status = status }

// empty does nothing, so that the status stays 0 if a request is allowed.
var empty = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// request returns a request from the i-th address.
func request(i int) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1234", i)
	return r
}

func TestTake(t *testing.T) {
	t.Parallel()
	for _, c := range contenders {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			keys := make([]string, 1000)
			fill(keys)
			take := c.take(t, keys, 2)
			for n, allowed := range []bool{true, true, false, false} {
				for i, key := range keys {
					if got := take(i); got != allowed {
						t.Fatalf("token %d of %s: allowed %v, want %v", n+1, key, got, allowed)
					}
				}
			}
		})
	}
}

func TestHandler(t *testing.T) {
	t.Parallel()
	for _, c := range contenders {
		if c.wrap == nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			h := c.wrap(t, 2)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls++ }))
			for n, want := range []int{0, 0, http.StatusTooManyRequests} {
				for i := range 3 {
					w := &response{header: http.Header{}}
					h.ServeHTTP(w, request(i))
					if w.status != want {
						t.Errorf("request %d of client %d: status %d, want %d", n+1, i, w.status, want)
					}
					if len(w.header) < 2 {
						t.Errorf("request %d of client %d: header %v", n+1, i, w.header)
					}
				}
			}
			if calls != 6 {
				t.Errorf("%d requests came through, want 6", calls)
			}
		})
	}
}
