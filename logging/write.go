package logging

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zishang520/socket.io/v2/socket"
)

// Limits on what clients say about themselves.
const (
	maxAgent = 256
	maxURL   = 2048
)

// enabled reports whether a record with this level would be written.
func (l *Logger) enabled(ctx context.Context, level slog.Level) (ok bool) {
	defer func() { _ = recover() }()
	return l.handler.Enabled(ctx, level)
}

// write writes a record whose level is enabled. What the handler does with it does not
// matter here: a log that fails must not bring down what it reports on. attrs must not be
// used afterwards.
func (l *Logger) write(ctx context.Context, level slog.Level, message string, attrs *record) {
	defer func() { _ = recover() }()
	r := slog.NewRecord(time.Now(), level, message, 0)
	r.AddAttrs(*attrs...) // AddAttrs copies them
	attrs.free()
	_ = l.handler.Handle(ctx, r)
}

// mishaps are the panics of application functions that have been reported: one of each
// kind is enough.
type mishaps struct {
	opened, refused, event, closed, user, attrs atomic.Bool
}

// recovered, when deferred, logs a panic of a function of the application.
func (l *Logger) recovered(ctx context.Context, name string, told *atomic.Bool) {
	p := recover()
	if p == nil || !told.CompareAndSwap(false, true) || !l.enabled(ctx, slog.LevelError) {
		return
	}
	l.write(ctx, slog.LevelError, "logging: function of the application panicked", &record{
		slog.String("function", name),
		slog.String("error", panicText(p)),
		slog.String("stack", string(debug.Stack())),
	})
}

// panicText returns the text of a recovered panic.
func panicText(p any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("panic: %T", p)
		}
	}()
	return fmt.Sprintf("panic: %v", p)
}

// errorText returns the text of err, or its type if that panics.
func errorText(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("%T", err)
		}
	}()
	return err.Error()
}

func (l *Logger) tellOpened(ctx context.Context, c Conn) {
	if l.opts.Observer != nil {
		defer l.recovered(ctx, "Observer.Opened", &l.mishaps.opened)
		l.opts.Observer.Opened(c)
	}
}

func (l *Logger) tellRefused(ctx context.Context, c Conn, r Refusal) {
	if l.opts.Observer != nil {
		defer l.recovered(ctx, "Observer.Refused", &l.mishaps.refused)
		l.opts.Observer.Refused(c, r)
	}
}

func (l *Logger) tellEvent(ctx context.Context, c Conn, e Event) {
	defer l.recovered(ctx, "Observer.Event", &l.mishaps.event)
	l.opts.Observer.Event(c, e)
}

func (l *Logger) tellClosed(ctx context.Context, c Conn, s Summary) {
	if l.opts.Observer != nil {
		defer l.recovered(ctx, "Observer.Closed", &l.mishaps.closed)
		s.Transports = slices.Clone(s.Transports) // all sockets of the connection share them
		l.opts.Observer.Closed(c, s)
	}
}

// userOf returns the user of s, or "".
func (l *Logger) userOf(ctx context.Context, s *socket.Socket) (user string) {
	if l.opts.User == nil {
		return ""
	}
	defer l.recovered(ctx, "Options.User", &l.mishaps.user)
	if name, ok := l.opts.User(s); ok {
		return name
	}
	return ""
}

// attrsOf returns the further attributes of s.
func (l *Logger) attrsOf(ctx context.Context, s *socket.Socket) (attrs []slog.Attr) {
	if l.opts.Attrs == nil {
		return nil
	}
	defer l.recovered(ctx, "Options.Attrs", &l.mishaps.attrs)
	return l.opts.Attrs(s)
}

// group returns c as an attribute.
func (c *Conn) group() slog.Attr {
	attrs := make([]slog.Attr, 0, 7)
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	text("id", c.ID)
	text("namespace", c.Namespace)
	text("socket", c.Socket)
	text("addr", c.Addr)
	text("transport", c.Transport)
	if c.Protocol != 0 {
		attrs = append(attrs, slog.Int("protocol", c.Protocol))
	}
	if c.Recovered {
		attrs = append(attrs, slog.Bool("recovered", true))
	}
	return slog.Attr{Key: "conn", Value: slog.GroupValue(attrs...)}
}

// record collects the attributes of a record.
type record []slog.Attr

var records = sync.Pool{New: func() any { r := make(record, 0, 24); return &r }}

// newRecord returns an empty record, which write frees.
func newRecord() *record { return records.Get().(*record) }

func (r *record) free() {
	if cap(*r) > 64 {
		return // Options.Attrs returned a lot
	}
	clear(*r)
	*r = (*r)[:0]
	records.Put(r)
}

func (r *record) add(attrs ...slog.Attr) { *r = append(*r, attrs...) }

// text adds a text, unless it is empty.
func (r *record) text(key, value string) {
	if value != "" {
		*r = append(*r, slog.String(key, value))
	}
}

func (r *record) count(key string, n int64) { *r = append(*r, slog.Int64(key, n)) }

func (r *record) took(key string, d time.Duration) { *r = append(*r, slog.Duration(key, d)) }

// cause adds an error, and its stack if it is a recovered panic.
func (r *record) cause(err error) {
	if err == nil {
		return
	}
	r.text("error", errorText(err))
	r.text("stack", stackOf(err))
}

// clientHeaders is what a client says about itself.
type clientHeaders struct{ agent, origin, referer string }

func agentOf(h http.Header) clientHeaders {
	return clientHeaders{h.Get("User-Agent"), h.Get("Origin"), h.Get("Referer")}
}

// agent adds what a client says about itself, without secrets.
func (r *record) agent(a clientHeaders) {
	r.text("user_agent", trim(a.agent, maxAgent, len(a.agent)))
	r.text("origin", withoutQuery(a.origin))
	r.text("referer", withoutQuery(a.referer))
}

// withoutQuery returns a URL without user, query and fragment, or "".
func withoutQuery(text string) string {
	if text == "" || text == "null" || len(text) > maxURL {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "" && u.Host == "" {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
