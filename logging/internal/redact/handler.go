// Package redact removes secrets, and characters that forge lines, from the records of
// log/slog. The documentation of Redact in package logging says what counts as a secret,
// and what becomes of long and deep values.
package redact

import (
	"context"
	"log/slog"
	"maps"
)

// Handler removes secrets from records and passes them on. It is immutable, and safe for
// concurrent use if the next handler is.
type Handler struct {
	next  slog.Handler
	names Names
	known *cache  // of names
	group secrecy // of the open groups
}

// New returns a Handler in front of h. Keys are further names of secrets, matched as a
// whole. If h is a Handler itself, the new one does the work of both.
func New(h slog.Handler, keys ...string) *Handler {
	r := &Handler{next: h, known: new(cache)}
	if inner, ok := h.(*Handler); ok {
		*r = *inner
	}
	if len(keys) == 0 {
		return r
	}
	r.known = new(cache)
	r.names = maps.Clone(r.names)
	if r.names == nil {
		r.names = Names{}
	}
	for _, key := range keys {
		if text, _, _ := normalize(nil, key); len(text) > 0 { // otherwise anything without a name would match
			r.names[string(text)] = struct{}{}
		}
	}
	return r
}

// Next returns the handler that h passes records to.
func (h *Handler) Next() slog.Handler { return h.next }

// Names returns the keys that h was given. They must not be changed.
func (h *Handler) Names() Names { return h.names }

func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	quiet := h.names.quiet(r.Message, maxText, false)
	if quiet {
		r.Attrs(func(a slog.Attr) bool {
			w := h.walk()
			quiet = w.quiet(a, 0, h.group)
			return quiet
		})
	}
	if quiet {
		return h.next.Handle(ctx, r)
	}
	out := slog.NewRecord(r.Time, r.Level, h.names.text(r.Message, maxText, false), r.PC)
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, h.attr(a))
		return true
	})
	out.AddAttrs(attrs...)
	return h.next.Handle(ctx, out)
}

func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.attr(a)
	}
	r := *h
	r.next = h.next.WithAttrs(clean)
	return &r
}

func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	r := *h
	r.group = max(h.group, h.names.grade(name))
	r.next = h.next.WithGroup(h.names.text(name, maxName, false))
	return &r
}

func (h *Handler) attr(a slog.Attr) slog.Attr {
	w := h.walk()
	return w.attr(a, 0, h.group)
}
