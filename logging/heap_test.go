package logging_test

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// BenchmarkHeap measures the memory of an idle connection.
func BenchmarkHeap(b *testing.B) {
	const clients = 1000
	heap := func(use, handle bool, o *logging.Options) float64 {
		l := discard(b, slog.LevelInfo, o)
		s := siotest.Config{
			Options: wrap.Harden(nil),
			Handler: func(h http.Handler) http.Handler {
				if use && handle {
					return wrap.Handler(h, l.Handler)
				}
				return wrap.Handler(h, func(next http.Handler) http.Handler { return next })
			},
		}.NewServer(b, func(io *socket.Server) {
			if use {
				io.Use(l.Middleware())
			}
			io.Use(wrap.Func(func(context.Context, *socket.Socket) error { return nil }))
		})
		var before, after runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range clients {
			s.Dial(b, siotest.Dial{}).Connected(b)
		}
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&after)
		return float64(after.HeapAlloc-before.HeapAlloc) / clients
	}
	heap(true, true, nil) // one-time allocations
	for b.Loop() {
		bare := heap(false, false, nil)
		b.ReportMetric(bare, "B/bare")
		b.ReportMetric(heap(true, false, nil)-bare, "B/middleware")
		b.ReportMetric(heap(true, true, nil)-bare, "B/both")
	}
}
