package logging

import (
	"context"
	"log/slog"
	"sync"
)

// deferred is the handler of a socket's own logger. Most sockets have nothing to say: what
// all of its records have in common is written out for the first one.
type deferred struct {
	m     *member
	attrs record // what Options.User and Options.Attrs have said

	once sync.Once
	own  slog.Handler
}

// handler returns the handler that d stands for.
func (d *deferred) handler() slog.Handler {
	d.once.Do(func() {
		d.own = d.m.l.handler
		defer func() { _ = recover() }() // of the application's handler: as in write
		c := d.m.at()
		d.own = d.own.WithAttrs(append(record{c.group()}, d.attrs...))
	})
	return d.own
}

func (d *deferred) Enabled(ctx context.Context, level slog.Level) bool {
	return d.m.l.handler.Enabled(ctx, level)
}

func (d *deferred) Handle(ctx context.Context, r slog.Record) error {
	return d.handler().Handle(ctx, r)
}

func (d *deferred) WithAttrs(attrs []slog.Attr) slog.Handler { return d.handler().WithAttrs(attrs) }

func (d *deferred) WithGroup(name string) slog.Handler { return d.handler().WithGroup(name) }
