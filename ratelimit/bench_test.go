package ratelimit_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
	"github.com/zishang520/socket.io/v2/socket"
)

// BenchmarkMemory is a hit: a key that is there, whose bucket allows or refuses.
func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{1, 100_000, 1_000_000} {
		keys := make([]string, n)
		for i := range keys {
			keys[i] = "c:ip:10." + strconv.Itoa(i>>16) + "." + strconv.Itoa(i>>8&255) + "." + strconv.Itoa(i&255)
		}
		// So many tokens, and so slow, that none runs out or comes back meanwhile.
		tokens := int(2e9) / n
		for _, bm := range []struct {
			name  string
			limit ratelimit.Limit
		}{
			{"allowed", ratelimit.Every(360 * 24 * time.Hour / time.Duration(tokens)).Burst(tokens)},
			{"refused", ratelimit.Every(360 * 24 * time.Hour)},
		} {
			m := ratelimit.NewMemoryStore(0)
			limit, allowed := bm.limit, bm.name == "allowed"
			hit := func(b *testing.B, key string) {
				v, err := m.Take(context.Background(), key, limit, 1)
				if err != nil || v.Allowed != allowed {
					b.Fatalf("%+v, %v", v, err)
				}
			}
			for _, k := range keys {
				_, _ = m.Take(context.Background(), k, bm.limit, 1)
			}
			b.Run(fmt.Sprintf("%s/keys=%d/serial", bm.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if i == n { // a division would be a good part of what is measured
						i = 0
					}
					hit(b, keys[i])
				}
			})
			b.Run(fmt.Sprintf("%s/keys=%d/parallel", bm.name, n), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i = (i + 1) % n {
						hit(b, keys[i])
					}
				})
			})
		}
	}
}

// BenchmarkEvents is how long an event takes from a client at full speed to its
// handler: on the host behind wrap.Handler, and with limits of events in total, by
// name and of bytes.
func BenchmarkEvents(b *testing.B) {
	const batch = 500
	for _, bm := range []struct {
		name string
		opts *ratelimit.Options
	}{
		{"bare", nil},
		{"nothing", &ratelimit.Options{}},
		{"events", &ratelimit.Options{Events: ratelimit.PerSecond(1e8)}},
		{"bytes", &ratelimit.Options{Bytes: ratelimit.PerSecond(1e9)}},
		{"limited", &ratelimit.Options{
			Events: ratelimit.PerSecond(1e8), Event: map[string]ratelimit.Limit{"echo": ratelimit.PerSecond(1e8)},
			Bytes: ratelimit.PerSecond(1e9),
		}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			handled := make(chan struct{}, batch)
			s := serve(b, func(io *socket.Server) {
				if bm.opts != nil {
					io.Use(newLimiter(b, ratelimit.PerSecond(1e6), bm.opts).Middleware())
				}
				_ = io.On("connection", func(args ...any) {
					_ = args[0].(*socket.Socket).On("echo", func(...any) { handled <- struct{}{} })
				})
			})
			c := s.Dial(b, siotest.Dial{})
			c.Connected(b)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				c.Emit("echo", "hello")
				if i >= batch { // as many as this are on their way
					<-handled
				}
			}
		})
	}
}

// BenchmarkJoin joins a namespace and leaves it.
func BenchmarkJoin(b *testing.B) {
	for _, bm := range []struct {
		name string
		opts *ratelimit.Options
	}{
		{"bare", nil},
		{"attempts", &ratelimit.Options{}},
		{"all", &ratelimit.Options{Concurrent: 10, Events: ratelimit.PerSecond(1), Bytes: ratelimit.PerSecond(1)}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			connected := make(chan *socket.Socket, 1)
			s := serve(b, func(io *socket.Server) {
				if bm.opts != nil {
					io.Use(newLimiter(b, ratelimit.PerSecond(1e6), bm.opts).Middleware())
				}
				_ = io.On("connection", func(args ...any) { connected <- args[0].(*socket.Socket) })
			})
			c := s.Dial(b, siotest.Dial{})
			(<-connected).Disconnect(false)
			b.ReportAllocs()
			for b.Loop() {
				c.Connect("/", nil)
				(<-connected).Disconnect(false)
			}
		})
	}
}

func BenchmarkFrom(b *testing.B) {
	l := newLimiter(b, ratelimit.PerSecond(1e6), nil)
	connected := make(chan *socket.Socket, 1)
	s := serve(b, func(io *socket.Server) {
		io.Use(l.Middleware())
		_ = io.On("connection", func(args ...any) { connected <- args[0].(*socket.Socket) })
	})
	s.Dial(b, siotest.Dial{}).Connected(b)
	sock := <-connected
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := l.From(sock); !ok {
			b.Fatal("gone")
		}
	}
}

func BenchmarkHandler(b *testing.B) {
	l := newLimiter(b, ratelimit.Every(time.Second).Burst(30e6), nil)
	h := l.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		clear(w.Header())
		h.ServeHTTP(w, r)
	}
}
