package redisstore_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/presence/redisstore"
	"github.com/zishang520/socket.io/v2/socket"
)

// What changes just after Redis was emptied is reported to those who watch another node:
// about a user who was there all the time, and has come back to Redis with another state.
func TestEmptiedChange(t *testing.T) {
	t.Parallel()
	one, two := entryOf("", "alice", "one", time.Minute), entryOf("", "alice", "two", time.Minute)
	away := one
	away.Away, away.Meta = true, json.RawMessage(`{"new":1}`)
	for name, c := range map[string]struct {
		before []presence.Entry
		change func(s *redisstore.Store) error
	}{
		"updated": {[]presence.Entry{one}, func(s *redisstore.Store) error { return s.Join(context.Background(), away) }},
		"left": {[]presence.Entry{away, two}, func(s *redisstore.Store) error {
			return s.Leave(context.Background(), presence.CauseLeft, false, two.Seat)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			server.NeedReal(t)
			a, b := open(t, server.Client(t), brisk), open(t, server.Client(t), brisk)
			last := lastTold(t, b)
			for _, e := range c.before {
				join(t, a, e)
			}
			siotest.Eventually(t, "all is told", func() bool { return last().Devices == len(c.before) && !last().Away })
			if err := server.Client(t).FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			_ = c.change(a) // what Redis has not been told it is told later
			siotest.Eventually(t, "she is told to be away", func() bool {
				r, c := record(t, b, "", "alice"), last()
				return c.Away && c.Devices == len(r.Devices) && c.Version == r.Version
			})
		})
	}
}

// lastTold returns a function that returns what a Tracker of a store reported last.
func lastTold(t *testing.T, s *redisstore.Store) func() presence.Change {
	t.Helper()
	p, err := presence.New(func(*socket.Socket) (string, bool) { return "", false }, &presence.Options{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	var mu sync.Mutex
	var last presence.Change
	p.Watch(func(c presence.Change) {
		mu.Lock()
		defer mu.Unlock()
		last = c
	})
	return func() presence.Change {
		mu.Lock()
		defer mu.Unlock()
		return last
	}
}
