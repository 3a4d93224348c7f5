package logging

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"github.com/sioware/sioware/logging/internal/redact"
)

// deferred is the handler of a socket's own logger. Most sockets log nothing, so the
// common attributes are prepared only for the first record.
type deferred struct {
	base  slog.Handler
	m     *member // nil once own is set
	attrs record  // from Options.User and Options.Attrs; nil once own is set

	once sync.Once
	own  slog.Handler
}

// deferrable reports whether giving attrs to h later runs no code of the application and
// yields the same result as now. Such code might itself log for the socket, or wait for
// others that do, which must not happen inside a sync.Once; and what it reads might
// change.
func deferrable(h slog.Handler, attrs []slog.Attr) bool {
	if r, ok := h.(*redact.Handler); ok {
		h = r.Next()
	}
	switch h.(type) {
	case *slog.JSONHandler, *slog.TextHandler:
		return !slices.ContainsFunc(attrs, lively)
	}
	return false // what it enables may depend on its attributes as well
}

// lively reports whether a may run code or change.
func lively(a slog.Attr) bool {
	switch a.Value.Kind() {
	case slog.KindAny, slog.KindLogValuer, slog.KindGroup:
		return true
	}
	return false
}

// handler returns the handler that d stands for.
func (d *deferred) handler() slog.Handler {
	d.once.Do(func() {
		m, attrs := d.m, d.attrs
		d.own, d.m, d.attrs = d.base, nil, nil
		defer func() { _ = recover() }() // of the application's handler: as in write
		c := m.at()
		d.own = d.base.WithAttrs(append(record{c.group()}, attrs...))
	})
	return d.own
}

func (d *deferred) Enabled(ctx context.Context, level slog.Level) bool {
	return d.base.Enabled(ctx, level)
}

func (d *deferred) Handle(ctx context.Context, r slog.Record) error {
	return d.handler().Handle(ctx, r)
}

func (d *deferred) WithAttrs(attrs []slog.Attr) slog.Handler { return d.handler().WithAttrs(attrs) }

func (d *deferred) WithGroup(name string) slog.Handler { return d.handler().WithGroup(name) }
