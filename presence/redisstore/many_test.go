package redisstore_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/presence/redisstore"
)

// devices takes seats for n devices of a user.
func devices(tb testing.TB, s *redisstore.Store, e presence.Entry, n int) (seats []presence.Seat) {
	tb.Helper()
	for i := range n {
		e.Device = fmt.Sprintf("%s-%d", e.User, i)
		join(tb, s, e)
		seats = append(seats, e.Seat)
	}
	return seats
}

var hset = regexp.MustCompile(`cmdstat_hset:calls=(\d+)`)

// writes counts the fields of hashes that f has written, each message of a change being one.
func writes(t *testing.T, c *redis.Client, f func()) int {
	t.Helper()
	if err := c.ConfigResetStat(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	f()
	info, err := c.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if m := hset.FindStringSubmatch(info); m != nil {
		n, _ = strconv.Atoi(m[1])
	}
	return n
}

// counted checks that a user's devices were reported to go one after the other, for that
// cause, until so many are left, and returns the last change.
func (h *heard) counted(t *testing.T, user string, cause presence.Cause, from, to int) (last presence.Change) {
	t.Helper()
	gone := func(e presence.Event) bool {
		return e.Change != nil && e.Change.Kind == presence.Updated && e.Change.User == user && e.Change.Cause == cause
	}
	siotest.Eventually(t, "all is told of "+user, func() bool { return h.count(gone) >= from-to })
	left, ids := from, make(map[string]bool)
	h.count(func(e presence.Event) bool {
		if !gone(e) {
			return false
		}
		left--
		ids[e.Change.Device.ID] = true
		if c := e.Change; c.Devices != left || c.Away && left > 1 || c.Version <= last.Version {
			t.Errorf("%+v, want %d devices, behind version %d", c, left, last.Version)
		}
		last = *e.Change
		return false
	})
	if left != to || len(ids) != from-to {
		t.Errorf("%s: %d devices are left of %d, %d have gone, want %d to stay", user, left, from, len(ids), to)
	}
	return last
}

// Many devices of a user go, or are reported again, in one call: each is reported, in
// order, and the record, which holds them all, is not written for each.
func TestManyDevices(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.NeedReal(t)
	c := server.Client(t)
	const n = 250 // more than one batch
	opts := *unhurried
	opts.Lease = 10 * time.Minute // nobody else sees to it
	a, b := open(t, server.Client(t), &opts), open(t, server.Client(t), &opts)
	h := watch(b)
	siotest.Eventually(t, "subscribed", func() bool {
		join(t, b, entryOf("", "first", "1", 0))
		leave(t, b, entryOf("", "first", "1", 0), true)
		return h.kind(presence.Offline, "first") > 0
	})
	devices(t, a, entryOf("", "some", "", time.Minute), n)
	stays := entryOf("", "some", "stays", time.Minute)
	stays.Away = true
	join(t, b, stays)
	devices(t, a, entryOf("", "all", "", time.Minute), n)
	a.Die()
	if got := writes(t, c, func() {
		if err := b.Reap(context.Background(), a.Epoch()); err != nil {
			t.Fatal(err)
		}
	}); got > redisstore.Partitions+2*n+20 {
		t.Errorf("%d writes for %d devices that have died", got, 2*n)
	}
	if last := h.counted(t, "all", presence.CauseNodeLost, n, 1); last.Away {
		t.Errorf("%+v", last)
	}
	if r := record(t, b, "", "all"); len(r.Devices) != 0 || r.Version == 0 || r.Last.ID == "" || r.Seen.IsZero() {
		t.Errorf("%+v", r)
	}
	last := h.counted(t, "some", presence.CauseNodeLost, n+1, 1)
	if r := record(t, b, "", "some"); len(r.Devices) != 1 || r.Devices[0].ID != "stays" || r.Version != last.Version || !last.Away {
		t.Errorf("%+v, told %+v", r, last)
	}

	seats := devices(t, b, entryOf("", "left", "", 0), n)
	if got := writes(t, c, func() {
		if err := b.Leave(t.Context(), presence.CauseLost, false, seats...); err != nil {
			t.Error(err)
		}
	}); got > n+20 {
		t.Errorf("%d writes for %d devices that have left", got, n)
	}
	h.counted(t, "left", presence.CauseLost, n, 1)
	siotest.Eventually(t, "he is offline", func() bool { return h.kind(presence.Offline, "left") == 1 })

	devices(t, b, entryOf("", "again", "", 0), n)
	siotest.Eventually(t, "all is told", func() bool { return h.kind(presence.Updated, "again") == n-1 })
	epoch := b.Epoch()
	if got := writes(t, c, func() {
		b.Heal()
		siotest.Eventually(t, "it has told again", func() bool { return b.Epoch() != epoch && b.Settled() })
	}); got > redisstore.Partitions+20 { // those of the old epoch
		t.Errorf("%d writes for %d devices that are told again", got, n)
	}
	if r := record(t, b, "", "again"); len(r.Devices) != n || h.kind(presence.Updated, "again") != n-1 {
		t.Errorf("%d devices, %d told", len(r.Devices), h.kind(presence.Updated, "again"))
	}
}
