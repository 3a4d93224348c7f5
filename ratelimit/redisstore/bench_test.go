package redisstore_test

import (
	"math"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/ratelimit"
)

// BenchmarkTake is over loopback, by a client that honors the deadlines of contexts
// and by one that does not.
func BenchmarkTake(b *testing.B) {
	server := redistest.Start(b)
	server.NeedReal(b)
	clients := map[string]*redis.Client{"prompt": server.Client(b), "patient": redistest.Patient(b, server.Addr)}
	for _, client := range []string{"prompt", "patient"} {
		s := open(b, clients[client], unhurried)
		for _, test := range []struct {
			name  string
			limit ratelimit.Limit
		}{
			{"allowed", ratelimit.Every(1).Burst(math.MaxInt32)},
			{"refused", ratelimit.Every(24 * time.Hour)},
		} {
			take(b, s, test.name, test.limit, 1)
			b.Run(client+"/"+test.name+"/serial", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					take(b, s, test.name, test.limit, 1)
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
			})
			b.Run(client+"/"+test.name+"/parallel", func(b *testing.B) {
				b.ReportAllocs()
				b.SetParallelism(32)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if v, err := s.Take(b.Context(), test.name, test.limit, 1); err != nil || v.Allowed != (test.name == "allowed") {
							b.Errorf("%+v, %v", v, err)
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
			})
		}
	}
}

// BenchmarkBroken is a call while Redis is away.
func BenchmarkBroken(b *testing.B) {
	s := open(b, redistest.Client(b, "127.0.0.1:1"), nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Take(b.Context(), "key", hourly, 1); err == nil {
			b.Fatal("allowed")
		}
	}
}

// BenchmarkAcquire takes a slot and gives it back, which costs Redis two commands.
func BenchmarkAcquire(b *testing.B) {
	server := redistest.Start(b)
	server.NeedReal(b)
	s := open(b, server.Client(b), unhurried)
	once := func(b *testing.B) {
		release, _, err := s.Acquire(b.Context(), "key", 1<<40)
		if err != nil {
			b.Error(err)
			return
		}
		release()
	}
	b.Run("serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			once(b)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				once(b)
			}
		})
	})
}

// BenchmarkRenew has many slots renewed, each of a key of its own.
func BenchmarkRenew(b *testing.B) {
	server := redistest.Start(b)
	server.NeedReal(b)
	const slots = 10_000
	s := open(b, server.Client(b), unhurried)
	for i := range slots {
		acquire(b, s, string(rune(i)), 1)
	}
	for b.Loop() {
		if err := s.Renew(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(slots*b.N)/b.Elapsed().Seconds(), "slots/s")
}
