package logging_test

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/logging"
)

// counting counts how often attributes were made for it, and may not survive that.
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

// TestFromDeferred: the logger of a socket that has nothing to say costs nothing; then all
// that is made of it has what belongs to the socket, and that is made once.
func TestFromDeferred(t *testing.T) {
	t.Parallel()
	log, made := new(sink), new(atomic.Int32)
	l, err := logging.New(slog.New(counting{slog.NewJSONHandler(log, nil), made, false}), nil)
	if err != nil {
		t.Fatal(err)
	}
	sock := connect(t, l)
	logger, _ := l.From(sock)
	if !logger.Enabled(t.Context(), slog.LevelInfo) || made.Load() != 0 {
		t.Errorf("made %d times for nothing", made.Load())
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { logger.Info("many") })
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("made %d times", made.Load())
	}
	id := string(sock.Id())
	logger.With("k", "v").Info("with")
	check(t, log.one(t, "with"), object{"conn.socket": id, "k": "v"})
	logger.WithGroup("g").Info("group", "k", "v")
	check(t, log.one(t, "group"), object{"conn.socket": id, "g.k": "v"})
	slog.New(logging.Redact(logger.Handler())).Info("redacted", "password", "hunter2")
	check(t, log.one(t, "redacted"), object{"conn.socket": id, "password": "[redacted]"})
}

// TestFromBroken: a handler that panics over what belongs to a socket has records without.
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
