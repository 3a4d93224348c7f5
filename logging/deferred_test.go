package logging_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/slogtest"
	"weak"

	"github.com/zishang520/socket.io/v2/socket"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/logging"
)

// counting counts how often attributes were made for it, and may panic when they are.
type counting struct {
	slog.Handler
	made   *atomic.Int32
	broken bool
}

func (c counting) WithAttrs(attrs []slog.Attr) slog.Handler {
	c.made.Add(1)
	if c.broken {
		panic("WithAttrs")
	}
	return counting{c.Handler.WithAttrs(attrs), c.made, false}
}

// TestFromDeferred: the logger of a socket that logs nothing costs nothing; otherwise
// everything derived from it has the socket's attributes, which are prepared once.
func TestFromDeferred(t *testing.T) {
	t.Parallel()
	log, made := new(sink), new(atomic.Int32)
	l, err := logging.New(slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 1 && groups[0] == "conn" && a.Key == "socket" {
				made.Add(1)
			}
			return a
		},
	})), &logging.Options{Level: slog.LevelError + 1})
	if err != nil {
		t.Fatal(err)
	}
	sock := connect(t, l)
	before := made.Load()
	logger, _ := l.From(sock)
	if !logger.Enabled(t.Context(), slog.LevelInfo) || made.Load() != before {
		t.Errorf("made %d times for nothing", made.Load()-before)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { logger.Info("many") })
	}
	wg.Wait()
	if made.Load() != before+1 {
		t.Errorf("made %d times", made.Load()-before)
	}
	id := string(sock.Id())
	logger.With("k", "v").Info("with")
	check(t, log.one(t, "with"), object{"conn.socket": id, "k": "v"})
	logger.WithGroup("g").Info("group", "k", "v")
	check(t, log.one(t, "group"), object{"conn.socket": id, "g.k": "v"})
	slog.New(logging.Redact(logger.Handler())).Info("redacted", "password", "hunter2")
	check(t, log.one(t, "redacted"), object{"conn.socket": id, "password": "[redacted]"})
}

// TestFromSnapshot: the attributes of Options.Attrs are those of the first call of From.
func TestFromSnapshot(t *testing.T) {
	t.Parallel()
	state := map[string]any{"room": "lobby"}
	l, log := newLogger(t, slog.LevelInfo, &logging.Options{Attrs: func(*socket.Socket) []slog.Attr {
		return []slog.Attr{slog.Any("state", state)}
	}})
	logger, _ := l.From(connect(t, l))
	state["room"] = "kitchen"
	logger.Info("hello")
	check(t, log.one(t, "hello"), object{"state.room": "lobby"})
}

// asking is a value that calls somebody else while a record is written.
type asking func()

func (f asking) LogValue() slog.Value {
	f()
	return slog.StringValue("said")
}

// TestFromAsking: values from Options.Attrs may log for the socket, and wait for others
// that do.
func TestFromAsking(t *testing.T) {
	t.Parallel()
	var l *logging.Logger
	l, log := newLogger(t, slog.LevelInfo, &logging.Options{Attrs: func(s *socket.Socket) []slog.Attr {
		weakly := weak.Make(s)
		return []slog.Attr{slog.Any("who", asking(func() {
			s := weakly.Value()
			if s == nil {
				return
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				logger, _ := l.From(s)
				logger.Info("asked")
			})
			wg.Wait()
		}))}
	}})
	c := logged(t, l).Dial(t, siotest.Dial{})
	c.Connected(t)
	c.EmitAck(t, "echo")
	log.wait(t, 1, "socket connected")
	if len(log.all(t, "asked")) == 0 {
		t.Errorf("nobody was asked:\n%s", log.String())
	}
}

// leveled is a handler whose level depends on the user.
type leveled struct {
	slog.Handler
	level slog.Level
}

func (h leveled) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

func (h leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		if a.Key == "user" {
			h.level = slog.LevelError
		}
	}
	return leveled{h.Handler.WithAttrs(attrs), h.level}
}

// TestFromLevel: what a handler enables may depend on the socket's attributes.
func TestFromLevel(t *testing.T) {
	t.Parallel()
	log := new(sink)
	l, err := logging.New(slog.New(leveled{slog.NewJSONHandler(log, nil), slog.LevelInfo}), &logging.Options{
		User: func(*socket.Socket) (string, bool) { return "noisy", true },
	})
	if err != nil {
		t.Fatal(err)
	}
	logger, _ := l.From(connect(t, l))
	logger.Info("info")
	logger.Error("error")
	if logger.Enabled(t.Context(), slog.LevelInfo) || len(log.all(t, "info")) != 0 || len(log.all(t, "error")) != 1 {
		t.Errorf("not by its level:\n%s", log.String())
	}
}

// TestFromContract: the logger of a socket does what slog requires of handlers.
func TestFromContract(t *testing.T) {
	t.Parallel()
	for _, insecure := range []bool{false, true} {
		log := new(sink)
		l, err := logging.New(slog.New(slog.NewJSONHandler(log, nil)), &logging.Options{
			InsecureSecrets: insecure, Level: slog.LevelError + 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		slogtest.Run(t, func(t *testing.T) slog.Handler {
			logger, _ := l.From(connect(t, l))
			return logger.Handler()
		}, func(t *testing.T) map[string]any {
			records := strings.Split(strings.TrimSpace(log.String()), "\n")
			var last map[string]any
			if err := json.Unmarshal([]byte(records[len(records)-1]), &last); err != nil {
				t.Fatal(err)
			}
			delete(last, "conn")
			return last
		})
	}
}

// TestFromBroken: if a handler panics over the socket's attributes, records are written
// without them.
func TestFromBroken(t *testing.T) {
	t.Parallel()
	log, made := new(sink), new(atomic.Int32)
	l, err := logging.New(slog.New(counting{slog.NewJSONHandler(log, nil), made, true}), nil)
	if err != nil {
		t.Fatal(err)
	}
	logger, ok := l.From(connect(t, l))
	for range 2 {
		logger.Info("hello", "k", "v")
	}
	if !ok || made.Load() != 1 || len(log.all(t, "hello")) != 2 {
		t.Errorf("known %t, made %d times:\n%s", ok, made.Load(), log.String())
	}
}
