package redisstore_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
)

// BenchmarkChange takes a seat and gives it up, over loopback, with a watcher.
func BenchmarkChange(b *testing.B) {
	server := redistest.Start(b)
	server.NeedReal(b)
	for _, room := range []string{"", "room"} {
		for _, grace := range []time.Duration{0, time.Minute} {
			client, count := server.Client(b), &trips{}
			s := open(b, client, own())
			h := watch(s)
			var next atomic.Int64
			once := func(b *testing.B) {
				n := next.Add(1)
				e := entryOf(room, fmt.Sprint("user ", n%10_000), fmt.Sprint(n), grace)
				if err := s.Join(b.Context(), e); err != nil {
					b.Error(err)
				}
				if err := s.Leave(b.Context(), presence.CauseLeft, false, e.Seat); err != nil {
					b.Error(err)
				}
			}
			name := fmt.Sprintf("room=%q/grace=%v", room, grace)
			once(b)
			client.AddHook(count)
			b.Run(name+"/serial", func(b *testing.B) {
				b.ReportAllocs()
				count.n.Store(0)
				for b.Loop() {
					once(b)
				}
				b.ReportMetric(float64(count.n.Load())/float64(2*b.N), "trips/change")
				b.ReportMetric(float64(2*b.N)/b.Elapsed().Seconds(), "changes/s")
			})
			b.Run(name+"/parallel", func(b *testing.B) {
				b.ReportAllocs()
				b.SetParallelism(32)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						once(b)
					}
				})
				b.ReportMetric(float64(2*b.N)/b.Elapsed().Seconds(), "changes/s")
			})
			h.clear()
		}
	}
}

// BenchmarkAway is a Join while Redis is away.
func BenchmarkAway(b *testing.B) {
	s := open(b, redistest.Client(b, "127.0.0.1:1"), nil)
	e := entryOf("", "u", "1", 0)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Join(b.Context(), e); err == nil {
			b.Fatal("no error")
		}
	}
}

// BenchmarkGet asks for 100 users who are spread over all partitions.
func BenchmarkGet(b *testing.B) {
	server := redistest.Start(b)
	server.NeedReal(b)
	s := open(b, server.Client(b), own())
	var users []string
	for i := range 100 {
		users = append(users, fmt.Sprint("user ", i))
		join(b, s, entryOf("", users[i], "1", 0))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Get(b.Context(), "", users...); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHeal makes a node with many seats take all of them again.
func BenchmarkHeal(b *testing.B) {
	server := redistest.Start(b)
	server.NeedReal(b)
	s := open(b, server.Client(b), own())
	const seats = 10_000
	for i := range seats {
		join(b, s, entryOf("", fmt.Sprint(i), "1", 0))
	}
	for b.Loop() {
		epoch := s.Epoch()
		s.Heal()
		siotest.Eventually(b, "it has", func() bool { return s.Epoch() != epoch && s.Settled() })
	}
	b.ReportMetric(float64(seats*b.N)/b.Elapsed().Seconds(), "seats/s")
}
