package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sioware/sioware/presence"
)

const saysConcurrent = "Its methods may be called concurrently"

var concurrentCases = []storeCase{
	{"FirstTabs", saysAlternate, func(k *kit) {
		const tabs = 6
		all := k.watchAll()
		atOnce(tabs, func(i int) {
			if err := k.joinAt(k.nodes[i%len(k.nodes)], k.entry("", "u", fmt.Sprint(i))); err != nil {
				k.Errorf("Join: %v", err)
			}
		})
		wants := []want{online(some)}
		for i := range tabs - 1 {
			wants = append(wants, updated(presence.CauseJoined, some, i+2))
		}
		for _, w := range all {
			w.expect("", "u", wants...)
		}
		if r := k.get(k.store(), "", "u"); len(r.Devices) != tabs {
			k.fail("%d devices, want %d", len(r.Devices), tabs)
		}
	}},
	{"LastTabs", saysAlternate, func(k *kit) {
		// All tabs of a user are closed at once, on all nodes: the user goes offline once.
		const rounds, tabs = 15, 4
		all := k.watchAll()
		var wants []want
		for round := range rounds {
			tab := func(i int) (presence.Store, presence.Entry) {
				return k.nodes[i%len(k.nodes)], k.entry("", "u", fmt.Sprint(round, "-", i))
			}
			for i := range tabs {
				k.enter(tab(i))
			}
			atOnce(tabs, func(i int) {
				s, e := tab(i)
				if err := s.Leave(k.Context(), presence.CauseLost, false, e.Seat); err != nil {
					k.Errorf("Leave: %v", err)
				}
			})
			wants = append(wants, online(some))
			for i := range tabs - 1 {
				wants = append(wants, updated(presence.CauseJoined, some, i+2))
			}
			for i := range tabs - 1 {
				wants = append(wants, updated(presence.CauseLost, some, tabs-i-1))
			}
			wants = append(wants, offline(presence.CauseLost))
		}
		for _, w := range all {
			w.expect("", "u", wants...)
		}
		k.absent(k.store(), "", "u")
	}},
	{"Churn", saysConcurrent, churn},
}

// The users of churn, and their rooms.
const churnUsers = 4

var churnRooms = []string{"", "r"}

// churn makes many devices come and go, and compares what is known in the end with the truth.
func churn(k *kit) {
	const workers = 12
	all := k.watchAll()
	held := make([][]presence.Seat, workers) // in the end
	var wg sync.WaitGroup
	for n := range workers {
		wg.Go(func() { held[n] = k.comeAndGo(k.nodes[n%len(k.nodes)], fmt.Sprint(n)) })
	}
	wg.Wait()
	k.compare(slices.Concat(held...))
	for n, seats := range held {
		k.leaveAt(k.nodes[n%len(k.nodes)], presence.CauseLeft, true, seats...)
	}
	for u := range churnUsers {
		for _, room := range churnRooms {
			k.absent(k.store(), room, fmt.Sprint(u))
			for _, w := range all {
				if !k.eventually(func() bool {
					told := w.told(room, fmt.Sprint(u))
					return len(told) == 0 || told[len(told)-1].Devices == 0
				}) {
					k.fail("not told that %d is gone", u)
					k.FailNow()
				}
			}
		}
	}
}

// comeAndGo makes devices of a worker come and go at s, and returns the seats that are held
// in the end.
func (k *kit) comeAndGo(s presence.Store, worker string) (held []presence.Seat) {
	const ops = 60
	for i := range ops {
		room, user := churnRooms[rand.IntN(len(churnRooms))], fmt.Sprint(rand.IntN(churnUsers))
		e := k.entry(room, user, fmt.Sprint(worker, "-", i), meta(fmt.Sprint(rand.IntN(2))))
		e.Grace = []time.Duration{0, 5 * time.Millisecond}[rand.IntN(2)]
		if err := k.joinAt(s, e); err != nil {
			k.Errorf("Join: %v", err)
			return held
		}
		if held = append(held, e.Seat); len(held) < 3 {
			continue
		}
		j := rand.IntN(len(held))
		if err := s.Leave(k.Context(), presence.CauseLeft, rand.IntN(2) == 0, held[j]); err != nil {
			k.Errorf("Leave: %v", err)
			return held
		}
		held = slices.Delete(held, j, j+1)
	}
	return held
}

// compare checks that each node knows of the seats that are held, and of no others, once
// all graces have ended.
func (k *kit) compare(held []presence.Seat) {
	k.Helper()
	truth := make(map[place]map[string]bool)
	for _, s := range held {
		at := place{s.Room, s.User}
		if truth[at] == nil {
			truth[at] = make(map[string]bool)
		}
		truth[at][s.Device] = true
	}
	for _, s := range k.nodes {
		members := 0
		for _, room := range churnRooms {
			for u := range churnUsers {
				user := fmt.Sprint(u)
				want := truth[place{k.room(room), k.user(user)}]
				if room != "" && len(want) > 0 {
					members++
				}
				k.truly(s, room, user, want)
			}
		}
		k.count(s, "r", members)
		if listed := k.list(s, "r", 3); len(listed) != members {
			k.fail("List: %d, want %d", len(listed), members)
		}
	}
}

// truly checks that a user has these devices, once the grace has passed.
func (k *kit) truly(s presence.Store, room, user string, want map[string]bool) {
	k.Helper()
	var r presence.Record
	if !k.eventually(func() bool {
		r = k.get(s, room, user)
		return len(r.Devices) > 0 || r.Version == 0
	}) {
		k.fail("the grace does not end: %.500v", r)
	}
	got := make(map[string]bool)
	for _, d := range r.Devices {
		got[d.ID] = true
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		k.fail("devices of %s in %q: %.500v, want %.500v", user, room, got, want)
	}
}
