package storetest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sioware/sioware/presence"
)

const (
	saysUser = "not empty"
	saysRoom = "without a zero byte"
	saysMeta = "compact; nil is none"
)

var idCases = []storeCase{
	{"OddUsers", saysUser, func(k *kit) {
		w := k.watch(k.store())
		var users []string
		for _, o := range odd() {
			users = append(users, o+k.tag, k.tag+"-"+o)
		}
		for i, user := range users {
			k.enter(k.store(), presence.Entry{Seat: presence.Seat{Room: k.room("r"), User: user, Device: k.device(fmt.Sprint(i))}})
		}
		k.count(k.store(), "r", len(users))
		k.same(users, func(i int, r presence.Record) bool {
			return r.Room == k.room("r") && len(r.Devices) == 1 && r.Devices[0].ID == k.device(fmt.Sprint(i))
		}, "r")
		for i, user := range users {
			k.leave(presence.CauseLeft, true, presence.Seat{Room: k.room("r"), User: user, Device: k.device(fmt.Sprint(i))})
			k.count(k.store(), "r", len(users)-i-1)
			w.expectAt(place{k.room("r"), user}, []want{joined(fmt.Sprint(i)), left(presence.CauseLeft)})
		}
	}},
	{"OddRooms", saysRoom, func(k *kit) {
		w := k.watch(k.store())
		var rooms []string
		for _, o := range odd() {
			if !strings.Contains(o, "\x00") {
				rooms = append(rooms, o+k.tag, k.tag+"-"+o)
			}
		}
		for i, room := range rooms {
			k.enter(k.store(), presence.Entry{Seat: presence.Seat{Room: room, User: k.user("u"), Device: k.device(fmt.Sprint(i))}})
		}
		for i, room := range rooms {
			if n, err := k.store().Count(k.Context(), room); n != 1 || err != nil {
				k.fail("Count of %.100q: %d, %v", room, n, err)
			}
			all, cursor, err := k.store().List(k.Context(), room, "", 10)
			for err == nil && cursor != "" {
				var more []presence.Record
				more, cursor, err = k.store().List(k.Context(), room, cursor, 10)
				all = append(all, more...)
			}
			if err != nil || len(all) != 1 || all[0].Room != room || len(all[0].Devices) != 1 || all[0].Devices[0].ID != k.device(fmt.Sprint(i)) {
				k.fail("List of %.100q: %.500v, %v", room, all, err)
			}
		}
		for i, room := range rooms {
			k.leave(presence.CauseLeft, true, presence.Seat{Room: room, User: k.user("u"), Device: k.device(fmt.Sprint(i))})
			w.expectAt(place{room, k.user("u")}, []want{joined(fmt.Sprint(i)), left(presence.CauseLeft)})
		}
	}},
	{"OddOnline", saysUser, func(k *kit) {
		w := k.watch(k.store())
		for i, o := range odd() {
			user, device := o+k.tag, k.device(fmt.Sprint(i))
			k.enter(k.store(), presence.Entry{Seat: presence.Seat{User: user, Device: device}})
			if n, err := k.store().Evict(k.Context(), user, presence.CauseKicked, o[:min(len(o), 1000)]); n != 1 || err != nil {
				k.fail("Evict of %.100q: %d, %v", user, n, err)
			}
			w.expectEviction(presence.Eviction{User: user, Device: device, Cause: presence.CauseKicked, Reason: o[:min(len(o), 1000)]})
			w.expectAt(place{"", user}, []want{online(fmt.Sprint(i)), offline(presence.CauseKicked)})
		}
	}},
	{"OddMeta", saysMeta, func(k *kit) {
		w := k.watch(k.store())
		k.join("r", "u", "a")
		n := 1
		for _, m := range []string{
			`null`, `0`, `""`, `{}`, `[]`, `{"":""}`, `"\u0000"`, `"` + "\x7f" + `"`, `"ä\u2028'"`, `{"__proto__":{"a":1}}`,
			`"%s{}*:|` + "'" + `"`, `1e400`, `12345678901234567890`, `"` + strings.Repeat("x", 1<<16) + `"`,
		} {
			k.join("r", "u", "a", meta(m))
			if d := k.devices(k.store(), "r", "u", "a").Devices[0]; string(d.Meta) != m {
				k.fail("Meta %.100q, want %.100q", d.Meta, m)
			}
			n++
			if !k.eventually(func() bool { return len(w.told("r", "u")) >= n }) {
				k.fail("%.100q is not told", m)
				return
			}
			if d := w.told("r", "u")[n-1].Device; string(d.Meta) != m {
				k.fail("told Meta %.100q, want %.100q", d.Meta, m)
			}
		}
	}},
	{"OwnMeta", saysMeta, func(k *kit) {
		m := json.RawMessage(`"a"`)
		e := k.entry("r", "u", "a")
		e.Meta = m
		k.enter(k.store(), e)
		m[1] = 'b'
		if d := k.devices(k.store(), "r", "u", "a").Devices[0]; string(d.Meta) != `"a"` {
			k.fail("Meta became %q", d.Meta)
		}
	}},
	{"NoUser", saysUser, func(k *kit) {
		e := presence.Entry{Seat: presence.Seat{Room: k.room("r"), Device: k.device("a")}}
		k.is(k.store().Join(k.Context(), e), presence.ErrUser)
		k.count(k.store(), "r", 0)
		k.join("r", "u", "a")
		k.leave(presence.CauseLeft, true, e.Seat, k.seat("r", "u", "a")) // the first is not there
		k.count(k.store(), "r", 0)
		if n, err := k.store().Evict(k.Context(), "", presence.CauseKicked, ""); n != 0 || err != nil {
			k.fail("Evict of nobody: %d, %v", n, err)
		}
	}},
	{"ZeroByte", saysRoom, func(k *kit) {
		for _, room := range []string{"\x00", "\x00r", "r\x00", "r\x00s"} {
			e := presence.Entry{Seat: presence.Seat{Room: k.tag + room, User: k.user("u"), Device: k.device("a")}}
			k.is(k.store().Join(k.Context(), e), presence.ErrRoom)
			k.leave(presence.CauseLeft, true, e.Seat)
			if n, err := k.store().Count(k.Context(), e.Room); n != 0 || err != nil {
				k.fail("Count of %q: %d, %v", e.Room, n, err)
			}
			if page, next, err := k.store().List(k.Context(), e.Room, "", 10); len(page) > 0 || next != "" || err != nil {
				k.fail("List of %q: %v, %q, %v", e.Room, page, next, err)
			}
		}
		k.count(k.store(), "r", 0)
	}},
}

// same checks that a room has these users, by Get and by List.
func (k *kit) same(users []string, ok func(i int, r presence.Record) bool, room string) {
	k.Helper()
	all, err := k.store().Get(k.Context(), k.room(room), users...)
	if err != nil || len(all) != len(users) {
		k.Fatalf("Get of %d: %d, %v", len(users), len(all), err)
	}
	index := make(map[string]int)
	for i, r := range all {
		if index[users[i]] = i; r.User != users[i] || !ok(i, r) {
			k.fail("of %.100q: %.500v", users[i], r)
		}
	}
	for _, r := range k.list(k.store(), room, 10) {
		if i, there := index[r.User]; !there || !ok(i, r) {
			k.fail("listed: %.500v", r)
		}
		delete(index, r.User)
	}
	if len(index) > 0 {
		k.fail("%d are not listed", len(index))
	}
}

// odd returns strings that a store might confuse with each other, or fail to keep. No two
// are equal in the first half of the first 1 MB.
func odd() []string {
	long := strings.Repeat("x", 1<<20)
	return []string{
		" ", "  ", "\t", "\n", "\r\n", "\r\n$1\r\n", "\x00", "\x00\x00", "a\x00b", "a\x00c",
		"{", "}", "{}", "{a}", "a{b}c", "{}:*", "a:b", "1:a", "3:", "a|b", "a/b", "a.b", "*", "?", "[a]", "\\", "'", `"`, "`",
		"%s%n", "..", "a\nb\tc", "__proto__", "constructor", "\xff", "\xfe", "\xff\xfe", "\xc3\x28", "\ufffd",
		"ä", "a\u0308", "A", "a", "0", "00", "-1", "1e3", "nil", "null", "true", long + "a", long + "b", long,
	}
}
