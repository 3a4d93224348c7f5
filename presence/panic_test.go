package presence_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
)

// TestStorePanics: a panic of a Store counts as no answer. The process goes on, even
// where departures are reported and where Watch scans the Store.
func TestStorePanics(t *testing.T) {
	t.Parallel()
	for i, bad := range []string{"join", "leave", "evict", "get", "list", "scan", "count", "join", "leave", "evict", "get", "list", "scan", "count"} {
		fail := func() error { panic("no") }
		if i >= 7 {
			fail = siotest.NilError // panics when it is asked what it is
		}
		t.Run(bad, func(t *testing.T) {
			t.Parallel()
			called := make(chan struct{}, 1000)
			store := newRogue(t)
			store.set(func(_ context.Context, op, _ string, pass func() error) error {
				if op == bad {
					called <- struct{}{}
					return fail()
				}
				return pass()
			})
			var log bytes.Buffer
			p := newTracker(t, &presence.Options{Store: store, Grace: -1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			p.Watch(func(presence.Change) {})
			s := serve(t, p)
			c, so := s.join(t, as("alice"))
			check := func(op string, err error) {
				t.Helper()
				if errors.Is(err, presence.ErrUnavailable) != (op == bad) {
					t.Errorf("%s: %v", op, err)
				}
			}
			check("join", p.Join(t.Context(), so, "lobby", nil))
			check("leave", p.Leave(t.Context(), so, "lobby"))
			_, err := p.Count(t.Context(), "")
			check("count", err)
			for _, err = range p.Members(t.Context(), "") {
			}
			check("list", err)
			if all, err := p.Status(t.Context(), "alice"); err != nil || all[0].Stale != (bad == "get") {
				t.Error(all, err)
			}
			_, err = p.Kick(t.Context(), "alice")
			check("evict", err)
			c.Close()
			siotest.Eventually(t, "nobody is there", func() bool {
				devices, users, rooms := presence.Held(p)
				return devices+users+rooms == 0
			})
			<-called
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if !strings.Contains(log.String(), "the Store panicked") || !strings.Contains(log.String(), "goroutine ") {
				t.Errorf("the log has no stack: %s", log.String())
			}
		})
	}
}
