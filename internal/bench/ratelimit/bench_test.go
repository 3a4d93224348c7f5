package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// plenty is how many tokens all keys have together: enough for a quarter of an hour
// at 30 ns each. One token of a key comes back in a millisecond times the number of
// keys, so that no key is forgotten before it is used again.
const plenty int64 = 30e9

func BenchmarkTake(b *testing.B) {
	for _, n := range []int{1, 100_000, 1_000_000} {
		for _, c := range contenders {
			b.Run(fmt.Sprintf("lib=%s/keys=%d", c.name, n), func(b *testing.B) {
				keys := make([]string, n)
				fill(keys)
				take := c.take(b, keys, plenty/int64(n))
				// Clients do not come in the order of their first visit, and their keys
				// are not the strings that were stored.
				for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
					if !take(i) {
						b.Fatalf("%s was refused", keys[i])
					}
				}
				for i := range keys {
					keys[i] = strings.Clone(keys[i])
				}
				runtime.GC() // not while it is measured

				b.Run("mode=serial", func(b *testing.B) {
					b.ReportAllocs()
					i, refused := 0, 0
					for b.Loop() {
						if !take(i) {
							refused++
						}
						if i++; i == n {
							i = 0
						}
					}
					if refused > 0 {
						b.Fatalf("%d of %d were refused", refused, b.N)
					}
				})
				b.Run("mode=parallel", func(b *testing.B) {
					b.ReportAllocs()
					b.RunParallel(func(pb *testing.PB) {
						i, refused := rand.IntN(n), 0
						for pb.Next() {
							if !take(i) {
								refused++
							}
							if i++; i == n {
								i = 0
							}
						}
						if refused > 0 {
							b.Errorf("%d were refused", refused)
						}
					})
				})
			})
		}
	}
}

func BenchmarkHandler(b *testing.B) {
	run := func(name string, h http.Handler) {
		b.Run("lib="+name+"/mode=serial", func(b *testing.B) {
			b.ReportAllocs()
			w, r := &response{header: http.Header{}}, request(1)
			for b.Loop() {
				clear(w.header)
				h.ServeHTTP(w, r)
			}
			if w.status != 0 {
				b.Fatalf("status %d", w.status)
			}
		})
		b.Run("lib="+name+"/mode=parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				w, r := &response{header: http.Header{}}, request(1)
				for pb.Next() {
					clear(w.header)
					h.ServeHTTP(w, r)
				}
				if w.status != 0 {
					b.Errorf("status %d", w.status)
				}
			})
		})
	}
	run("none", empty)
	for _, c := range contenders {
		if c.wrap != nil {
			run(c.name, c.wrap(b, plenty)(empty))
		}
	}
}

func BenchmarkMemory(b *testing.B) {
	const n = 100_000
	for _, c := range contenders {
		b.Run(fmt.Sprintf("lib=%s/keys=%d", c.name, n), func(b *testing.B) {
			keys := make([]string, n)
			var used, times int64
			for b.Loop() {
				before := heap()
				fill(keys)
				take := c.take(b, keys, plenty/n)
				for i := range keys {
					if !take(i) {
						b.Fatalf("%s was refused", keys[i])
					}
				}
				clear(keys) // those that are still there are kept by the library
				used += heap() - before
				times++
				runtime.KeepAlive(take)
			}
			b.ReportMetric(float64(used)/float64(times)/n, "B/key")
			b.ReportMetric(0, "ns/op") // irrelevant
		})
	}
}

// heap returns the bytes in use.
func heap() int64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.GC() // what the finalizers of the first run have released
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}
