package logging

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

func loggerAt(t testing.TB, level slog.Level, o *Options) *Logger {
	l, err := New(slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: level})), o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// watched returns a watcher without a socket, which is needed only for writing.
func watched(l *Logger) *watcher {
	return &watcher{m: &member{l: l, client: &client{text: true}}}
}

// TestNoAllocations: frequent operations do not allocate.
func TestNoAllocations(t *testing.T) {
	check := func(name string, f func()) {
		t.Helper()
		f()
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	event := &wrap.Event{Name: "message", Args: []any{"x"}}

	l := loggerAt(t, slog.LevelInfo, &Options{Events: &Sample{}, Observer: nothing{}})
	w := watched(l)
	for range 100 {
		w.passed(event)
	}
	check("event at a disabled level", func() { w.passed(event) })
	check("event that was handled", func() { w.refused(event, wrap.ErrHandled) })

	l = loggerAt(t, slog.LevelDebug, &Options{Events: &Sample{}})
	l.events.first, l.events.every = 0, 1<<40 // none is ever written
	w = watched(l)
	for range 100 {
		w.passed(event)
	}
	check("event that is left out", func() { w.passed(event) })
	if w.m.unlogged.Load() < 1000 {
		t.Error("not left out")
	}

	c := w.m.client
	c.add("/", w.m)
	c.add("/other", &member{l: l})
	for range 40 {
		c.incoming(&packet.Packet{Type: packet.MESSAGE, Data: types.NewStringBufferString(`2["message"]`)}) // until the recorder is full
	}
	for _, text := range []string{`2["message","x"]`, `51-/other,["x",{"_placeholder":true,"num":0}]`, `2/nowhere,["x"]`, "garbage"} {
		p := &packet.Packet{Type: packet.MESSAGE, Data: types.NewStringBufferString(text)}
		args := []any{p}
		check("packet "+text, func() { c.incoming(args...); c.outgoing(args...) })
	}
	attachment := []any{&packet.Packet{Type: packet.MESSAGE, Data: types.NewBytesBuffer([]byte("12345"))}}
	check("attachment", func() { c.incoming(attachment...) })
	check("ping", func() { c.incoming([]any{&packet.Packet{Type: packet.PING}}...) })

	called := 0
	h := loggerAt(t, slog.LevelError+1, nil).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called++ }))
	answer, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	check("request at a disabled level", func() { h.ServeHTTP(answer, r) })
	if called == 0 {
		t.Error("not called")
	}
}

type nothing struct{}

func (nothing) Opened(Conn)           {}
func (nothing) Refused(Conn, Refusal) {}
func (nothing) Event(Conn, Event)     {}
func (nothing) Closed(Conn, Summary)  {}

// TestCounts: attachments belong to the text before them, whatever arrives.
func TestCounts(t *testing.T) {
	t.Parallel()
	l := loggerAt(t, slog.LevelInfo, nil)
	root, other := &member{l: l}, &member{l: l}
	c := &client{text: true, old: true}
	c.add("/", root)
	c.add("/other", other)
	text := func(s string) []any {
		return []any{&packet.Packet{Type: packet.MESSAGE, Data: types.NewStringBufferString(s)}}
	}
	binary := func(n int) []any {
		return []any{&packet.Packet{Type: packet.MESSAGE, Data: types.NewBytesBuffer(make([]byte, n))}}
	}
	c.incoming()
	c.incoming("what")
	c.incoming(&packet.Packet{Type: packet.MESSAGE})
	c.incoming(binary(1)...) // without a text before it
	c.incoming(text(`52-/other,["x"]`)...)
	c.outgoing(text(`51-["y"]`)...) // the other direction, at the same time
	c.incoming(binary(100)...)
	c.incoming(binary(10)...)
	c.incoming(binary(1)...) // one too many
	c.outgoing(binary(7)...)
	c.incoming(text(`2/other?token=1,["x"]`)...) // Engine.IO 3
	c.incoming(text(`3/other,1[]`)...)           // an ack is not an event
	for name, got := range map[string][2]int64{
		"events in":        {other.eventsIn.Load(), 2},
		"bytes in":         {other.bytesIn.Load(), int64(len(`52-/other,["x"]`) + 110 + len(`2/other?token=1,["x"]`) + len(`3/other,1[]`))},
		"events out":       {root.eventsOut.Load(), 1},
		"bytes out":        {root.bytesOut.Load(), int64(len(`51-["y"]`) + 7)},
		"bytes in root":    {root.bytesIn.Load(), 0},
		"bytes out, other": {other.bytesOut.Load(), 0},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %d, want %d", name, got[0], got[1])
		}
	}

	// A parser that is not text: everything belongs to the only socket.
	m := new(member)
	c = &client{}
	c.add("/only", m)
	c.incoming(binary(5)...)
	c.remove("/only", m)
	c.incoming(binary(5)...)
	if m.bytesIn.Load() != 5 || m.eventsIn.Load() != 0 {
		t.Errorf("%d bytes", m.bytesIn.Load())
	}
}

// TestOtherParser: what cannot be counted from packets is counted by the hooks.
func TestOtherParser(t *testing.T) {
	t.Parallel()
	for _, o := range []*Options{nil, {Observer: nothing{}}} {
		w := watched(loggerAt(t, slog.LevelInfo, o))
		w.m.client.text = false
		if o != nil {
			w.passed(&wrap.Event{Name: "x"})
		}
		w.refused(&wrap.Event{Name: "x"}, wrap.ErrHandled)
		if n := w.m.eventsIn.Load(); n != 0 && o == nil || n != 2 && o != nil {
			t.Errorf("%d events", n)
		}
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	if got := errorText((*wrap.Error)(nil)); got == "" {
		t.Error("nothing")
	}
	if got := errorText(hostileError{}); got != "logging.hostileError" {
		t.Error(got)
	}
	if got := panicText(hostileError{}); got == "" {
		t.Error("nothing")
	}
	if code, _, err := explain(errors.New("x")); code != "" || err != nil {
		t.Error(code, err)
	}
}

// TestRefusedByNil: the cause of a refused event may be a nil pointer.
func TestRefusedByNil(t *testing.T) {
	t.Parallel()
	w := watched(loggerAt(t, slog.LevelError+1, nil))
	w.refused(&wrap.Event{Name: "x"}, &wrap.Error{Code: "forbidden", Err: siotest.NilError()})
	if n := w.m.errors.Load(); n != 1 {
		t.Errorf("%d errors", n)
	}
}

type hostileError struct{}

func (hostileError) Error() string { panic("no") }

// BenchmarkHook measures what an event costs here, and BenchmarkPacket what a packet
// costs.
func BenchmarkHook(b *testing.B) {
	event := &wrap.Event{Name: "message", Args: []any{"x"}}
	for name, l := range map[string]*Logger{
		"observed": loggerAt(b, slog.LevelInfo, &Options{Observer: nothing{}}),
		"disabled": loggerAt(b, slog.LevelInfo, &Options{Events: &Sample{}}),
	} {
		b.Run(name, func(b *testing.B) {
			w := watched(l)
			b.ReportAllocs()
			for b.Loop() {
				w.passed(event)
			}
		})
	}
}

func BenchmarkPacket(b *testing.B) {
	m := &member{l: loggerAt(b, slog.LevelInfo, nil)}
	c := &client{text: true}
	c.add("/", m)
	args := []any{&packet.Packet{Type: packet.MESSAGE, Data: types.NewStringBufferString(`2["message","x"]`)}}
	b.ReportAllocs()
	for b.Loop() {
		c.incoming(args...)
	}
}

// TestJudge: what the cause of a context says.
func TestJudge(t *testing.T) {
	t.Parallel()
	gone := &wrap.Disconnected{Reason: "refused"}
	for _, c := range []struct {
		cause error
		want  verdict
	}{
		{errors.New("x"), verdict{reason: "unknown"}},
		{&wrap.Disconnected{Reason: "ping timeout"}, verdict{reason: "ping timeout"}},
		{gone, verdict{refused: true, reason: "refused"}},
		{errors.Join(gone, socket.NewExtendedError("no", map[string]string{"code": "x"})),
			verdict{refused: true, reason: "refused", code: "x", message: "no"}},
		{errors.Join(gone, socket.NewExtendedError("no", []any{1})), verdict{refused: true, reason: "refused", message: "no"}},
	} {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(c.cause)
		if got := judge(ctx); got != c.want {
			t.Errorf("%v: %+v", c.cause, got)
		}
	}
}
