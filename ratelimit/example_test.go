package ratelimit_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// The whole of a connection's life under one policy.
func Example() {
	limit, err := ratelimit.New(ratelimit.PerMinute(60), &ratelimit.Options{
		Concurrent: 10,
		Events:     ratelimit.PerSecond(20).Burst(50),
		Event:      map[string]ratelimit.Limit{"search": ratelimit.PerMinute(30)},
		Bytes:      ratelimit.PerSecond(64 << 10).Burst(4 << 20),
		Penalty:    ratelimit.Penalty{After: ratelimit.PerMinute(100), Ban: time.Minute},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io, limit.Middleware())
	http.Handle("/socket.io/", wrap.Handler(io.ServeHandler(nil), limit.Handler))
}

// Faults of the options come all at once.
func ExampleNew() {
	_, err := ratelimit.New(ratelimit.PerMinute(0), &ratelimit.Options{
		Concurrent:  -1,
		Events:      ratelimit.PerSecond(10).Burst(0),
		ProxyHeader: "X-Real-IP",
	})
	fmt.Println(err)
	// Output:
	// ratelimit: connect: 0 per 1m0s, burst 0: not positive
	// ratelimit: Events: 10 per 1s, burst 0: not positive
	// ratelimit: Concurrent: -1 is negative
	// ratelimit: ProxyHeader: "X-Real-IP" is never read without TrustedProxies
}

// A limiter in front of the engine, and of pages, is plain net/http middleware.
func ExampleLimiter_Handler() {
	limit, err := ratelimit.New(ratelimit.PerMinute(1), &ratelimit.Options{
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	h := limit.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for range 2 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "10.0.0.1:4711"
		r.Header.Set("X-Forwarded-For", "192.0.2.1")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("Retry-After"), w.Header().Get("RateLimit"))
	}
	// Output:
	// 200  "connect";r=0;t=60
	// 429 60 "connect";r=0;t=60
}

// Users who are known have limits of their own, wherever they come from.
func ExampleByUser() {
	auth, err := jwtauth.New[jwtauth.Claims](jwtauth.HMAC([]byte("0123456789abcdef0123456789abcdef")), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer auth.Close(context.Background())
	limit, err := ratelimit.New(ratelimit.PerMinute(60), &ratelimit.Options{
		Key:    ratelimit.ByUser(auth.Subject),
		Events: ratelimit.PerSecond(10),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io, auth.Middleware(), limit.Middleware()) // behind what tells who it is
}

// Some events cost more than others.
func ExampleOptions_cost() {
	limit, err := ratelimit.New(ratelimit.Unlimited(), &ratelimit.Options{
		Events: ratelimit.PerSecond(20),
		Cost: func(_ *socket.Socket, e *wrap.Event) int64 {
			switch e.Name {
			case "typing":
				return 0
			case "search":
				return 10
			}
			return 1
		},
	})
	fmt.Println(limit != nil, err)
	// Output: true <nil>
}

// A store can be used for other things too.
func ExampleMemoryStore() {
	store := ratelimit.NewMemoryStore(0)
	for range 3 {
		v, err := store.Take(context.Background(), "login:ada", ratelimit.PerHour(2), 1)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(v.Allowed, v.Remaining, v.RetryAfter.Round(time.Minute))
	}
	// Output:
	// true 1 0s
	// true 0 0s
	// false 0 30m0s
}
