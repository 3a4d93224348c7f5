package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/sioware/sioware/presence"
)

const saysNode = "each gives up only its own seats"

var nodeCases = []storeCase{
	{"Nodes", saysJoin, func(k *kit) {
		all := k.watchAll()
		for i, s := range k.nodes {
			k.enter(s, k.entry("", "u", fmt.Sprint(i), meta(fmt.Sprint(i))))
			k.enter(s, k.entry("r", fmt.Sprint(i), fmt.Sprint("r", i)))
			for _, other := range k.nodes {
				if r := k.get(other, "", "u"); len(r.Devices) != i+1 || string(r.Devices[i].Meta) != fmt.Sprint(i) {
					k.fail("%.500v", r)
				}
				k.count(other, "r", i+1)
				if listed := k.list(other, "r", 2); len(listed) != i+1 {
					k.fail("List: %.500v, want %d", listed, i+1)
				}
			}
		}
		wants := []want{online("0"), updated(presence.CauseJoined, "1", 2), updated(presence.CauseJoined, "2", 3)}
		for i, s := range k.nodes {
			k.leaveAt(s, presence.CauseLost, false, k.seat("", "u", fmt.Sprint(i)))
			wants = append(wants, updated(presence.CauseLost, fmt.Sprint(i), 2-i))
		}
		wants[5] = offline(presence.CauseLost)
		for i, w := range all {
			w.expect("", "u", wants...)
			k.absent(k.nodes[i], "", "u")
			if first, told := all[0].told("", "u"), w.told("", "u"); len(first) == len(told) {
				for n := range told {
					if told[n].Version != first[n].Version {
						k.fail("version %d at one node, %d at another", first[n].Version, told[n].Version)
					}
				}
			}
		}
	}},
	{"NodesGrace", saysTold, func(k *kit) {
		// The user moves from node to node.
		all := k.watchAll()
		n := len(k.nodes)
		k.enter(k.nodes[0], k.entry("", "u", "0", grace(long)))
		for i := range 5 {
			k.leaveAt(k.nodes[i%n], presence.CauseLost, false, k.seat("", "u", fmt.Sprint(i)))
			k.enter(k.nodes[(i+1)%n], k.entry("", "u", fmt.Sprint(i+1), grace(long)))
		}
		k.leaveAt(k.nodes[5%n], presence.CauseLeft, true, k.seat("", "u", "5"))
		for _, w := range all {
			w.expect("", "u", online("0"), offline(presence.CauseLeft))
		}
	}},
	{"NodesDeadline", saysAlternate, deadline},
	{"NodesEvict", saysEvict, func(k *kit) {
		all := k.watchAll()
		for i, s := range k.nodes {
			k.enter(s, k.entry("", "u", fmt.Sprint(i)))
		}
		k.evict(k.nodes[2], "u", "why", 2, "2")
		k.devices(k.nodes[0], "", "u", "2")
		for _, w := range all {
			w.expectEviction(k.kicked("u", "0", "why"))
			w.expectEviction(k.kicked("u", "1", "why"))
			w.noEviction("2")
		}
		for i := range 2 {
			for _, room := range []string{"", "r"} {
				k.evicted(k.joinAt(k.nodes[i], k.entry(room, "u", fmt.Sprint(i))), k.kicked("u", fmt.Sprint(i), "why"))
			}
			k.leaveAt(k.nodes[i], presence.CauseKicked, true, k.seat("", "u", fmt.Sprint(i)))
		}
		k.count(k.nodes[0], "r", 0)
		k.devices(k.nodes[0], "", "u", "2")
	}},
	{"NodesEvictedAtOnce", saysEvicted, func(k *kit) {
		// The node of the device need not have heard of it yet.
		for i := range 20 {
			user, device := fmt.Sprint("u", i), fmt.Sprint("d", i)
			k.enter(k.nodes[0], k.entry("", user, device))
			k.evict(k.nodes[1], user, "", 1)
			k.evicted(k.joinAt(k.nodes[0], k.entry("", user, device)), k.kicked(user, device, ""))
			k.absent(k.nodes[2], "", user)
		}
	}},
	{"NodesNewest", saysNewest, func(k *kit) {
		all := k.watchAll()
		for i, s := range k.nodes {
			k.enter(s, k.entry("", "u", fmt.Sprint(i), limit(1)))
			k.devices(k.nodes[(i+1)%3], "", "u", fmt.Sprint(i))
		}
		for i, w := range all {
			w.expectEviction(k.replaced("u", "0"))
			w.expectEviction(k.replaced("u", "1"))
			w.noEviction("2")
			if i < 2 {
				k.evicted(k.joinAt(k.nodes[i], k.entry("", "u", fmt.Sprint(i), limit(1))), k.replaced("u", fmt.Sprint(i)))
			}
		}
		k.devices(k.nodes[0], "", "u", "2")
	}},
	{"NodesFull", saysFull, func(k *kit) {
		k.enter(k.nodes[0], k.entry("", "u", "0", limit(2), keep))
		k.enter(k.nodes[1], k.entry("", "u", "1", limit(2), keep))
		k.is(k.joinAt(k.nodes[2], k.entry("", "u", "2", limit(2), keep)), presence.ErrFull)
		k.leaveAt(k.nodes[0], presence.CauseLeft, true, k.seat("", "u", "0"))
		k.enter(k.nodes[2], k.entry("", "u", "3", limit(2), keep))
		k.devices(k.nodes[0], "", "u", "1", "3")
	}},
	{"NodesFullRace", saysFull, func(k *kit) { race(k, keep) }},
	{"NodesNewestRace", saysNewest, func(k *kit) { race(k, func(*presence.Entry) {}) }},
}

var drainCases = []storeCase{
	{"Drain", saysClose, func(k *kit) {
		// A user who comes back elsewhere in time has not been away; one who has another
		// device has lost one; one who does not come back goes when the grace has ended,
		// though the node is gone.
		w := k.watch(k.nodes[1])
		k.enter(k.nodes[0], k.entry("", "back", "a", grace(long)))
		k.enter(k.nodes[0], k.entry("", "both", "b", grace(long)))
		k.enter(k.nodes[1], k.entry("", "both", "c", grace(long)))
		k.enter(k.nodes[0], k.entry("", "gone", "d", grace(2*brief)))
		k.enter(k.nodes[0], k.entry("r", "gone", "d"))
		before := time.Now()
		if err := k.nodes[0].Close(k.Context()); err != nil {
			k.fail("Close: %v", err)
		}
		if r := k.devices(k.nodes[1], "", "back"); r.Version == 0 || r.Last.ID != k.device("a") {
			k.fail("in the grace: %.500v", r)
		}
		k.devices(k.nodes[2], "", "both", "c")
		k.enter(k.nodes[2], k.entry("", "back", "e", grace(long)))
		w.expect("", "both", online("b"), updated(presence.CauseJoined, "c", 2), updated(presence.CauseDrained, "b", 1))
		w.expect("r", "gone", joined("d"), left(presence.CauseDrained))
		w.expect("", "gone", online("d"), offline(presence.CauseDrained))
		if told := w.told("", "gone"); len(told) == 2 && told[1].told.Sub(before) < 2*brief-5*time.Millisecond {
			k.fail("told after %v", told[1].told.Sub(before))
		}
		k.absent(k.nodes[2], "", "gone")
		k.leaveAt(k.nodes[2], presence.CauseLeft, true, k.seat("", "back", "e"))
		w.expect("", "back", online("a"), offline(presence.CauseLeft))
	}},
	{"DrainOwn", saysNode, func(k *kit) {
		for i, s := range k.nodes {
			for j := range 20 {
				k.enter(s, k.entry("r", fmt.Sprint(i, "-", j), fmt.Sprint(i, "-", j)))
			}
		}
		k.count(k.nodes[1], "r", 60)
		var wg sync.WaitGroup
		for _, s := range k.nodes[1:] {
			wg.Go(func() {
				if err := s.Close(k.Context()); err != nil {
					k.fail("Close: %v", err)
				}
			})
		}
		wg.Wait()
		k.count(k.nodes[0], "r", 20)
		for j := range 20 {
			k.devices(k.nodes[0], "r", fmt.Sprint("0-", j), fmt.Sprint("0-", j))
		}
	}},
}
