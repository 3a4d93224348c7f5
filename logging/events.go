package logging

import (
	"context"
	"log/slog"

	"github.com/sioware/sioware/wrap"
)

// passed runs when an event goes to its handlers: often, concurrently, and on a new
// goroutine. It allocates nothing unless the event is reported, and rare work is not
// inlined: a larger stack would have to be grown for each event.
func (w *watcher) passed(e *wrap.Event) {
	m := w.m
	if !m.client.text {
		m.eventsIn.Add(1)
	}
	if m.l.events != nil {
		w.sample(e, eventCase{})
	}
	if m.l.opts.Observer != nil {
		m.observed(e, eventCase{})
	}
}

// observed reports an event to the Observer.
//
//go:noinline
func (m *member) observed(e *wrap.Event, c eventCase) {
	m.l.tellEvent(context.Background(), m.at(), Event{
		Name: cutName(e.Name), Args: len(e.Args), Code: c.code, Handled: c.handled, Err: c.err,
	})
}

// eventCase is what became of an event that was not passed on.
type eventCase struct {
	code    string
	handled bool
	err     error
}

// refused runs when an event does not go to its handlers.
func (w *watcher) refused(e *wrap.Event, err error) {
	m := w.m
	if !m.client.text && m.l.tapped() {
		m.eventsIn.Add(1)
	}
	c := eventCase{handled: is(err, wrap.ErrHandled)}
	if !c.handled {
		c.code, _, c.err = explain(err)
		if c.code == "" && c.err == nil {
			c.err = err
		}
		if c.code == codeLimited {
			m.limited.Add(1)
		} else {
			m.errors.Add(1)
		}
	}
	switch {
	case c.handled || c.code == codeLimited:
		if m.l.events != nil {
			w.sample(e, c)
		}
	case serverFault(c.code, c.err):
		w.write(slog.LevelError, e, c, 0)
	case m.l.events != nil:
		w.write(slog.LevelWarn, e, c, 0)
	}
	if m.l.opts.Observer != nil {
		m.observed(e, c)
	}
}

// sample writes a record of an event, if the sampler says so.
//
//go:noinline
func (w *watcher) sample(e *wrap.Event, c eventCase) {
	l := w.m.l
	level := l.opts.Events.Level.Level()
	if !l.enabled(context.Background(), level) {
		return
	}
	write, dropped := l.events.take(e.Name, now())
	if !write {
		w.m.unlogged.Add(1)
		return
	}
	w.write(level, e, c, dropped)
}

// write writes a record of an event.
//
//go:noinline
func (w *watcher) write(level slog.Level, e *wrap.Event, c eventCase, dropped int64) {
	ctx := context.WithoutCancel(wrap.Context(w.s))
	if !w.m.l.enabled(ctx, level) {
		return
	}
	attrs := w.m.base(w.s)
	attrs.text("event", cutName(e.Name))
	attrs.count("args", int64(len(e.Args)))
	if e.Ack != nil {
		attrs.add(slog.Bool("ack", true))
	}
	attrs.text("code", c.code)
	attrs.cause(c.err)
	if c.handled {
		attrs.add(slog.Bool("handled", true))
	}
	if dropped > 0 {
		attrs.count("dropped", dropped)
	}
	w.m.l.write(ctx, level, "event", attrs)
}
