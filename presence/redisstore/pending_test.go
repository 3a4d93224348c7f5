package redisstore_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/presence/redisstore"
)

// An answer is lost, and then the seat is given up: it stays so, though the call arrives
// later.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr)
	a, b := open(t, redistest.Client(t, proxy.Addr), brisk), open(t, server.Client(t), brisk)
	h := watch(b)
	var all []presence.Seat
	join(t, a, entryOf("", "first", "1", 0))
	proxy.Hang()
	for i := range 20 { // some are sent, until the breaker opens
		e := entryOf("", fmt.Sprint("u", i), fmt.Sprint(i), 0)
		if err := a.Join(t.Context(), e); !errors.Is(err, presence.ErrUnavailable) {
			t.Fatalf("Join: %v", err)
		}
		all = append(all, e.Seat)
	}
	if err := a.Leave(t.Context(), presence.CauseLeft, false, all...); !errors.Is(err, presence.ErrUnavailable) {
		t.Fatalf("Leave: %v", err)
	}
	if a.Pending() != 20 || a.Held() != 1 {
		t.Errorf("%d pending, %d held", a.Pending(), a.Held())
	}
	proxy.Restore()
	siotest.Eventually(t, "settled", a.Settled)
	<-time.After(brisk.Lease)
	for i := range 20 {
		if r := record(t, b, "", fmt.Sprint("u", i)); r.Version != 0 {
			t.Errorf("%+v", r)
		}
	}
	if online, offline := h.kind(presence.Online, ""), h.kind(presence.Offline, ""); online-1 != offline-h.kind(presence.Offline, "first") {
		t.Logf("%d online, %d offline", online, offline)
	}
	siotest.Eventually(t, "the other one is there", func() bool { return seated(t, b, "", "first") })
}

// What Join would have returned is reported later.
func TestRefusedLater(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr)
	a, b := open(t, redistest.Client(t, proxy.Addr), brisk), open(t, server.Client(t), brisk)
	h := watch(a)
	join(t, a, entryOf("", "kicked", "k", time.Minute))
	proxy.Cut()
	full := entryOf("", "full", "late", 0)
	full.Max, full.Keep = 1, true
	if err := a.Join(t.Context(), full); !errors.Is(err, presence.ErrUnavailable) {
		t.Fatalf("Join: %v", err)
	}
	full.Device = "early"
	join(t, b, full)
	if n, err := b.Evict(t.Context(), "kicked", presence.CauseKicked, "why"); n != 1 || err != nil {
		t.Fatalf("Evict: %d, %v", n, err)
	}
	proxy.Restore()
	siotest.Eventually(t, "it is told", func() bool {
		return h.evicted("late", presence.CauseReplaced) > 0 && h.evicted("k", presence.CauseKicked) > 0
	})
	siotest.Eventually(t, "settled", a.Settled)
	if r := record(t, b, "", "full"); len(r.Devices) != 1 || r.Devices[0].ID != "early" || seated(t, b, "", "kicked") {
		t.Errorf("%+v", r)
	}
	var ev *presence.Eviction
	if err := a.Join(t.Context(), entryOf("room", "kicked", "k", 0)); !errors.As(err, &ev) || ev.Reason != "why" {
		t.Errorf("Join: %v", err)
	}
	for _, id := range []string{"late", "k"} {
		for _, user := range []string{"full", "kicked"} {
			leave(t, a, entryOf("", user, id, 0), true)
		}
	}
	if n := a.Held(); n != 0 {
		t.Errorf("%d devices are remembered", n)
	}
}

// More seats are given up than are remembered while Redis is away.
func TestOverflow(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr)
	opts := *brisk
	opts.Timeout, opts.Lease = 5*time.Second, 3*time.Second
	a, b := open(t, redistest.Client(t, proxy.Addr), &opts), open(t, server.Client(t), &opts)
	var all []presence.Seat
	const n = redisstore.MaxLeaves + 100
	var wg sync.WaitGroup
	for i := range n {
		all = append(all, presence.Seat{Room: fmt.Sprint(i % 100), User: fmt.Sprint(i), Device: fmt.Sprint(i)})
	}
	for part := range slices.Chunk(all, n/50) {
		wg.Go(func() {
			for _, seat := range part {
				if err := a.Join(t.Context(), presence.Entry{Seat: seat}); err != nil {
					t.Errorf("Join: %v", err)
				}
			}
		})
	}
	wg.Wait()
	stays := entryOf("", "stays", "1", 0)
	join(t, a, stays)
	epoch := a.Epoch()
	proxy.Cut()
	if err := a.Leave(t.Context(), presence.CauseLeft, true, all...); !errors.Is(err, presence.ErrUnavailable) {
		t.Fatalf("Leave: %v", err)
	}
	if p := a.Pending(); p > redisstore.MaxLeaves {
		t.Errorf("%d wait", p)
	}
	proxy.Restore()
	siotest.Eventually(t, "a new epoch", func() bool { return a.Epoch() != epoch && a.Settled() })
	siotest.Eventually(t, "all others have gone", func() bool {
		left := 0
		for i := range 100 {
			c, err := b.Count(t.Context(), fmt.Sprint(i))
			if err != nil {
				return false
			}
			left += c
		}
		return left == 0
	})
	if !seated(t, b, "", "stays") {
		t.Error("who stays has gone")
	}
}
