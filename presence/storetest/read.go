package storetest

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/sioware/sioware/presence"
)

const (
	saysGet      = "Get returns what is known of users in a room, in the order of users"
	saysNoMember = "For a user who is not a member Version is 0, and Seen may be set."
	saysForgot   = `in rooms other than "", if the user is not a member`
	saysCount    = "Count returns how many members a room has."
	saysMember   = "A member of a room is a user who has a seat there, or whose last one was given up less than its Grace ago."
	saysList     = "A member who stays is returned once, however many others come and go."
	saysPages    = "List returns up to n members of a room"
	saysScan     = `Scan is List for all rooms, including "".`
)

var readCases = []storeCase{
	{"Get", saysGet, func(k *kit) {
		var names []string
		for i := range 50 {
			name := fmt.Sprint("u", i*37%50)
			if i%3 > 0 {
				k.join("r", name, name)
			}
			names = append(names, k.user(name))
		}
		names = append(names, names[1], names[0], names[1])
		all, err := k.store().Get(k.Context(), k.room("r"), names...)
		if err != nil || len(all) != len(names) {
			k.Fatalf("Get of %d: %d, %v", len(names), len(all), err)
		}
		for i, r := range all {
			k.sound(r)
			if r.User != names[i] || r.Room != k.room("r") || (r.Version > 0) != (i%50%3 > 0 && i < 50 || i == 50 || i == 52) {
				k.fail("record %d: %.500v, want one of %q", i, r, names[i])
			}
		}
		if all, err := k.store().Get(k.Context(), k.room("r")); err != nil || len(all) != 0 {
			k.fail("Get of nobody: %.500v, %v", all, err)
		}
	}},
	{"GetUnknown", saysNoMember, func(k *kit) {
		for _, room := range []string{"", "r"} {
			k.absent(k.store(), room, "u")
			if r := k.get(k.store(), room, "u"); !r.Seen.IsZero() || len(r.Devices) > 0 {
				k.fail("%.500v", r)
			}
		}
	}},
	{"Seen", saysSeen, func(k *kit) {
		for i, now := range []bool{true, false} {
			user := fmt.Sprint("u", i)
			k.join("", user, "a")
			k.leave(presence.CauseLost, now, k.seat("", user, "a"))
			r := k.get(k.store(), "", user)
			if r.Version != 0 || r.Seen.IsZero() {
				k.fail("after Offline: %.500v", r)
			}
			k.join("", user, "b")
			k.devices(k.store(), "", user, "b") // and no Seen, see sound
		}
		k.join("", "v", "a")
		k.evict(k.store(), "v", "", 1)
		if r := k.get(k.store(), "", "v"); r.Version != 0 || r.Seen.IsZero() {
			k.fail("after Evict: %.500v", r)
		}
	}},
	{"SeenInRoom", saysForgot, func(k *kit) {
		k.join("r", "u", "a")
		k.leave(presence.CauseLost, false, k.seat("r", "u", "a"))
		k.absent(k.store(), "r", "u")
		if r := k.get(k.store(), "", "u"); r.Version != 0 || !r.Seen.IsZero() {
			k.fail("of who was never online: %.500v", r)
		}
	}},
	{"Count", saysCount, func(k *kit) {
		k.count(k.store(), "r", 0)
		for i := range 5 {
			k.join("r", fmt.Sprint(i), fmt.Sprint("a", i), grace(long))
			k.join("r", fmt.Sprint(i), fmt.Sprint("b", i), grace(long))
			k.count(k.store(), "r", i+1)
		}
		k.count(k.store(), "s", 0)
		k.leave(presence.CauseLost, true, k.seat("r", "0", "a0"))
		k.count(k.store(), "r", 5)
		k.leave(presence.CauseLost, true, k.seat("r", "0", "b0"))
		k.count(k.store(), "r", 4)
		k.leave(presence.CauseLost, true, k.seat("r", "1", "b1"), k.seat("r", "1", "a1"), k.seat("r", "2", "a2"))
		k.count(k.store(), "r", 3)
	}},
	{"CountGrace", saysMember, func(k *kit) {
		k.join("r", "u", "a", grace(long))
		k.leave(presence.CauseLost, false, k.seat("r", "u", "a"))
		k.count(k.store(), "r", 1)
		if all := k.list(k.store(), "r", 10); len(all) != 1 || all[0].Last.ID != k.device("a") {
			k.fail("List: %.500v", all)
		}
		k.join("r", "u", "b")
		k.leave(presence.CauseLost, false, k.seat("r", "u", "b"))
		k.count(k.store(), "r", 0)
	}},
	{"CountOnline", saysOnline, func(k *kit) {
		// Others are online, too.
		k.join("", "u", "a")
		if n, err := k.store().Count(k.Context(), ""); err != nil || n < 1 {
			k.fail("%d, %v", n, err)
		}
	}},
}

// once checks that the members of a room are those users, each once.
func (k *kit) once(all []presence.Record, room string, users map[string]bool, others bool) {
	k.Helper()
	times := make(map[string]int)
	for _, r := range all {
		k.sound(r)
		if r.Version == 0 || r.Room != k.room(room) {
			k.fail("a page of %q has %.500v", room, r)
		}
		times[r.User]++
	}
	for user := range users {
		if n := times[k.user(user)]; n != 1 {
			k.fail("%q is there %d times of %d", user, n, len(all))
		}
		delete(times, k.user(user))
	}
	if len(times) > 0 && !others {
		k.fail("who is no member: %.500v", times)
	}
}

// fill puts some users into the room, with a device each.
func (k *kit) fill(room string, n int) map[string]bool {
	k.Helper()
	users := make(map[string]bool)
	for i := range n {
		user := fmt.Sprint("member", i)
		users[user] = true
		k.join(room, user, fmt.Sprint(room, "m", i), meta(fmt.Sprint(i)))
	}
	return users
}

var listCases = []storeCase{
	{"List", saysPages, func(k *kit) {
		if all := k.list(k.store(), "empty", 10); len(all) != 0 {
			k.fail("of an empty room: %.500v", all)
		}
		k.fill("other", 3)
		users := k.fill("r", 23)
		k.join("r", "member7", "second")
		for _, n := range []int{1, 2, 7, 22, 23, 24, 1000} {
			all := k.list(k.store(), "r", n)
			k.once(all, "r", users, false)
			for _, r := range all {
				if want := 1; len(r.Devices) != want && r.User != k.user("member7") || len(r.Devices[0].Meta) == 0 {
					k.fail("%.500v", r)
				}
			}
		}
	}},
	{"ListChanges", saysList, func(k *kit) {
		// Between two pages all others go, and more come.
		stay := k.fill("r", 10)
		for round := range 3 {
			var going []presence.Seat
			for i := range 40 {
				going = append(going, k.seat("r", fmt.Sprint("go", round, i), fmt.Sprint("g", round, "-", i)))
				k.join("r", fmt.Sprint("go", round, i), fmt.Sprint("g", round, "-", i))
			}
			step := 0
			all := k.pages(5, func(cursor string) ([]presence.Record, string, error) {
				if step++; step == 3 {
					k.leave(presence.CauseLeft, true, going...)
				}
				if step < 6 {
					user := fmt.Sprint("come", round, step)
					k.join("r", user, user)
				}
				return k.store().List(k.Context(), k.room("r"), cursor, 5)
			})
			k.once(all, "r", stay, true)
		}
	}},
	{"ListConcurrent", saysList, func(k *kit) { k.listing(k.room("r"), false) }},
	{"Scan", saysScan, func(k *kit) {
		want := make(map[place]int)
		for i := range 12 {
			for _, room := range []string{"", "r", "s", fmt.Sprint("own", i)} {
				user := fmt.Sprint("u", i)
				k.join(room, user, fmt.Sprint(room, "-", i), grace(long))
				want[place{k.room(room), k.user(user)}]++
			}
		}
		k.leave(presence.CauseLost, false, k.seat("r", "u3", "r-3"))
		for _, n := range []int{5, 100, 1000} {
			got := make(map[place]int)
			all := k.pages(n, func(cursor string) ([]presence.Record, string, error) {
				return k.store().Scan(k.Context(), cursor, n)
			})
			for _, r := range all {
				if at := (place{r.Room, r.User}); want[at] > 0 {
					k.sound(r)
					got[at]++
				} else if len(r.User) > len(k.tag) && r.User[:len(k.tag)] == k.tag {
					k.fail("who is no member: %.500v", r)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				k.fail("by pages of %d: %.1000v, want %.1000v", n, got, want)
			}
		}
	}},
	{"ScanConcurrent", saysList, func(k *kit) { k.listing(k.room("r"), true) }},
}

// listing lists a room, or all, again and again while others come and go there: some for
// each page, so that a list does not follow them.
func (k *kit) listing(room string, scan bool) {
	const workers = 3
	stay := k.fill("r", 30)
	pages := make(chan struct{}, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { k.passBy(w, pages) })
	}
	defer wg.Wait()
	defer close(pages)
	come := 0
	for n := 1; n < 20; n++ {
		size := n
		if scan {
			size = 4 * n // there may be others
		}
		var all []presence.Record
		for _, r := range k.pages(size, func(cursor string) ([]presence.Record, string, error) {
			select {
			case pages <- struct{}{}:
				runtime.Gosched()
			default: // all of them are busy
			}
			if come++; n%5 == 0 {
				k.join("r", fmt.Sprint("comes", come), fmt.Sprint("c", come))
			}
			if scan {
				return k.store().Scan(k.Context(), cursor, size)
			}
			return k.store().List(k.Context(), room, cursor, size)
		}) {
			if !scan || r.Room == room {
				all = append(all, r)
			}
		}
		k.once(all, "r", stay, true)
	}
}

// passBy makes users of a worker come for each page, and the ones before them go.
func (k *kit) passBy(worker int, pages <-chan struct{}) {
	var before []presence.Seat
	for i := 0; ; i++ {
		if _, more := <-pages; !more {
			return
		}
		var seats []presence.Seat
		for j := range 1 + (i+worker)*7%10 { // not as many as before
			e := k.entry("r", fmt.Sprint("go", worker, "-", i, "-", j), fmt.Sprint(worker, "-", i, "-", j))
			if err := k.joinAt(k.store(), e); err != nil {
				k.Errorf("Join: %v", err)
				return
			}
			seats = append(seats, e.Seat)
		}
		if err := k.store().Leave(k.Context(), presence.CauseLeft, true, before...); err != nil {
			k.Errorf("Leave: %v", err)
			return
		}
		before = seats
	}
}
