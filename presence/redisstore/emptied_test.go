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

// Redis comes back empty, while it runs or after a restart: all are there again,
// nobody has gone.
func TestEmptied(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		harm func(t *testing.T, server *redistest.Server)
	}{
		{"flush", func(t *testing.T, server *redistest.Server) {
			if err := server.Client(t).FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
		}},
		{"restart", func(t *testing.T, server *redistest.Server) { server.Restart(t) }},
		{"kill", func(t *testing.T, server *redistest.Server) {
			server.Kill(t)
			<-time.After(2 * brisk.Lease)
			server.Restart(t)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			server.NeedReal(t)
			a, b := open(t, server.Client(t), brisk), open(t, server.Client(t), brisk)
			h := watch(b)
			crowd(t, a, "a", many, 0)
			crowd(t, b, "b", many, 0)
			since := record(t, a, "", "a7").Devices[0].Since
			lost := h.lost()
			test.harm(t, server)
			siotest.Eventually(t, "all are back", func() bool {
				return present(t, a, "a", many) == many && present(t, a, "b", many) == many
			})
			siotest.Eventually(t, "it is told", func() bool { return h.lost() > lost })
			siotest.Eventually(t, "settled", func() bool { return a.Settled() && b.Settled() })
			if present(t, b, "a", many) != many || present(t, b, "b", many) != many {
				t.Error("some have gone again")
			}
			if got := record(t, a, "", "a7").Devices[0].Since; !got.Equal(since) {
				t.Errorf("since %v, was %v", got, since)
			}
			if n := h.kind(presence.Offline, "") + h.kind(presence.Left, ""); n != 0 {
				t.Errorf("%d have gone", n)
			}
		})
	}
}

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
