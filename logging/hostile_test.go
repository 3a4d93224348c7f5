package logging_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// handler is a slog.Handler made up by tests.
type handler struct {
	slog.Handler
	handle func(r slog.Record) error
}

func (h handler) Handle(_ context.Context, r slog.Record) error { return h.handle(r) }
func (h handler) Enabled(context.Context, slog.Level) bool      { return true }
func (h handler) WithAttrs([]slog.Attr) slog.Handler            { panic("WithAttrs") }

// TestHandlerPanics: a log that panics takes nothing down with it.
func TestHandlerPanics(t *testing.T) {
	t.Parallel()
	for _, insecure := range []bool{true, false} {
		var calls atomic.Int32
		h := handler{handle: func(r slog.Record) error {
			if r.Message != "engine refused" { // a poll that came too late
				calls.Add(1)
			}
			panic("Handle")
		}}
		l, err := logging.New(slog.New(h), &logging.Options{Events: &logging.Sample{}, InsecureSecrets: insecure})
		if err != nil {
			t.Fatal(err)
		}
		s := logged(t, l, events, func(s *socket.Socket, next func(*socket.ExtendedError)) {
			if logger, ok := l.From(s); logger == nil || !ok {
				t.Error("no logger")
			}
			next(nil)
		})
		for _, polling := range []bool{false, true} {
			c := s.Dial(t, siotest.Dial{Polling: polling})
			c.Connected(t)
			c.EmitAck(t, "echo")
			c.EmitAck(t, "broken")
			c.Close()
		}
		siotest.Eventually(t, "records", func() bool { return calls.Load() == 10 })
	}
}

// TestHandlerBlocks: a log that hangs delays only the client that it writes about.
func TestHandlerBlocks(t *testing.T) {
	t.Parallel()
	release, blocked := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	log := new(sink)
	inner := slog.NewJSONHandler(log, nil)
	h := handler{handle: func(r slog.Record) error {
		if r.Message == "socket connected" && first.CompareAndSwap(false, true) {
			close(blocked)
			<-release
		}
		return inner.Handle(context.Background(), r)
	}}
	l, err := logging.New(slog.New(h), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := logged(t, l)
	held := s.Dial(t, siotest.Dial{})
	<-blocked
	for range 3 {
		c := s.Dial(t, siotest.Dial{})
		c.Connected(t)
		c.EmitAck(t, "echo")
	}
	log.wait(t, 3, "socket connected")
	held.Kill() // its end must not be reported earlier
	siotest.Eventually(t, "gone", func() bool { return s.IO.Engine().ClientsCount() == 3 })
	if got := log.all(t, "socket disconnected"); len(got) != 0 {
		t.Errorf("told before: %v", got)
	}
	close(release)
	log.wait(t, 4, "socket connected")
	id := log.one(t, "socket disconnected")["conn"].(object)["id"]
	if opened := log.all(t, "socket connected")[3]["conn"].(object)["id"]; id != opened {
		t.Errorf("%v has ended, %v was connected last", id, opened)
	}
}

// TestObserverPanics: the same for functions of the application, which are reported once.
func TestObserverPanics(t *testing.T) {
	t.Parallel()
	l, log := newLogger(t, slog.LevelInfo, &logging.Options{
		Observer: panicking{},
		User:     func(*socket.Socket) (string, bool) { panic("User") },
		Attrs:    func(*socket.Socket) []slog.Attr { panic("Attrs") },
	})
	s := logged(t, l, wrap.Func(func(_ context.Context, s *socket.Socket) error {
		if auth, _ := s.Handshake().Auth.(object); auth["refuse"] == true {
			return errors.New("no")
		}
		return nil
	}))
	for range 3 {
		c := s.Dial(t, siotest.Dial{})
		c.Connected(t)
		c.EmitAck(t, "echo")
		c.Close()
		s.Dial(t, siotest.Dial{Auth: object{"refuse": true}}).ConnectError(t)
	}
	log.wait(t, 3, "socket disconnected")
	log.wait(t, 3, "socket refused")
	var told []string
	for _, r := range log.wait(t, 6, "logging: function of the application panicked") {
		told = append(told, fmt.Sprint(r["function"], r["error"]))
		check(t, r, object{"level": "ERROR"})
		if stack, _ := r["stack"].(string); !strings.Contains(stack, "hostile_test.go") {
			t.Errorf("stack: %q", stack)
		}
	}
	for _, want := range []string{"Observer.Opened", "Observer.Refused", "Observer.Event", "Observer.Closed", "Options.User", "Options.Attrs"} {
		_, name, _ := strings.Cut(want, ".")
		if !strings.Contains(fmt.Sprint(told), want+"panic: "+name) {
			t.Errorf("nothing of %s in %v", want, told)
		}
	}
}

type panicking struct{}

func (panicking) Opened(logging.Conn)                   { panic("Opened") }
func (panicking) Refused(logging.Conn, logging.Refusal) { panic("Refused") }
func (panicking) Event(logging.Conn, logging.Event)     { panic("Event") }
func (panicking) Closed(logging.Conn, logging.Summary)  { panic("Closed") }

// TestFault: a listener of the application panics while a socket is disconnected.
func TestFault(t *testing.T) {
	t.Parallel()
	l, log := newLogger(t, slog.LevelInfo, nil)
	s := serve(t, l, func(io *socket.Server) {
		io.Use(l.Middleware())
		_ = io.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("disconnecting", func(...any) { panic("oops") })
			go wrap.Kick(s, &wrap.Error{Code: "replaced"})
		})
	})
	s.Dial(t, siotest.Dial{}).Connected(t)
	r := log.one(t, "socket fault")
	check(t, r, object{"level": "ERROR", "code": "internal", "error": "panic: oops", "conn.namespace": "/"})
	if stack, _ := r["stack"].(string); !strings.Contains(stack, "TestFault") {
		t.Errorf("stack: %q", stack)
	}
	check(t, log.one(t, "socket disconnected"), object{"code": "replaced"})
}

// TestTwice: a Logger that is used twice records once.
func TestTwice(t *testing.T) {
	t.Parallel()
	l, log := newLogger(t, slog.LevelDebug, &logging.Options{Events: &logging.Sample{}})
	s := logged(t, l, l.Middleware())
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	c.EmitAck(t, "echo")
	c.Close()
	check(t, log.one(t, "socket disconnected"), object{"events_in": 1})
	log.one(t, "event")
	log.one(t, "socket connected")
}

// TestFrom: the logger of a socket identifies it, and redacts secrets.
func TestFrom(t *testing.T) {
	l, log := newLogger(t, slog.LevelInfo, &logging.Options{
		User:    func(*socket.Socket) (string, bool) { return "ada", true },
		Attrs:   func(*socket.Socket) []slog.Attr { return []slog.Attr{slog.String("tenant", "acme")} },
		Secrets: []string{"pet"},
	})
	sock := connect(t, l)
	logger, ok := l.From(sock)
	if !ok {
		t.Fatal("not known")
	}
	logger.Info("hello", "password", "hunter2", "pet", "rex")
	r := log.one(t, "hello")
	check(t, r, object{"conn.socket": string(sock.Id()), "conn.namespace": "/", "user": "ada", "tenant": "acme", "pet": "[redacted]"})
	if strings.Contains(log.String(), "hunter2") {
		t.Errorf("a password: %v", r)
	}
	if again, _ := l.From(sock); again != logger {
		t.Error("another logger")
	}
	if n := testing.AllocsPerRun(100, func() { l.From(sock) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestFromAtOnce: of many concurrent first calls, each returns a logger that knows the
// user.
func TestFromAtOnce(t *testing.T) {
	t.Parallel()
	const calls = 50 // as many handlers of one socket may run
	var hold atomic.Bool
	var inside, returned atomic.Int32
	release := make(chan struct{})
	l, log := newLogger(t, slog.LevelInfo, &logging.Options{
		User: func(*socket.Socket) (string, bool) {
			if hold.Load() {
				inside.Add(1)
				<-release
			}
			return "ada", true
		},
		Attrs: func(*socket.Socket) []slog.Attr { return []slog.Attr{slog.String("tenant", "acme")} },
	})
	sock := connect(t, l)
	hold.Store(true)
	var wg sync.WaitGroup
	for range calls {
		wg.Go(func() {
			logger, _ := l.From(sock)
			returned.Add(1)
			logger.Info("hello")
		})
	}
	siotest.Eventually(t, "all have called", func() bool { return inside.Load()+returned.Load() >= calls })
	close(release)
	wg.Wait()
	for _, r := range log.wait(t, calls, "hello") {
		check(t, r, object{"conn.socket": string(sock.Id()), "user": "ada", "tenant": "acme"})
	}
}

// TestFromWithin: the application may call From in a function that From waits for, and on
// another goroutine.
func TestFromWithin(t *testing.T) {
	t.Parallel()
	for _, elsewhere := range []bool{false, true} {
		var l *logging.Logger
		var log *sink
		var asked atomic.Int32
		from := func(s *socket.Socket) {
			var wg sync.WaitGroup
			if elsewhere {
				wg.Go(func() { l.From(s) })
			} else {
				l.From(s)
			}
			wg.Wait()
		}
		l, log = newLogger(t, slog.LevelInfo, &logging.Options{
			User:  func(s *socket.Socket) (string, bool) { asked.Add(1); from(s); return "ada", true },
			Attrs: func(s *socket.Socket) []slog.Attr { from(s); return []slog.Attr{slog.String("tenant", "acme")} },
		})
		sock := connect(t, l)
		logger, _ := l.From(sock)
		logger.Info("hello")
		check(t, log.one(t, "hello"), object{"user": "ada", "tenant": "acme"})
		if n := asked.Load(); n > 70 {
			t.Errorf("asked %d times", n)
		}
	}
}

// connect returns a socket that l follows.
func connect(t *testing.T, l *logging.Logger) *socket.Socket {
	t.Helper()
	sockets := make(chan *socket.Socket, 1)
	s := serve(t, l, func(io *socket.Server) {
		io.Use(l.Middleware())
		_ = io.On("connection", func(args ...any) { sockets <- args[0].(*socket.Socket) })
	}, l.Handler)
	s.Dial(t, siotest.Dial{}).Connected(t)
	return <-sockets
}
