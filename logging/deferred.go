package logging

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"github.com/sioware/sioware/logging/internal/redact"
)

// deferred is the handler of a socket's own logger. Most sockets have nothing to say: what
// all of its records have in common is written out for the first one.
type deferred struct {
	base  slog.Handler
	m     *member // nil once own is there
	attrs record  // what Options.User and Options.Attrs have said; likewise

	once sync.Once
	own  slog.Handler
}

// deferrable reports whether no code of the application runs when h is given attrs, and
// nothing but what they are now comes of it. Such code may itself log for the socket, or
// wait for others that do, and what it reads may change: it is not to run in a once.
func deferrable(h slog.Handler, attrs []slog.Attr) bool {
	if r, ok := h.(*redact.Handler); ok {
		h = r.Next()
	}
	switch h.(type) {
	case *slog.JSONHandler, *slog.TextHandler:
		return !slices.ContainsFunc(attrs, lively)
	}
	return false // what it enables may depend on its attributes, too
}

// lively reports whether a may have code, or change.
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
