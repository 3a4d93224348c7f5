package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/presence/redisstore"
)

// brisk is for tests that wait for leases, on a machine that is busy.
var brisk = &redisstore.Options{Timeout: 500 * time.Millisecond, Lease: time.Second}

// heard is what a watcher was told.
type heard struct {
	mu  sync.Mutex
	all []presence.Event
}

func watch(s *redisstore.Store) *heard {
	h := &heard{}
	s.Watch(func(e presence.Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.all = append(h.all, e)
	})
	return h
}

// count returns how many events f holds for.
func (h *heard) count(f func(presence.Event) bool) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, e := range h.all {
		if f(e) {
			n++
		}
	}
	return n
}

func (h *heard) kind(k presence.Kind, user string) int {
	return h.count(func(e presence.Event) bool {
		return e.Change != nil && e.Change.Kind == k && (user == "" || e.Change.User == user)
	})
}

func (h *heard) lost() int {
	return h.count(func(e presence.Event) bool { return e.Lost > 0 })
}

func (h *heard) evicted(device string, cause presence.Cause) int {
	return h.count(func(e presence.Event) bool {
		return e.Eviction != nil && e.Eviction.Device == device && e.Eviction.Cause == cause
	})
}

func entryOf(room, user, device string, grace time.Duration) presence.Entry {
	return presence.Entry{Seat: presence.Seat{Room: room, User: user, Device: device}, Grace: grace}
}

func join(tb testing.TB, s *redisstore.Store, e presence.Entry) {
	tb.Helper()
	siotest.Eventually(tb, "a seat", func() bool {
		err := s.Join(tb.Context(), e)
		if err != nil && !errors.Is(err, presence.ErrUnavailable) { // the machine may be busy
			tb.Errorf("Join: %v", err)
			return true
		}
		return err == nil
	})
}

func leave(tb testing.TB, s *redisstore.Store, e presence.Entry, now bool) {
	tb.Helper()
	siotest.Eventually(tb, "a seat is given up", func() bool { return s.Leave(tb.Context(), presence.CauseLeft, now, e.Seat) == nil })
}

// record returns what s knows of a user; it is the zero Record if Redis is away.
func record(tb testing.TB, s *redisstore.Store, room, user string) presence.Record {
	tb.Helper()
	all, err := s.Get(tb.Context(), room, user)
	if err != nil || len(all) != 1 {
		return presence.Record{}
	}
	return all[0]
}

func seated(tb testing.TB, s *redisstore.Store, room, user string) bool {
	tb.Helper()
	return len(record(tb, s, room, user).Devices) > 0
}

// crowd takes n seats in the room "" and in a room.
func crowd(tb testing.TB, s *redisstore.Store, name string, n int, grace time.Duration) {
	tb.Helper()
	for i := range n {
		user := fmt.Sprint(name, i)
		siotest.Eventually(tb, "a seat", func() bool { // the machine may be busy
			return s.Join(tb.Context(), entryOf("", user, user, grace)) == nil &&
				s.Join(tb.Context(), entryOf("room", user, user, grace)) == nil
		})
	}
}

// present returns how many of a crowd are seated in both.
func present(tb testing.TB, s *redisstore.Store, name string, n int) int {
	tb.Helper()
	users := make([]string, n)
	for i := range users {
		users[i] = fmt.Sprint(name, i)
	}
	count := 0
	for _, room := range []string{"", "room"} {
		all, err := s.Get(tb.Context(), room, users...)
		if err != nil {
			return -1
		}
		for _, r := range all {
			if len(r.Devices) == 1 {
				count++
			}
		}
	}
	return count / 2
}

const many = 150

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

// Redis stands still for longer than the lease, with all that it knows: nobody goes.
func TestPaused(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.NeedReal(t)
	a, b := open(t, server.Client(t), brisk), open(t, server.Client(t), brisk)
	h := watch(b)
	crowd(t, a, "a", many, 0)
	crowd(t, b, "b", many, 0)
	// Who comes back while Redis is away has not gone either.
	back := entryOf("", "back", "1", 2*brisk.Lease)
	join(t, a, back)
	leave(t, a, back, false)
	server.Pause(t)
	back.Device = "2"
	if err := a.Join(t.Context(), back); !errors.Is(err, presence.ErrUnavailable) {
		t.Errorf("Join: %v", err)
	}
	<-time.After(3 * brisk.Lease)
	server.Resume(t)
	siotest.Eventually(t, "settled", func() bool { return a.Settled() && b.Settled() && seated(t, b, "", "back") })
	<-time.After(2 * brisk.Lease)
	if present(t, b, "a", many) != many || present(t, b, "b", many) != many {
		t.Error("some have gone")
	}
	if n := h.kind(presence.Offline, "") + h.kind(presence.Left, ""); n != 0 {
		t.Errorf("%d were told to have gone", n)
	}
}

// A node that cannot reach Redis is taken for dead, and comes back when it can.
func TestCut(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		cut  func(p *redistest.Proxy)
	}{{"cut", (*redistest.Proxy).Cut}, {"hang", (*redistest.Proxy).Hang}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			proxy := redistest.NewProxy(t, server.Addr)
			a, b := open(t, redistest.Client(t, proxy.Addr), brisk), open(t, server.Client(t), brisk)
			h := watch(b)
			crowd(t, a, "a", many, 100*time.Millisecond)
			left := entryOf("", "left", "1", 0)
			join(t, a, left)
			test.cut(proxy)
			began := time.Now()
			if err := a.Leave(t.Context(), presence.CauseLeft, false, left.Seat); !errors.Is(err, presence.ErrUnavailable) {
				t.Errorf("Leave: %v", err)
			}
			late := entryOf("", "late", "1", 0)
			if err := a.Join(t.Context(), late); !errors.Is(err, presence.ErrUnavailable) {
				t.Errorf("Join: %v", err)
			}
			siotest.Eventually(t, "all have gone", func() bool { return h.kind(presence.Offline, "") == many+1 })
			if took := time.Since(began); took > brisk.Lease+3*time.Second {
				t.Errorf("it took %v", took)
			}
			if n := h.count(func(e presence.Event) bool {
				return e.Change != nil && e.Change.Kind == presence.Offline && e.Change.Cause == presence.CauseNodeLost
			}); n != many+1 {
				t.Errorf("%d by the loss of the node", n)
			}
			epoch := a.Epoch()
			proxy.Restore()
			siotest.Eventually(t, "all are back", func() bool { return a.Settled() && present(t, b, "a", many) == many })
			siotest.Eventually(t, "who has come meanwhile is there", func() bool { return seated(t, b, "", "late") })
			if a.Epoch() == epoch {
				t.Error("the epoch is the same")
			}
			<-time.After(2 * brisk.Lease)
			if present(t, b, "a", many) != many || seated(t, b, "", "left") {
				t.Error("it has not stayed so")
			}
			if n := h.kind(presence.Offline, ""); n != many+1 {
				t.Errorf("%d have gone in all", n)
			}
		})
	}
}

// Nodes die: each user goes once, when lease and grace have passed, and all survivors
// learn of it; even if the node dies that handles it, and whatever grace had begun before.
func TestDie(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const grace = 300 * time.Millisecond
	var nodes []*redisstore.Store
	for range 4 {
		nodes = append(nodes, open(t, server.Client(t), brisk))
	}
	first, second := watch(nodes[2]), watch(nodes[3])
	crowd(t, nodes[0], "a", many, grace)
	crowd(t, nodes[1], "b", many, grace)
	two := entryOf("", "two", "1", grace) // devices, one of which stays
	join(t, nodes[0], two)
	two.Device = "2"
	join(t, nodes[3], two)
	gone := entryOf("", "gone", "1", 5*time.Second/2) // the grace is running already
	join(t, nodes[0], gone)
	leave(t, nodes[0], gone, false)
	left := time.Now()
	nodes[0].Die()
	died := time.Now()
	nodes[1].Die()
	siotest.Eventually(t, "all have gone", func() bool { return first.kind(presence.Offline, "") >= 2*many })
	if took := time.Since(died); took > brisk.Lease+grace+2*time.Second {
		t.Errorf("it took %v", took)
	}
	siotest.Eventually(t, "also from the room", func() bool { return second.kind(presence.Left, "") >= 2*many })
	siotest.Eventually(t, "who was in his grace", func() bool { return first.kind(presence.Offline, "gone") == 1 })
	if took := time.Since(left); took < gone.Grace-10*time.Millisecond {
		t.Errorf("a grace of %v took %v", gone.Grace, took)
	}
	<-time.After(brisk.Lease)
	for _, h := range []*heard{first, second} {
		users := make(map[string]int)
		h.count(func(e presence.Event) bool {
			if e.Change != nil && e.Change.Kind == presence.Offline {
				users[e.Change.User]++
				if e.Change.User != "gone" && e.Change.Cause != presence.CauseNodeLost {
					t.Errorf("%+v", e.Change)
				}
				if d := e.Change.Seen.Sub(died); e.Change.User != "gone" && (d > brisk.Lease+200*time.Millisecond || d < 0) {
					t.Errorf("seen %v after the node has died", d)
				}
			}
			return false
		})
		if len(users) != 2*many+1 {
			t.Errorf("%d have gone", len(users))
		}
		for user, n := range users {
			if n != 1 {
				t.Errorf("%s has gone %d times", user, n)
			}
		}
	}
	if r := record(t, nodes[2], "", "two"); len(r.Devices) != 1 || r.Devices[0].ID != "2" {
		t.Errorf("%+v", r)
	}
	// Nothing is left of the dead among the nodes.
	c := server.Client(t)
	siotest.Eventually(t, "buried", func() bool {
		keys := nodes[2].NodeKeys()
		return c.ZCard(t.Context(), keys[0]).Val() == 2 && c.Exists(t.Context(), keys[1], keys[2]).Val() == 0
	})
}

// All nodes die; the next one to start handles it.
func TestAllDie(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := open(t, server.Client(t), brisk)
	crowd(t, a, "a", 20, 0)
	a.Die()
	<-time.After(2 * brisk.Lease)
	b := open(t, server.Client(t), brisk)
	h := watch(b)
	siotest.Eventually(t, "all have gone", func() bool { return h.kind(presence.Offline, "") == 20 && h.kind(presence.Left, "") == 20 })
	if r := record(t, b, "", "a1"); time.Since(r.Seen) < brisk.Lease/2 {
		t.Errorf("seen %v ago", time.Since(r.Seen))
	}
}

// A lost subscription is reported, and all seats are reported again; what Redis believes in
// and does not exist goes.
func TestSubscriptionLost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.NeedReal(t)
	a, b := open(t, server.Client(t), brisk), open(t, server.Client(t), brisk)
	ha, hb := watch(a), watch(b)
	crowd(t, a, "a", many, time.Minute)
	if ha.lost()+hb.lost() != 0 {
		t.Error("lost, though nothing was")
	}
	epoch := a.Epoch()
	c := server.Client(t)
	// As if Redis had forgotten that one has left.
	ghost := entryOf("", "ghost", "1", 0)
	join(t, a, ghost)
	p := redisstore.Partition("", "ghost")
	members, name := a.Keys(p)[0], redisstore.Entity("", "ghost")
	saved := c.HGet(t.Context(), members, name).Val()
	leave(t, a, ghost, true)
	c.HSet(t.Context(), members, name, saved)
	c.ZAdd(t.Context(), a.Keys(p)[1], redis.Z{Member: name})
	if !seated(t, b, "", "ghost") {
		t.Fatal("no ghost")
	}
	if err := c.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err(); err != nil {
		t.Fatal(err)
	}
	siotest.Eventually(t, "it is told", func() bool { return ha.lost() > 0 && hb.lost() > 0 })
	siotest.Eventually(t, "there is no ghost", func() bool { return a.Epoch() != epoch && !seated(t, b, "", "ghost") })
	siotest.Eventually(t, "settled", func() bool { return a.Settled() && present(t, b, "a", many) == many })
	if n := hb.kind(presence.Updated, "") + hb.kind(presence.Joined, "") - many; n != 0 {
		t.Errorf("%d changes too many", n)
	}
}

// A missing message is noticed by the next one.
func TestGap(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, server.Client(t), brisk)
	h := watch(s)
	c := server.Client(t)
	join(t, s, entryOf("", "u", "1", 0))
	siotest.Eventually(t, "online", func() bool { return h.kind(presence.Online, "u") == 1 })
	c.HSet(t.Context(), s.Keys(redisstore.Partition("", "u"))[3], "v", time.Now().Add(time.Second).UnixMicro())
	if h.lost() > 0 {
		t.Error("lost, though nothing was")
	}
	join(t, s, entryOf("", "u", "2", 0))
	siotest.Eventually(t, "told", func() bool { return h.lost() == 1 && h.kind(presence.Updated, "u") == 1 })
	for i, junk := range []string{"", "1", "x", "1:1", "1:20:", "\xff", "9999999999:a"} {
		if err := c.Publish(t.Context(), s.Channel(), junk).Err(); err != nil {
			t.Fatal(err)
		}
		siotest.Eventually(t, "told", func() bool { return h.lost() == i+2 })
	}
}

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

// Redis that is away from the start: calls fail in time, and at once when that is known.
func TestAway(t *testing.T) {
	t.Parallel()
	hangs := redistest.NewProxy(t, "127.0.0.1:1")
	hangs.Hang()
	for _, client := range []*redis.Client{
		redistest.Client(t, "127.0.0.1:1"), redistest.Client(t, hangs.Addr), redistest.Patient(t, hangs.Addr),
	} {
		s := open(t, client, brisk)
		began := time.Now()
		h := watch(s)
		for i := range 100 {
			for _, err := range []error{
				s.Join(t.Context(), entryOf("", fmt.Sprint(i), "1", 0)),
				s.Leave(t.Context(), presence.CauseLeft, true, presence.Seat{User: fmt.Sprint(i), Device: "1"}),
				func() error { _, err := s.Get(t.Context(), "", "u"); return err }(),
				func() error { _, _, err := s.List(t.Context(), "", "", 1); return err }(),
				func() error { _, _, err := s.Scan(t.Context(), "", 1); return err }(),
				func() error { _, err := s.Count(t.Context(), "r"); return err }(),
				func() error { _, err := s.Evict(t.Context(), "u", presence.CauseKicked, ""); return err }(),
			} {
				if !errors.Is(err, presence.ErrUnavailable) {
					t.Fatalf("%v", err)
				}
			}
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
		if h.kind(presence.Online, "") != 0 {
			t.Error("told")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := s.Join(ctx, entryOf("", "u", "1", 0)); !errors.Is(err, presence.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Join: %v", err)
		}
		cancel()
		if err := s.Join(ctx, entryOf("", "u", "1", 0)); !errors.Is(err, presence.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			t.Errorf("Join: %v", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 15*time.Second)
		if err := s.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
		cancel()
	}
}

func (h *heard) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = nil
}

// A node that others have declared dead, and that does not know it yet, takes no seat that
// would be lost.
func TestFenced(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	opts := *brisk
	opts.Lease = time.Minute
	s := open(t, server.Client(t), &opts)
	join(t, s, entryOf("", "first", "1", 0))
	siotest.Eventually(t, "settled", s.Settled)
	epoch := s.Epoch()
	c := server.Client(t)
	for p := range redisstore.Partitions {
		c.HSet(t.Context(), s.Keys(p)[3], "n"+epoch, "1")
	}
	if err := s.Join(t.Context(), entryOf("", "u", "1", 0)); !errors.Is(err, presence.ErrUnavailable) {
		t.Errorf("Join: %v", err)
	}
	siotest.Eventually(t, "it has a new epoch", func() bool {
		return s.Epoch() != epoch && s.Settled() && seated(t, s, "", "u") && seated(t, s, "", "first")
	})
	siotest.Eventually(t, "the old one is reaped", func() bool {
		keys := s.NodeKeys()
		return c.ZCard(t.Context(), keys[0]).Val() == 1 && c.Exists(t.Context(), keys[1]).Val() == 0
	})
	if !seated(t, s, "", "u") || !seated(t, s, "", "first") {
		t.Error("the seats have gone with it")
	}
}
