package logging

import (
	"context"
	"log/slog"

	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// watcher receives the hooks of package wrap for a socket, and is kept as long as that.
type watcher struct {
	m *member
	s *socket.Socket
}

// connected runs when the host has connected the socket.
func (w *watcher) connected() {
	m := w.m
	if !m.phase.CompareAndSwap(pending, opening) {
		return // it has gone, and that is reported
	}
	m.since = now()
	ctx := context.WithoutCancel(wrap.Context(w.s))
	m.l.tellOpened(ctx, m.at())
	m.told = m.appAttrs(w.s)
	if level := m.l.opts.Level.Level(); m.l.enabled(ctx, level) {
		attrs := m.with(m.told)
		attrs.took("took", m.since-m.began)
		attrs.agent(*m.agent)
		m.l.write(ctx, level, "socket connected", attrs)
	}
	m.agent = nil // keep a connected socket small
	if f := m.fault.Swap(nil); f != nil {
		m.tellFault(ctx, w.s, f.err)
	}
	if !m.phase.CompareAndSwap(opening, opened) {
		m.phase.Store(ended)
		m.closed(w.s, wrap.Context(w.s))
	}
}

// fault receives what went wrong on our side. In the middlewares it is why the socket is
// refused, and is reported with that.
func (w *watcher) fault(err error) {
	m := w.m
	m.fault.CompareAndSwap(nil, &faultCase{err})
	if m.phase.Load() == pending {
		return
	}
	if f := m.fault.Swap(nil); f != nil {
		m.tellFault(context.WithoutCancel(wrap.Context(w.s)), w.s, f.err)
	}
}

func (m *member) tellFault(ctx context.Context, s *socket.Socket, err error) {
	if !m.l.enabled(ctx, slog.LevelError) {
		return
	}
	attrs := m.base(s)
	code, _, cause := explain(err)
	if cause == nil {
		cause = err
	}
	attrs.text("code", code)
	attrs.cause(cause)
	m.l.write(ctx, slog.LevelError, "socket fault", attrs)
}
