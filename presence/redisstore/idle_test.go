package redisstore_test

import (
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/presence/redisstore"
)

// BenchmarkIdle is what ten nodes ask of Redis when nobody comes or goes, in one lease of
// 15 seconds, and what a member takes there. Each iteration is a lease.
func BenchmarkIdle(b *testing.B) {
	const nodes = 10
	for _, members := range []int{0, 10_000, 1_000_000} {
		b.Run(fmt.Sprint("members=", members), func(b *testing.B) {
			if members > 100_000 && testing.Short() {
				b.Skip("it takes minutes to put them there")
			}
			server := redistest.Start(b)
			server.NeedReal(b)
			client := server.Client(b)
			empty := figure(b, client, "memory", `used_memory:(\d+)`)
			var wg sync.WaitGroup
			for n := range nodes {
				s := open(b, server.Client(b), &redisstore.Options{Timeout: 20 * time.Second})
				join(b, s, entryOf("", fmt.Sprint("node ", n), "1", 0)) // it has a lease
				for part := range 20 {
					wg.Go(func() {
						for i := n*20 + part; i < members; i += nodes * 20 {
							join(b, s, entryOf("", fmt.Sprint("user-", i), fmt.Sprint("device-", i), time.Minute))
						}
					})
				}
			}
			wg.Wait()
			used := figure(b, client, "memory", `used_memory:(\d+)`) - empty
			scripts, all := figure(b, client, "commandstats", `cmdstat_evalsha:calls=(\d+)`), figure(b, client, "stats", `total_commands_processed:(\d+)`)
			b.ResetTimer()
			for b.Loop() {
				timer := time.NewTimer(redisstore.DefaultLease)
				<-timer.C
			}
			if members > 0 {
				b.ReportMetric(float64(used)/float64(members), "B/member")
			}
			b.ReportMetric(float64(figure(b, client, "commandstats", `cmdstat_evalsha:calls=(\d+)`)-scripts)/float64(b.N), "scripts/lease")
			b.ReportMetric(float64(figure(b, client, "stats", `total_commands_processed:(\d+)`)-all)/float64(b.N), "commands/lease")
		})
	}
}

// figure returns a number that Redis reports about itself.
func figure(b *testing.B, client *redis.Client, section, pattern string) int64 {
	b.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(client.Info(b.Context(), section).Val())
	if m == nil {
		return 0
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}
