package logging_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// events decides about events by their name.
var events = wrap.Packet(func(_ context.Context, _ *socket.Socket, e *wrap.Event) error {
	switch e.Name {
	case "forbidden":
		return &wrap.Error{Code: "forbidden", Err: errors.New("cause")}
	case "limited":
		return &wrap.Error{Code: "rate_limited"}
	case "broken":
		panic("oops")
	case "handled":
		e.Ack([]any{"done"}, nil)
		return wrap.ErrHandled
	}
	return nil
})

func TestEvents(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, d siotest.Dial) {
		o := new(observer)
		l, log := newLogger(t, slog.LevelDebug, &logging.Options{Events: &logging.Sample{}, Observer: o})
		c := logged(t, l, events).Dial(t, d)
		c.Connected(t)
		c.EmitAck(t, "echo", "one", []byte("two"))
		for _, name := range []string{"forbidden", "limited", "broken", "handled"} {
			c.EmitAck(t, name)
		}
		got := make(map[string]object) // an ack comes before its record
		for _, r := range log.wait(t, 5, "event") {
			got[r["event"].(string)] = r
		}
		for _, want := range []object{
			{"level": "DEBUG", "event": "echo", "args": 2, "ack": true, "code": nil, "dropped": nil, "handled": nil},
			{"level": "WARN", "event": "forbidden", "args": 0, "code": "forbidden", "error": "cause"},
			{"level": "DEBUG", "event": "limited", "code": "rate_limited"},
			{"level": "ERROR", "event": "broken", "code": "internal", "error": "panic: oops"},
			{"level": "DEBUG", "event": "handled", "handled": true, "code": nil},
		} {
			r := got[want["event"].(string)]
			check(t, r, want)
			check(t, r, object{"conn.namespace": "/"})
		}
		if stack, _ := got["broken"]["stack"].(string); !strings.Contains(stack, "events_test.go") {
			t.Errorf("stack: %q", stack)
		}
		c.Disconnect("/")
		check(t, log.one(t, "socket disconnected"), object{"events_in": 5, "errors": 2, "limited": 1, "unlogged": 0})

		o.mu.Lock()
		defer o.mu.Unlock()
		seen := make(map[string]logging.Event)
		for _, e := range o.events {
			seen[e.Name] = e
		}
		if len(o.events) != 5 || seen["echo"].Args != 2 || seen["forbidden"].Code != "forbidden" || seen["forbidden"].Err == nil ||
			seen["limited"].Code != "rate_limited" || seen["broken"].Code != "internal" || !seen["handled"].Handled || seen["handled"].Err != nil {
			t.Errorf("observed %+v", o.events)
		}
	})
}

// TestEventsOff: without Events only our own faults are recorded.
func TestEventsOff(t *testing.T) {
	t.Parallel()
	l, log := newLogger(t, slog.LevelDebug, nil)
	c := logged(t, l, events).Dial(t, siotest.Dial{})
	c.Connected(t)
	for _, name := range []string{"echo", "forbidden", "limited", "broken", "handled"} {
		c.EmitAck(t, name)
	}
	check(t, log.one(t, "event"), object{"level": "ERROR", "event": "broken", "error": "panic: oops"})
}

// TestSampling: the events logged and those reported as left out add up to those sent,
// from several clients at a time.
func TestSampling(t *testing.T) {
	t.Parallel()
	const clients, each = 4, 500
	o := new(observer)
	l, log := newLogger(t, slog.LevelInfo, &logging.Options{
		Events: &logging.Sample{Level: slog.LevelInfo, First: 3, Every: 50}, Observer: o,
	})
	s := logged(t, l, events)
	var wg sync.WaitGroup
	for range clients {
		c := s.Dial(t, siotest.Dial{})
		c.Connected(t)
		wg.Go(func() {
			for range each {
				c.Emit("tick")
				c.Emit("limited")
			}
			c.Emit("forbidden")
		})
		defer func() { c.Close() }()
	}
	wg.Wait()
	siotest.Eventually(t, "all events are decided", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.events) == clients*(2*each+1)
	})
	s.IO.DisconnectSockets(true)
	var unlogged, logged, dropped, in int
	for _, r := range log.wait(t, clients, "socket disconnected") {
		unlogged += int(r["unlogged"].(float64))
		in += int(r["events_in"].(float64))
	}
	for _, r := range log.all(t, "event") {
		if r["event"] == "forbidden" {
			continue
		}
		logged++
		if n, ok := r["dropped"].(float64); ok {
			dropped += int(n)
		}
	}
	if in != clients*(2*each+1) {
		t.Errorf("%d events counted", in)
	}
	if logged+unlogged != 2*clients*each || logged < 6 || logged > 1000 || dropped > unlogged {
		t.Errorf("%d logged, with %d dropped, %d unlogged", logged, dropped, unlogged)
	}
}

// observer records what it is told.
type observer struct {
	mu      sync.Mutex
	opened  []logging.Conn
	refused []logging.Refusal
	conns   []logging.Conn // of refused ones
	events  []logging.Event
	closed  []logging.Summary
	order   []string
}

func (o *observer) Opened(c logging.Conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.opened, o.order = append(o.opened, c), append(o.order, "opened "+c.ID+c.Namespace)
}

func (o *observer) Refused(c logging.Conn, r logging.Refusal) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refused, o.conns = append(o.refused, r), append(o.conns, c)
}

func (o *observer) Event(_ logging.Conn, e logging.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, e)
}

func (o *observer) Closed(c logging.Conn, s logging.Summary) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed, o.order = append(o.closed, s), append(o.order, "closed "+c.ID+c.Namespace)
}

// TestLevelsChange: levels may change while clients are there.
func TestLevelsChange(t *testing.T) {
	t.Parallel()
	var handler, opened slog.LevelVar
	l, log := newLogger(t, &handler, &logging.Options{Level: &opened, Events: &logging.Sample{First: 1000}})
	c := logged(t, l, events).Dial(t, siotest.Dial{})
	c.Connected(t)
	log.one(t, "socket connected")
	c.EmitAck(t, "echo")
	handler.Set(slog.LevelDebug)
	c.EmitAck(t, "echo")
	log.wait(t, 1, "event")
	handler.Set(slog.LevelError)
	c.Connect("/other", nil)
	c.Connected(t)
	opened.Set(slog.LevelError)
	c.Close()
	for _, r := range log.wait(t, 2, "socket disconnected") {
		check(t, r, object{"level": "ERROR"})
	}
	log.wait(t, 1, "socket connected")
}

// TestDisabled: a logger that would write nothing attaches nothing.
func TestDisabled(t *testing.T) {
	t.Parallel()
	var level slog.LevelVar
	level.Set(slog.LevelError + 1)
	asked := new(atomic.Int32)
	l, log := newLogger(t, &level, &logging.Options{
		Events: &logging.Sample{},
		User:   func(*socket.Socket) (string, bool) { asked.Add(1); return "", false },
	})
	sockets := make(chan *socket.Socket, 1)
	listeners := func(s *socket.Socket) (n int) {
		for _, event := range []string{"packet", "packetCreate", "upgrade", "close"} {
			n += s.Conn().ListenerCount(types.EventName(event))
		}
		return n + s.ListenerCount("error") + s.ListenerCount("disconnect")
	}
	var counts []int
	for _, use := range []bool{true, false} {
		s := serve(t, l, func(io *socket.Server) {
			if use {
				io.Use(l.Middleware())
			} else {
				io.Use(wrap.Func(func(context.Context, *socket.Socket) error { return nil }))
			}
			_ = io.On("connection", func(args ...any) { sockets <- args[0].(*socket.Socket) })
		}, l.Handler)
		c := s.Dial(t, siotest.Dial{}) // a poll might come late, and be refused by the engine
		c.Connected(t)
		sock := <-sockets
		counts = append(counts, listeners(sock))
		logger, ok := l.From(sock)
		if logger == nil || ok {
			t.Error("From: a logger of its own")
		}
		level.Set(slog.LevelInfo) // too late for this one
		c.Emit("x")
		c.Close()
		level.Set(slog.LevelError + 1)
	}
	if counts[0] != counts[1] {
		t.Errorf("%d listeners, %d without", counts[0], counts[1])
	}
	if got := log.String(); got != "" || asked.Load() != 0 {
		t.Errorf("logged %s", got)
	}
}
