package logging_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestOneOutcome: whatever becomes of a socket, it has one record of how it came, and one
// of its end if it was connected.
func TestOneOutcome(t *testing.T) {
	t.Parallel()
	const either = "connected disconnected, refused"
	refusal := func() *socket.ExtendedError { return socket.NewExtendedError("no", nil) }
	for _, c := range []struct {
		name string
		mw   socket.NamespaceMiddleware
		want string // the possible outcomes: the host continues in a goroutine of its own
	}{
		{"pass twice", func(_ *socket.Socket, next func(*socket.ExtendedError)) { next(nil); next(nil) }, "connected disconnected"},
		{"refuse twice", func(_ *socket.Socket, next func(*socket.ExtendedError)) { next(refusal()); next(refusal()) }, "refused"},
		{"pass and refuse", func(_ *socket.Socket, next func(*socket.ExtendedError)) { next(nil); next(refusal()) }, either},
		{"refuse and pass", func(_ *socket.Socket, next func(*socket.ExtendedError)) { next(refusal()); next(nil) }, either},
		{"pass and panic", func(_ *socket.Socket, next func(*socket.ExtendedError)) { next(nil); panic("oops") }, either},
		{"refuse and panic", func(_ *socket.Socket, next func(*socket.ExtendedError)) { next(refusal()); panic("oops") }, "refused"},
		{"panic", func(*socket.Socket, func(*socket.ExtendedError)) { panic("oops") }, "refused"},
		{"guard twice", wrap.Guard(func(_ *socket.Socket, next func(*socket.ExtendedError)) { next(nil); next(refusal()) }, 0), "connected disconnected"},
		{"kick in Func", wrap.Func(func(_ context.Context, s *socket.Socket) error { wrap.Kick(s, nil); return nil }), "refused"},
		{"kick in plain", func(s *socket.Socket, next func(*socket.ExtendedError)) { wrap.Kick(s, nil); next(nil) }, "refused"},
		{"kick and refuse", func(s *socket.Socket, next func(*socket.ExtendedError)) { wrap.Kick(s, nil); next(refusal()) }, "refused"},
		{"kick meanwhile", wrap.Func(func(_ context.Context, s *socket.Socket) error { go wrap.Kick(s, nil); return nil }),
			either + ", abandoned"},
		{"shutdown meanwhile", wrap.Func(func(_ context.Context, s *socket.Socket) error { go s.Nsp().Server().Engine().Close(); return nil }),
			either + ", abandoned"},
		{"close in Func", wrap.Func(func(_ context.Context, s *socket.Socket) error { s.Conn().Close(true); return nil }), "abandoned"},
		{"close in plain", func(s *socket.Socket, next func(*socket.ExtendedError)) { s.Conn().Close(true); next(nil) }, "abandoned"},
		{"close, never next", func(s *socket.Socket, _ func(*socket.ExtendedError)) { s.Conn().Close(true) }, "abandoned"},
		{"disconnect in plain", func(s *socket.Socket, next func(*socket.ExtendedError)) { s.Disconnect(true); next(nil) }, "connected disconnected, abandoned"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, d := range []siotest.Dial{{}, {Polling: true}, {EIO: 3}, {EIO: 3, Polling: true}} {
				t.Run(fmt.Sprint(transport(d), d.EIO), func(t *testing.T) {
					l, log := newLogger(t, slog.LevelInfo, nil)
					s := logged(t, l, c.mw)
					client, err := s.Open(t, d)
					if err == nil {
						if d.EIO != 3 {
							client.Connect("/", nil)
						}
						siotest.Eventually(t, "the outcome", func() bool { return len(log.all(t)) > 0 })
						client.Close()
					}
					told := func() (told []string) {
						for _, r := range log.all(t, "socket connected", "socket refused", "socket abandoned", "socket disconnected") {
							told = append(told, strings.TrimPrefix(r["msg"].(string), "socket "))
						}
						return told
					}
					siotest.Eventually(t, "the end", func() bool {
						got := told()
						return len(got) > 0 && (got[0] != "connected" || len(got) > 1)
					})
					s.IO.Close(nil)
					if got := strings.Join(told(), " "); !slices.Contains(strings.Split(c.want, ", "), got) {
						t.Errorf("%s\n%s", got, log)
					}
					for _, r := range log.all(t, "socket disconnected") {
						if d.Polling && r["reason"] == "transport error" {
							continue // a request was in progress: the host says so, whoever has closed it
						}
						if class := r["class"]; class != "client" && class != "server" {
							t.Errorf("class %v of %v", class, r["reason"])
						}
					}
				})
			}
		})
	}
}

// TestChurn: a client that joins and leaves, and one that is upgraded meanwhile, makes
// two records each time, and nothing grows.
func TestChurn(t *testing.T) {
	t.Parallel()
	const rounds = 300
	for _, upgrade := range []bool{false, true} {
		l, log := newLogger(t, slog.LevelInfo, nil)
		s := logged(t, l)
		c := s.Dial(t, siotest.Dial{Polling: upgrade})
		c.Connected(t)
		for i := range rounds {
			if upgrade && i == rounds/2 {
				c.Upgrade(t)
			}
			c.Connect("/other", nil)
			c.Connected(t)
			c.EmitTo("/other", "x")
			c.Leave(t, "/other")
		}
		log.wait(t, rounds, "socket disconnected")
		log.wait(t, rounds+1, "socket connected")
		s.IO.Close(nil)
		for _, r := range log.wait(t, rounds+1, "socket disconnected") {
			if r["conn"].(object)["namespace"] == "/other" {
				check(t, r, object{"events_in": 1})
			}
		}
	}
}

// TestFlood: each of many refusals makes one record, or none, and leaves nothing behind.
func TestFlood(t *testing.T) {
	l, log := newLogger(t, slog.LevelWarn, nil)
	s := logged(t, l)
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, began := heap(), time.Now()
	const many, long = 10_000, 20
	for i := range many { // namespaces that do not exist: the host itself refuses these
		c.Send(fmt.Sprintf("40/nowhere-%d,", i))
	}
	for range many {
		c.ConnectError(t)
	}
	name := strings.Repeat("é", 250_000)
	for i := range long {
		c.Send(fmt.Sprintf(`42["%s%d"]`, name, i))
		c.EmitAck(t, "echo")
	}
	if got := log.all(t); len(got) != 0 {
		t.Errorf("%v", got[0])
	}
	after := heap()
	if after > before+(8<<20) {
		t.Errorf("%d bytes", after-before)
	}
	const bad = 5000
	for range bad {
		resp, err := http.Get(s.URL + siotest.Path + "?EIO=4&transport=pigeon")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	siotest.Eventually(t, "bad handshakes", func() bool { return strings.Count(log.String(), "handshake refused") == bad })
	t.Logf("%d bytes, %v", int64(after)-int64(before), time.Since(began))
}

// TestReentrant: the functions of the application may use the socket and the Logger.
func TestReentrant(t *testing.T) {
	t.Parallel()
	log := new(sink)
	inner := slog.NewJSONHandler(log, nil)
	var l *logging.Logger
	var mu sync.Mutex
	var sock *socket.Socket
	block := make(chan struct{})
	h := reentrant{inner, func(r slog.Record) {
		mu.Lock()
		s := sock
		mu.Unlock()
		if s != nil && r.Message != "own" {
			_ = s.Emit("logged", r.Message)
			own, _ := l.From(s)
			own.Info("own")
		}
	}}
	var err error
	l, err = logging.New(slog.New(h), &logging.Options{
		Events: &logging.Sample{Level: slog.LevelInfo},
		User: func(s *socket.Socket) (string, bool) {
			<-block
			own, _ := l.From(s)
			own.Info("own")
			return "ada", true
		},
		Attrs: func(s *socket.Socket) []slog.Attr {
			own, _ := l.From(s)
			own.Info("own")
			_ = s.Emit("asked")
			return []slog.Attr{slog.String("tenant", "acme")}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := logged(t, l, events, func(s *socket.Socket, next func(*socket.ExtendedError)) {
		mu.Lock()
		sock = s
		mu.Unlock()
		next(nil)
	})
	c := s.Dial(t, siotest.Dial{})
	siotest.Eventually(t, "it waits", func() bool { return s.IO.Sockets().Sockets().Len() == 1 })
	close(block)
	c.Connected(t)
	c.EmitAck(t, "echo")
	c.EmitAck(t, "forbidden")
	own, _ := l.From(sock)
	own.Info("last")
	check(t, log.one(t, "last"), object{"user": "ada", "tenant": "acme"})
	c.Close()
	log.one(t, "socket connected")
	log.wait(t, 2, "event")
	log.one(t, "socket disconnected")
}

// reentrant calls a function before each record.
type reentrant struct {
	slog.Handler
	do func(r slog.Record)
}

func (h reentrant) Handle(ctx context.Context, r slog.Record) error {
	h.do(r)
	return h.Handler.Handle(ctx, r)
}

func (h reentrant) WithAttrs(attrs []slog.Attr) slog.Handler {
	return reentrant{h.Handler.WithAttrs(attrs), h.do}
}
