package redact

import (
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func BenchmarkHandler(b *testing.B) {
	bare := slog.NewJSONHandler(io.Discard, nil)
	clean := []slog.Attr{
		slog.String("sid_type", "socket"), slog.String("namespace", "/chat"), slog.String("reason", "transport close"),
		slog.String("addr", "192.0.2.1:54321"), slog.Int("events", 12), slog.Duration("lasted", time.Minute),
		slog.Bool("recovered", false), slog.String("socket", socketID),
	}
	secret := append(clean[:7:7], slog.String("token", jwt))
	megabyte := []slog.Attr{slog.String("data", strings.Repeat("some text, and more ", 1<<20/20))}
	for _, bench := range []struct {
		name  string
		h     slog.Handler
		attrs []slog.Attr
	}{
		{"bare", bare, clean},
		{"clean", New(bare), clean},
		{"none/clean", New(slog.DiscardHandler), clean},
		{"none/secret", New(slog.DiscardHandler), secret},
		{"none/megabyte", New(slog.DiscardHandler), megabyte},
	} {
		b.Run(bench.name, func(b *testing.B) {
			r := slog.NewRecord(time.Now(), slog.LevelInfo, "disconnected", 0)
			r.AddAttrs(bench.attrs...)
			b.ReportAllocs()
			for b.Loop() {
				_ = bench.h.Handle(b.Context(), r)
			}
		})
	}
}

func BenchmarkQuiet(b *testing.B) {
	for name, s := range map[string]string{
		"plain": strings.Repeat("some text, and more ", 100),
		"close": strings.Repeat("at 127.0.0.1:8080, x=1 ", 80),
		// The most expensive things that clients can send.
		"urls":     strings.Repeat(":x://", maxText/5),
		"encoded":  strings.Repeat("%3a%2f%2f", maxText/9),
		"bearers":  strings.Repeat("bearer+realm=", maxText/13),
		"escaping": strings.Repeat(`\`, maxText),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(s)))
			b.ReportAllocs()
			for b.Loop() {
				_ = Names(nil).Text(s)
			}
		})
	}
}
