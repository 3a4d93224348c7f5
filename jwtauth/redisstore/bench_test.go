package redisstore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/jwtauth"
)

// BenchmarkAdmit has users log in (first) and come again, over loopback.
func BenchmarkAdmit(b *testing.B) {
	server := redistest.Start(b)
	server.NeedReal(b)
	clients := map[string]*redis.Client{"prompt": server.Client(b), "patient": redistest.Patient(b, server.Addr)}
	for _, client := range []string{"prompt", "patient"} {
		s := open(b, clients[client], unhurried)
		for _, p := range policies {
			b.Run(fmt.Sprintf("%s/policy%d/first", client, p), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					admit(b, s, login(p, fmt.Sprint(client, p, " ", i), "a", 0))
					i++
				}
			})
			b.Run(fmt.Sprintf("%s/policy%d/again", client, p), func(b *testing.B) {
				l := login(p, client+"again", "a", 0)
				b.ReportAllocs()
				for b.Loop() {
					admit(b, s, l)
				}
			})
			b.Run(fmt.Sprintf("%s/policy%d/parallel", client, p), func(b *testing.B) {
				b.SetParallelism(16)
				b.RunParallel(func(pb *testing.PB) {
					l := login(p, client+"parallel", "a", 0)
					for pb.Next() {
						admit(b, s, l)
					}
				})
			})
		}
	}
}

func admit(b *testing.B, s jwtauth.Store, l jwtauth.Login) {
	if v, err := s.Admit(b.Context(), l); v != jwtauth.Admitted || err != nil {
		b.Errorf("%d, %v", v, err)
	}
}

// BenchmarkWatch measures how long after a call of Revoke on one node the Watch
// of another is notified.
func BenchmarkWatch(b *testing.B) {
	server := redistest.Start(b)
	server.NeedReal(b)
	here, there := open(b, server.Client(b), unhurried), open(b, server.Client(b), unhurried)
	told := make(chan time.Time, 1)
	defer there.Watch(func(jwtauth.Change) { told <- time.Now() })()
	var all []time.Duration
	i := 0
	for b.Loop() {
		began := time.Now()
		if err := here.Revoke(b.Context(), jwtauth.ByID(fmt.Sprint(i))); err != nil {
			b.Fatal(err)
		}
		all = append(all, (<-told).Sub(began))
		i++
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "median-µs")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
}
