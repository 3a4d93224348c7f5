package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/presence"
)

const (
	saysFull    = "ErrFull if the user has e.Max devices in the room and e.Keep is set"
	saysNewest  = "If the user then has more than e.Max devices, and e.Keep is not set, the devices that came first are evicted."
	saysEvicted = "an *Eviction if the device has been evicted: it keeps no seat, here or in other rooms"
	saysAll     = "It is told to all nodes"
	saysEvict   = `Evict takes away the seats of a user's devices in the room "", except the devices that are named, and notifies the nodes that they belong to. It returns how many.`
	saysAtOnce  = "If no seat is left, the user goes offline at once."
)

// replaced is the eviction of a device of this case by another.
func (k *kit) replaced(user, device string) presence.Eviction {
	return presence.Eviction{User: k.user(user), Device: k.device(device), Cause: presence.CauseReplaced}
}

func (k *kit) kicked(user, device, reason string) presence.Eviction {
	return presence.Eviction{User: k.user(user), Device: k.device(device), Cause: presence.CauseKicked, Reason: reason}
}

// evict evicts at a node, and checks how many that were.
func (k *kit) evict(s presence.Store, user, reason string, want int, except ...string) {
	k.Helper()
	for i := range except {
		except[i] = k.device(except[i])
	}
	n, err := s.Evict(k.Context(), k.user(user), presence.CauseKicked, reason, except...)
	if err != nil || n != want {
		k.fail("Evict of %q except %q: %d, %v, want %d", user, except, n, err, want)
	}
}

var limitCases = []storeCase{
	{"Full", saysFull, func(k *kit) {
		w := k.watch(k.store())
		for _, room := range []string{"", "r"} {
			k.join(room, "u", "a", limit(2), keep)
			k.join(room, "u", "b", limit(2), keep)
			k.is(k.joinAt(k.store(), k.entry(room, "u", "c", limit(2), keep)), presence.ErrFull)
			k.join(room, "u", "a", limit(2), keep, away) // keeps its seat
			k.join(room, "v", "c", limit(2), keep)
			k.devices(k.store(), room, "u", "a", "b")
			k.leave(presence.CauseLost, false, k.seat(room, "u", "c"))
			k.leave(presence.CauseLost, false, k.seat(room, "u", "a"))
			k.join(room, "u", "d", limit(2), keep)
			k.devices(k.store(), room, "u", "b", "d")
			k.is(k.joinAt(k.store(), k.entry(room, "u", "e", limit(1), keep)), presence.ErrFull)
			k.join(room, "u", "f", limit(3), keep)
			k.devices(k.store(), room, "u", "b", "d", "f")
		}
		w.noEviction("a", "b", "c", "d", "e", "f")
	}},
	{"FullGrace", saysFull, func(k *kit) {
		// A user whose grace is running has no device.
		k.join("", "u", "a", limit(1), keep, grace(long))
		k.is(k.joinAt(k.store(), k.entry("", "u", "b", limit(1), keep)), presence.ErrFull)
		k.leave(presence.CauseLost, false, k.seat("", "u", "a"))
		k.join("", "u", "c", limit(1), keep)
		k.devices(k.store(), "", "u", "c")
	}},
	{"FullRace", saysFull, func(k *kit) { race(k, keep) }},
	{"Newest", saysNewest, func(k *kit) {
		w := k.watch(k.store())
		k.join("", "u", "a", limit(2))
		k.join("", "u", "b", limit(2))
		k.join("", "u", "a", limit(2), away) // is the first all the same
		k.join("", "u", "c", limit(2))
		k.devices(k.store(), "", "u", "b", "c")
		w.expectEviction(k.replaced("u", "a"))
		k.join("", "u", "d", limit(1))
		k.devices(k.store(), "", "u", "d")
		w.expectEviction(k.replaced("u", "b"))
		w.expectEviction(k.replaced("u", "c"))
		w.noEviction("d")
		k.leave(presence.CauseLost, false, k.seat("", "u", "d"))
		w.expect("", "u", online("a"), updated(presence.CauseJoined, "b", 2), updated(presence.CauseUpdated, "a", 2),
			want{presence.Updated, presence.CauseJoined, "c", 2, 1}, want{presence.Updated, presence.CauseJoined, "d", 1, 2},
			offline(presence.CauseLost))
	}},
	{"NewestRace", saysNewest, func(k *kit) { race(k, func(*presence.Entry) {}) }},
	{"NewestEvicted", saysEvicted, func(k *kit) {
		k.join("", "u", "a", limit(1))
		k.join("r", "u", "a")
		k.join("", "u", "b", limit(1))
		for _, room := range []string{"", "r", "s"} {
			k.evicted(k.joinAt(k.store(), k.entry(room, "u", "a", limit(1))), k.replaced("u", "a"))
		}
		k.devices(k.store(), "", "u", "b")
		k.absent(k.store(), "s", "u")
		k.leave(presence.CauseReplaced, true, k.seat("r", "u", "a"), k.seat("", "u", "a"))
		k.absent(k.store(), "r", "u")
		k.devices(k.store(), "", "u", "b")
	}},
}

// race makes many devices come at once, of which two may stay.
func race(k *kit, how func(*presence.Entry)) {
	const devices, most = 24, 2
	all := k.watchAll()
	var full, evicted atomic.Int32
	atOnce(devices, func(i int) {
		err := k.joinAt(k.nodes[i%len(k.nodes)], k.entry("", "u", fmt.Sprint(i), limit(most), how))
		var ev *presence.Eviction
		switch {
		case errors.Is(err, presence.ErrFull):
			full.Add(1)
		case errors.As(err, &ev):
			evicted.Add(1)
		case err != nil:
			k.Errorf("Join: %v", err)
		}
	})
	r := k.get(k.store(), "", "u")
	if len(r.Devices) != most {
		k.fail("%d devices, want %d: %.500v", len(r.Devices), most, r)
	}
	kept := k.entry("", "u", "x", how).Keep
	if kept && full.Load() != devices-most || !kept && full.Load() > 0 || kept && evicted.Load() > 0 {
		k.fail("%d of %d were refused, %d evicted", full.Load(), devices, evicted.Load())
	}
	stay := make(map[string]bool)
	for _, d := range r.Devices {
		stay[d.ID] = true
	}
	for i := range devices {
		id := fmt.Sprint(i)
		for _, w := range all {
			if kept || stay[k.device(id)] {
				w.noEviction(id)
			} else {
				w.expectEviction(k.replaced("u", id))
			}
		}
	}
}

var evictCases = []storeCase{
	{"Evict", saysEvict, func(k *kit) {
		w := k.watch(k.store())
		for _, device := range []string{"a", "b", "c", "d"} {
			k.join("", "u", device)
		}
		k.join("", "v", "e")
		k.evict(k.store(), "u", "why\x00\xff", 2, "b", "d", "x")
		k.devices(k.store(), "", "u", "b", "d")
		k.devices(k.store(), "", "v", "e")
		w.expectEviction(k.kicked("u", "a", "why\x00\xff"))
		w.expectEviction(k.kicked("u", "c", "why\x00\xff"))
		k.evict(k.store(), "u", "", 0, "b", "d")
		k.evict(k.store(), "u", "", 1, "b")
		k.evict(k.store(), "nobody", "", 0)
		w.expectEviction(k.kicked("u", "d", ""))
		w.noEviction("b", "e")
		k.leave(presence.CauseLost, false, k.seat("", "u", "b"))
		w.expect("", "u", online("a"), updated(presence.CauseJoined, "b", 2), updated(presence.CauseJoined, "c", 3),
			updated(presence.CauseJoined, "d", 4), updated(presence.CauseKicked, some, 2), updated(presence.CauseKicked, "d", 1),
			offline(presence.CauseLost))
	}},
	{"EvictAll", saysAtOnce, func(k *kit) {
		w := k.watch(k.store())
		k.join("", "u", "a", grace(long))
		k.join("", "u", "b", grace(long))
		k.evict(k.store(), "u", "r", 2)
		k.absent(k.store(), "", "u")
		w.expectEviction(k.kicked("u", "a", "r"))
		w.expectEviction(k.kicked("u", "b", "r"))
		w.expect("", "u", online("a"), updated(presence.CauseJoined, "b", 2), offline(presence.CauseKicked))
		k.join("", "u", "c")
		k.devices(k.store(), "", "u", "c")
	}},
	{"Evicted", saysEvicted, func(k *kit) {
		k.join("", "u", "a")
		k.join("", "u", "b")
		k.evict(k.store(), "u", "r", 1, "b")
		for _, room := range []string{"r", "", "s"} {
			k.evicted(k.joinAt(k.store(), k.entry(room, "u", "a")), k.kicked("u", "a", "r"))
			k.join(room, "u", "b")
			k.devices(k.store(), room, "u", "b")
		}
		k.leave(presence.CauseKicked, true, k.seat("r", "u", "a"), k.seat("", "u", "a"))
		k.devices(k.store(), "", "u", "b")
	}},
	{"EvictedRoom", saysEvicted, func(k *kit) {
		// Giving up a seat in a room does not let the device in again.
		k.join("", "u", "a")
		k.join("r", "u", "a")
		k.join("", "u", "b")
		k.evict(k.store(), "u", "r", 1, "b")
		k.leave(presence.CauseKicked, true, k.seat("r", "u", "a"))
		for _, room := range []string{"r", "s", ""} {
			k.evicted(k.joinAt(k.store(), k.entry(room, "u", "a")), k.kicked("u", "a", "r"))
		}
		k.absent(k.store(), "r", "u")
		k.devices(k.store(), "", "u", "b")
	}},
	{"EvictGrace", saysAtOnce, func(k *kit) {
		w := k.watch(k.store())
		k.join("", "u", "a", grace(long))
		k.leave(presence.CauseLost, false, k.seat("", "u", "a"))
		seen := k.get(k.store(), "", "u").Seen
		wait(k.Context(), 20*time.Millisecond)
		k.evict(k.store(), "u", "", 0)
		k.absent(k.store(), "", "u")
		w.expect("", "u", online("a"), offline(presence.CauseKicked))
		if r := k.get(k.store(), "", "u"); !r.Seen.Equal(seen) || !w.told("", "u")[1].Seen.Equal(seen) {
			k.fail("%s: was %v: %.500v", saysSeen, seen, r)
		}
		w.noEviction("a")
	}},
	{"EvictRooms", saysEvicted, func(k *kit) {
		// The node gives up the seats in other rooms.
		w := k.watch(k.store())
		for _, room := range []string{"", "r", "s"} {
			k.join(room, "u", "a", grace(long))
		}
		k.evict(k.store(), "u", "", 1)
		w.expectEviction(k.kicked("u", "a", ""))
		k.leave(presence.CauseKicked, true, k.seat("r", "u", "a"), k.seat("s", "u", "a"), k.seat("", "u", "a"))
		for _, room := range []string{"", "r", "s"} {
			k.absent(k.store(), room, "u")
		}
		w.expect("", "u", online("a"), offline(presence.CauseKicked))
		w.expect("r", "u", joined("a"), left(presence.CauseKicked))
		w.expect("s", "u", joined("a"), left(presence.CauseKicked))
	}},
}
