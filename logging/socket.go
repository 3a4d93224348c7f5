package logging

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
	"weak"

	"github.com/sioware/sioware/logging/internal/redact"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// The phases of a socket. Each is entered once, so that each record is written once.
const (
	pending = iota // in the middlewares of its namespace
	opening        // the host has connected it, and that is being reported
	opened         // that has been reported
	leaving        // it ended during opening: connected reports that too
	ended          // its end is reported
)

// member is a Logger's view of a socket. It must not refer to the socket.
type member struct {
	l      *Logger
	client *client
	agent  *clientHeaders              // until it is reported
	logger atomic.Pointer[slog.Logger] // see From

	// What Conn has beyond what client knows. A Conn would be twice the size.
	nsp, id, addr string
	began         time.Duration // after started
	protocol      uint8
	recovered     bool

	making  atomic.Int32 // calls of newLogger
	phase   atomic.Int32
	since   time.Duration             // when it was connected, after started
	told    record                    // what appAttrs returned at that time
	fault   atomic.Pointer[faultCase] // not reported yet
	garbage atomic.Int64              // when the host could not decode a packet, after started

	eventsIn, eventsOut, bytesIn, bytesOut atomic.Int64
	errors, limited, unlogged              atomic.Int64
	last                                   atomic.Pointer[recorder] // nil until the first event
}

// faultCase is a fault, for use in an atomic pointer.
type faultCase struct{ err error }

// newMember returns the member for s.
func (l *Logger) newMember(s *socket.Socket, c *client) *member {
	r := s.Request().Request() // the host's; read, but not kept
	a := agentOf(r.Header)
	m := &member{
		l: l, client: c, agent: &a, nsp: l.names.Text(s.Nsp().Name()), addr: l.addr(r), began: now(),
		protocol: uint8(s.Conn().Protocol()), recovered: s.Recovered(),
	}
	if m.protocol != 3 { // otherwise the id contains the engine's, which opens the session
		m.id = string(s.Id())
	}
	return m
}

// addr returns the address of the client that sent r.
func (l *Logger) addr(r *http.Request) string {
	if addr := l.proxies.Of(r); addr.IsValid() {
		return addr.String()
	}
	return redact.Names(nil).Text(r.RemoteAddr)
}

// at returns the connection as it is now.
func (m *member) at() Conn {
	c := Conn{
		ID: m.client.id, Namespace: m.nsp, Socket: m.id, Addr: m.addr, Protocol: int(m.protocol),
		Recovered: m.recovered, Began: started.Add(m.began),
	}
	if used := m.client.used(); len(used) > 0 {
		c.Transport = used[len(used)-1]
	}
	return c
}

// base returns a new record with the attributes that all records of s have. s may be nil.
func (m *member) base(s *socket.Socket) *record { return m.with(m.appAttrs(s)) }

// with returns a new record with the connection as it is now, and said.
func (m *member) with(said record) *record {
	c := m.at()
	attrs := newRecord()
	attrs.add(c.group())
	attrs.add(said...)
	return attrs
}

// appAttrs returns the application's attributes of s. If s is nil, the socket has been
// collected, and they are those from when the socket was connected.
func (m *member) appAttrs(s *socket.Socket) (attrs record) {
	if s == nil {
		return m.told
	}
	ctx := context.Background()
	attrs.text("user", m.l.userOf(ctx, s))
	attrs.add(m.l.attrsOf(ctx, s)...)
	return attrs
}

// follow reports the end of s. It must not keep s alive: where the end of s is noticed only
// when its connection ends, the context would keep s until then.
func (m *member) follow(s *socket.Socket) {
	weakly, ctx, nsp := weak.Make(s), wrap.Context(s), s.Nsp().Name()
	context.AfterFunc(ctx, func() {
		m.client.remove(nsp, m)
		m.end(weakly, ctx)
	})
}

// end is called once, when the context of the socket has ended.
func (m *member) end(weakly weak.Pointer[socket.Socket], ctx context.Context) {
	for {
		switch p := m.phase.Load(); {
		case p == pending && m.phase.CompareAndSwap(pending, ended):
			m.turnedAway(weakly.Value(), ctx)
			return
		case p == opening && m.phase.CompareAndSwap(opening, leaving):
			return
		case p == opened && m.phase.CompareAndSwap(opened, ended):
			m.closed(weakly.Value(), ctx)
			return
		}
	}
}

// garbled listens to "error" of the socket. The host emits it with an error when it
// cannot decode a packet, and then closes the connection (socket/client.go:218). It also
// emits it when a packet middleware refuses an event, and a client may send an event of
// that name, whose arguments are never a Go error.
func (m *member) garbled(args ...any) {
	if len(args) == 0 {
		return
	}
	switch args[0].(type) {
	case *wrap.Error: // of a packet middleware
	case error:
		m.garbage.Store(int64(now()))
	}
}

// unread reports whether the connection was just closed because a packet could not be
// decoded. What is queued is still sent before the close.
func (m *member) unread() bool {
	at := m.garbage.Load()
	return at != 0 && now()-time.Duration(at) < time.Second
}

// turnedAway reports a socket that was refused, or whose client has left.
func (m *member) turnedAway(s *socket.Socket, ctx context.Context) {
	v := judge(ctx)
	ctx = context.WithoutCancel(ctx)
	switch f := m.fault.Swap(nil); {
	case f == nil:
	case v.refused:
		m.tellFault(ctx, s, f.err)
	default:
		// A later middleware, which wrap does not run, has panicked: the client sees its
		// connection closed.
		v = verdict{refused: true}
		v.explain(f.err)
	}
	took := now() - m.began
	m.l.tellRefused(ctx, m.at(), Refusal{By: v.by, Code: v.code, Abandoned: !v.refused, Took: took, Err: v.err})

	level, message := slog.LevelWarn, "socket refused"
	switch {
	case !v.refused:
		level, message = m.l.opts.Level.Level(), "socket abandoned"
	case serverCode(v.code):
		level = slog.LevelError
	}
	if !m.l.enabled(ctx, level) {
		return
	}
	attrs := m.base(s)
	if v.refused {
		attrs.text("by", v.by)
		attrs.text("code", v.code)
		attrs.text("message", v.message)
		attrs.cause(v.err)
	} else {
		attrs.text("reason", v.reason)
	}
	attrs.took("took", took)
	attrs.agent(*m.agent)
	m.l.write(ctx, level, message, attrs)
}

// closed reports the end of a socket that was connected.
func (m *member) closed(s *socket.Socket, ctx context.Context) {
	v := judge(ctx)
	ctx = context.WithoutCancel(ctx)
	sum := Summary{
		Reason: v.reason, Class: classOf(v.reason), Code: v.code, Err: v.err,
		Duration: now() - m.since, Transports: m.client.used(),
		EventsIn: m.eventsIn.Load(), EventsOut: m.eventsOut.Load(),
		BytesIn: m.bytesIn.Load(), BytesOut: m.bytesOut.Load(),
		Errors: m.errors.Load(), Limited: m.limited.Load(),
	}
	if (v.reason == reasonForced || v.reason == reasonBroken) && m.unread() {
		sum.Class = ClassProtocol
	}
	m.l.tellClosed(ctx, m.at(), sum)

	level := m.l.opts.Level.Level()
	if !m.l.enabled(ctx, level) {
		return
	}
	attrs := m.base(s)
	attrs.text("reason", sum.Reason)
	attrs.text("class", string(sum.Class))
	attrs.text("code", sum.Code)
	attrs.cause(sum.Err)
	attrs.took("duration", sum.Duration)
	attrs.add(slog.Any("transports", redact.List(sum.Transports)))
	if m.client.text || m.l.tapped() {
		attrs.count("events_in", sum.EventsIn)
	}
	if m.client.text {
		attrs.count("events_out", sum.EventsOut)
	}
	attrs.count("bytes_in", sum.BytesIn)
	attrs.count("bytes_out", sum.BytesOut)
	attrs.count("errors", sum.Errors)
	attrs.count("limited", sum.Limited)
	if m.l.events != nil {
		attrs.count("unlogged", m.unlogged.Load())
	}
	abnormal := sum.Class == ClassTimeout || sum.Class == ClassProtocol || sum.Class == ClassNetwork || v.code != ""
	if last := m.last.Load(); abnormal && last != nil {
		if told := last.told(now()); len(told) > 0 { // possibly no event had a name
			attrs.add(slog.Any("last", told))
		}
	}
	m.l.write(ctx, level, "socket disconnected", attrs)
}
