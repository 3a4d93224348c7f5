package session_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
)

// journal keeps the records of a log.
type journal struct {
	mu      sync.Mutex
	records []slog.Record
}

func (*journal) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records = append(j.records, r)
	return nil
}

// count returns how many records have this message.
func (j *journal) count(message string) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range j.records {
		if r.Message == message {
			n++
		}
	}
	return n
}

func (j *journal) WithAttrs([]slog.Attr) slog.Handler { return j }

func (j *journal) WithGroup(string) slog.Handler { return j }

// TestOutageLog: an outage makes few records, however many sessions cannot be looked at.
func TestOutageLog(t *testing.T) {
	t.Parallel()
	const number, looks = 50, 5
	log := &journal{}
	store := &tap{Store: newMemory()}
	s := serve(t, newManager(t, store, &session.Options{Check: often, Logger: slog.New(log)}))
	clients := make([]*siotest.Client, number)
	for i := range clients {
		clients[i], _ = s.join(t, siotest.Dial{})
	}
	store.set(func(string, string, func() error) error { return errSecret })
	before := store.news.Load()
	siotest.Eventually(t, "several looks at each", func() bool { return store.news.Load() >= before+number*looks })
	store.set(nil)
	for _, c := range clients {
		c.NoPacket(t, 0)
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	if n := len(log.records); n < 1 || n > 3 {
		t.Errorf("%d records for %d failures", n, number*looks)
	}
	for _, r := range log.records {
		if r.Level != slog.LevelWarn {
			t.Errorf("level %v: %s", r.Level, r.Message)
		}
	}
}
