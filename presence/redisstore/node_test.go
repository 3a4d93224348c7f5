package redisstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/presence/redisstore"
)

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
