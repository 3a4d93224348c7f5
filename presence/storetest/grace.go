package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sioware/sioware/presence"
)

const (
	saysGrace = "A user who has none left in the room stays a member for the Grace of the last Entry there, unless now is set."
	saysLast  = "A member without any is in grace: Last is then the device that left last."
	saysTold  = "That the last device has left is reported when the grace has passed, not before. If a device comes back in time, with the Meta and Away of the last one, nothing is reported."
	saysSeen  = "Seen is when the user's last seat was given up"
)

var graceCases = []storeCase{
	{"GraceEnds", saysTold, func(k *kit) {
		w := k.watch(k.store())
		for room, cause := range map[string]presence.Cause{"": presence.CauseTimeout, "r": presence.CauseLeft} {
			k.join(room, "u", "a", grace(brief), meta(`7`))
			version := k.get(k.store(), room, "u").Version
			before := time.Now()
			k.leave(cause, false, k.seat(room, "u", "a"))
			after := time.Now()
			r := k.get(k.store(), room, "u")
			if time.Since(before) < brief && (r.Version != version || len(r.Devices) > 0 || r.Last.ID != k.device("a")) {
				k.fail("in the grace: %.500v", r)
			}
			if room == "" {
				w.expect(room, "u", online("a"), offline(cause))
			} else {
				w.expect(room, "u", joined("a"), left(cause))
			}
			k.absent(k.store(), room, "u")
			last := w.told(room, "u")[1]
			if waited := last.told.Sub(before); waited < brief-5*time.Millisecond {
				k.fail("told after %v, with a grace of %v", waited, brief)
			}
			if last.Seen.Before(before.Add(-slack)) || last.Seen.After(after.Add(slack)) || last.At.Sub(last.Seen) < brief-5*time.Millisecond {
				k.fail("left at about %v: Seen %v, At %v", before, last.Seen, last.At)
			}
		}
	}},
	{"Grace", saysLast, func(k *kit) {
		for _, room := range []string{"", "r"} {
			k.join(room, "u", "a", grace(long))
			k.join(room, "u", "b", grace(long), away, meta(`"b"`))
			k.leave(presence.CauseLost, false, k.seat(room, "u", "a"))
			k.leave(presence.CauseLost, false, k.seat(room, "u", "b"))
			r := k.devices(k.store(), room, "u")
			if d := r.Last; r.Version == 0 || d.ID != k.device("b") || !d.Away || string(d.Meta) != `"b"` {
				k.fail("%.500v", r)
			}
			if d := time.Since(r.Seen); d < -slack || d > k.patience {
				k.fail("Seen %v, %v ago", r.Seen, d)
			}
		}
		k.count(k.store(), "r", 1)
	}},
	{"GraceBack", saysTold, func(k *kit) {
		w := k.watch(k.store())
		for i, brought := range []func(*presence.Entry){meta(""), meta(`{"a":1}`), away} {
			room := fmt.Sprint("r", i)
			k.join(room, "u", "a", grace(long), brought)
			version := k.get(k.store(), room, "u").Version
			for _, device := range []string{"b", "c", "d"} {
				last := string(rune(device[0] - 1))
				k.leave(presence.CauseLost, false, k.seat(room, "u", last))
				k.join(room, "u", device, grace(long), brought)
				if r := k.devices(k.store(), room, "u", device); r.Version != version {
					k.fail("version %d after %d: %.500v", r.Version, version, r)
				}
			}
			k.leave(presence.CauseLeft, true, k.seat(room, "u", "d"))
			w.expect(room, "u", joined("a"), left(presence.CauseLeft))
		}
	}},
	{"GraceBackOther", saysTold, func(k *kit) {
		w := k.watch(k.store())
		k.join("", "u", "a", grace(long))
		k.leave(presence.CauseLost, false, k.seat("", "u", "a"))
		k.join("", "u", "b", grace(long), away)
		k.leave(presence.CauseLost, false, k.seat("", "u", "b"))
		k.join("", "u", "c", grace(long), away, meta(`1`))
		k.leave(presence.CauseLost, false, k.seat("", "u", "c"))
		k.join("", "u", "d", grace(long), away, meta(`1`))
		k.leave(presence.CauseKicked, true, k.seat("", "u", "d"))
		w.expect("", "u", online("a"), updated(presence.CauseJoined, "b", 1), updated(presence.CauseJoined, "c", 1),
			offline(presence.CauseKicked))
	}},
	{"GraceOfLastEntry", saysGrace, func(k *kit) {
		k.join("", "u", "a", grace(long))
		k.join("", "u", "b")
		k.leave(presence.CauseLost, false, k.seat("", "u", "a"), k.seat("", "u", "b"))
		k.absent(k.store(), "", "u")
		k.join("", "v", "a")
		k.join("", "v", "b", grace(long))
		k.leave(presence.CauseLost, false, k.seat("", "v", "b"))
		k.leave(presence.CauseLost, false, k.seat("", "v", "a"))
		k.devices(k.store(), "", "v")
		k.join("", "w", "a", grace(long))
		k.join("", "w", "a") // the same once more
		k.leave(presence.CauseLost, false, k.seat("", "w", "a"))
		k.absent(k.store(), "", "w")
	}},
	{"GraceNow", saysGrace, func(k *kit) {
		w := k.watch(k.store())
		k.join("", "u", "a", grace(long))
		k.leave(presence.CauseLeft, true, k.seat("", "u", "a"))
		k.absent(k.store(), "", "u")
		k.join("", "u", "b", grace(long))
		k.leave(presence.CauseLost, false, k.seat("", "u", "b"))
		k.join("", "u", "c", grace(long))
		k.join("", "u", "d", grace(long))
		k.leave(presence.CauseKicked, true, k.seat("", "u", "c"), k.seat("", "u", "d"))
		k.absent(k.store(), "", "u")
		w.expect("", "u", online("a"), offline(presence.CauseLeft), online("b"), updated(presence.CauseJoined, "d", 2),
			updated(presence.CauseKicked, "c", 1), offline(presence.CauseKicked))
	}},
	{"GraceCut", saysTold, func(k *kit) {
		// A user who is back in time does not go when the grace would have ended.
		w := k.watch(k.store())
		k.join("", "u", "a", grace(brief))
		before := time.Now()
		k.leave(presence.CauseLost, false, k.seat("", "u", "a"))
		k.join("", "u", "b", grace(brief))
		inTime := time.Since(before) < brief
		wait(k.Context(), 3*brief)
		k.devices(k.store(), "", "u", "b")
		if told := w.told("", "u"); inTime && len(told) != 1 {
			k.fail("told: %.1500v", told)
		}
		k.join("", "u", "b")
		k.leave(presence.CauseLeft, false, k.seat("", "u", "b"))
		if inTime {
			w.expect("", "u", online("a"), offline(presence.CauseLeft))
		}
	}},
	{"GraceDeadline", saysAlternate, deadline},
}

// deadline makes users come back at the moment when their grace ends.
func deadline(k *kit) {
	const users, rounds, short = 16, 8, 60 * time.Millisecond
	all := k.watchAll()
	var wg sync.WaitGroup
	for u := range users {
		user := fmt.Sprint("u", u)
		wg.Go(func() {
			for round := range rounds {
				s, device := k.nodes[(u+round)%len(k.nodes)], fmt.Sprint(u, "-", round)
				if err := k.joinAt(s, k.entry("", user, device, grace(short))); err != nil {
					k.Errorf("Join: %v", err)
					return
				}
				if round == rounds-1 {
					return
				}
				if err := s.Leave(k.Context(), presence.CauseLost, false, k.seat("", user, device)); err != nil {
					k.Errorf("Leave: %v", err)
					return
				}
				wait(k.Context(), short+time.Duration(rand.IntN(10)-5)*time.Millisecond)
			}
		})
	}
	wg.Wait()
	wait(k.Context(), 3*short)
	for u := range users {
		k.cameBack(all, k.nodes[(u+rounds-1)%len(k.nodes)], fmt.Sprint("u", u), fmt.Sprint(u, "-", rounds-1))
	}
}

// cameBack checks that a user, whose last device is at s, is online. Then that device goes,
// and each watcher must have been told in turn that the user came and went.
func (k *kit) cameBack(all []*watcher, s presence.Store, user, device string) {
	k.Helper()
	r := k.devices(s, "", user, device)
	for _, w := range all {
		if !k.eventually(func() bool {
			told := w.told("", user)
			return len(told) > 0 && told[len(told)-1].Version == r.Version && told[len(told)-1].Kind != presence.Offline
		}) {
			k.fail("%s is online, of version %d; told: %.1500v", user, r.Version, w.told("", user))
			k.FailNow()
		}
	}
	k.leaveAt(s, presence.CauseLeft, true, k.seat("", user, device))
	for _, w := range all {
		if !k.eventually(func() bool { return len(w.told("", user))%2 == 0 }) {
			k.fail("%s: %.1500v", user, w.told("", user))
			k.FailNow()
		}
		for _, c := range w.told("", user) {
			if c.Kind == presence.Updated {
				k.fail("%s: %.500v", user, c)
			}
		}
	}
}
