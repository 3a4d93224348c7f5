package storetest

import (
	"time"

	"github.com/sioware/sioware/presence"
)

const (
	saysJoin    = "Join takes a seat, or changes Meta and Away of one that is taken."
	saysSeats   = "a user has one in a room for each device that is there"
	saysOnline  = "a user with a seat in it is online"
	saysUpdated = "a device has come, gone, or changed; the user stays"
	saysNoSeat  = "It is no error if a seat does not exist."
	saysVersion = "Version grows with each change of the user in the room, also from one membership to the next"
	saysOrder   = "Devices are those with a seat, in the order in which they came."
	saysAway    = "and Away whether the user is away on all of them"
	saysSince   = "Since is when it took its seat, by the clock of the store; changes of Meta and Away leave it as it is."
	saysWhat    = "Device is the one that has come or gone, with what it brought"
)

// The usual changes.
func online(device string) want {
	return want{kind: presence.Online, cause: presence.CauseJoined, device: device, devices: 1}
}

func joined(device string) want {
	return want{kind: presence.Joined, cause: presence.CauseJoined, device: device, devices: 1}
}

func offline(cause presence.Cause) want { return want{kind: presence.Offline, cause: cause} }
func left(cause presence.Cause) want    { return want{kind: presence.Left, cause: cause} }

func updated(cause presence.Cause, device string, devices int) want {
	return want{kind: presence.Updated, cause: cause, device: device, devices: devices}
}

var seatCases = []storeCase{
	{"Join", saysJoin, func(k *kit) {
		k.absent(k.store(), "", "u")
		k.join("", "u", "a", meta(`{"x":[1,"\u0000"]}`), away)
		r := k.devices(k.store(), "", "u", "a")
		if d := r.Devices[0]; string(d.Meta) != `{"x":[1,"\u0000"]}` || !d.Away {
			k.fail("%.500v", d)
		}
		k.join("", "u", "a")
		r = k.devices(k.store(), "", "u", "a")
		if d := r.Devices[0]; d.Meta != nil || d.Away {
			k.fail("without Meta and Away: %.500v", d)
		}
	}},
	{"Online", saysOnline, func(k *kit) {
		w := k.watch(k.store())
		k.join("", "u", "a")
		w.expect("", "u", online("a"))
		k.leave(presence.CauseLost, false, k.seat("", "u", "a"))
		k.absent(k.store(), "", "u")
		w.expect("", "u", online("a"), offline(presence.CauseLost))
	}},
	{"Joined", saysAlternate, func(k *kit) {
		w := k.watch(k.store())
		k.join("r", "u", "a")
		k.absent(k.store(), "", "u")
		k.absent(k.store(), "s", "u")
		k.join("", "u", "a")
		k.join("s", "u", "a")
		k.leave(presence.CauseLeft, false, k.seat("r", "u", "a"))
		k.absent(k.store(), "r", "u")
		k.devices(k.store(), "s", "u", "a")
		k.leave(presence.CauseTimeout, false, k.seat("s", "u", "a"), k.seat("", "u", "a"))
		w.expect("r", "u", joined("a"), left(presence.CauseLeft))
		w.expect("s", "u", joined("a"), left(presence.CauseTimeout))
		w.expect("", "u", online("a"), offline(presence.CauseTimeout))
	}},
	{"Devices", saysSeats, func(k *kit) {
		w := k.watch(k.store())
		k.join("", "u", "b")
		k.join("", "u", "a")
		k.join("", "u", "c")
		k.join("", "v", "d")
		k.devices(k.store(), "", "u", "b", "a", "c")
		k.leave(presence.CauseLost, false, k.seat("", "u", "b"))
		k.devices(k.store(), "", "u", "a", "c")
		k.join("", "u", "d")
		k.devices(k.store(), "", "u", "a", "c", "d")
		k.devices(k.store(), "", "v", "d")
		k.leave(presence.CauseLeft, false, k.seat("", "u", "d"))
		k.leave(presence.CauseLeft, false, k.seat("", "u", "a"))
		k.leave(presence.CauseTimeout, false, k.seat("", "u", "c"))
		k.absent(k.store(), "", "u")
		w.expect("", "u", online("b"), updated(presence.CauseJoined, "a", 2), updated(presence.CauseJoined, "c", 3),
			updated(presence.CauseLost, "b", 2), updated(presence.CauseJoined, "d", 3), updated(presence.CauseLeft, "d", 2),
			updated(presence.CauseLeft, "a", 1), offline(presence.CauseTimeout))
		w.expect("", "v", online("d"))
	}},
	{"Order", saysOrder, func(k *kit) {
		names := []string{"m", "z", "a", "k", "0", "y", "b", "x"}
		for i, name := range names {
			k.join("r", "u", name)
			k.join("r", "u", names[0], meta(`"`+name+`"`)) // a device that changes keeps its place
			k.devices(k.store(), "r", "u", append([]string(nil), names[:i+1]...)...)
		}
	}},
	{"Since", saysSince, func(k *kit) {
		w := k.watch(k.store())
		for _, room := range []string{"", "r"} {
			k.join(room, "u", "a")
			since := k.devices(k.store(), room, "u", "a").Devices[0].Since
			wait(k.Context(), 20*time.Millisecond)
			k.join(room, "u", "a", away, meta(`1`))
			if d := k.devices(k.store(), room, "u", "a").Devices[0]; !d.Since.Equal(since) {
				k.fail("was %v: %.500v", since, d)
			}
			if !k.eventually(func() bool { return len(w.told(room, "u")) == 2 }) {
				k.fail("told: %.500v", w.told(room, "u"))
			}
			for _, c := range w.told(room, "u") {
				if !c.Device.Since.Equal(since) {
					k.fail("was %v: told %.500v", since, c)
				}
			}
		}
	}},
	{"Updated", saysUpdated, func(k *kit) {
		w := k.watch(k.store())
		k.join("r", "u", "a")
		k.join("r", "u", "a", meta(`1`))
		k.join("r", "u", "a", meta(`1`)) // nothing new
		k.join("r", "u", "a", meta(`1`), away)
		k.join("r", "u", "a", meta(`1`), away)
		k.join("r", "u", "b", meta(`1`), away)
		k.join("r", "u", "a")
		k.join("r", "u", "a")
		k.leave(presence.CauseLeft, true, k.seat("r", "u", "b"))
		k.leave(presence.CauseLeft, true, k.seat("r", "u", "a"))
		changed := updated(presence.CauseUpdated, "a", 1)
		w.expect("r", "u", joined("a"), changed, changed, updated(presence.CauseJoined, "b", 2),
			updated(presence.CauseUpdated, "a", 2), updated(presence.CauseLeft, "b", 1), left(presence.CauseLeft))
	}},
	{"Away", saysAway, func(k *kit) {
		w := k.watch(k.store())
		k.join("r", "u", "a", away)
		k.join("r", "u", "b")
		k.join("r", "u", "b", away)
		k.join("r", "u", "a")
		k.leave(presence.CauseLeft, false, k.seat("r", "u", "a"))
		k.leave(presence.CauseLeft, false, k.seat("r", "u", "b"))
		w.expect("r", "u", joined("a"), updated(presence.CauseJoined, "b", 2), updated(presence.CauseUpdated, "b", 2),
			updated(presence.CauseUpdated, "a", 2), updated(presence.CauseLeft, "a", 1), left(presence.CauseLeft))
		told := w.told("r", "u")
		for i, want := range []bool{true, false, true, false, true, false} {
			if i < len(told) && told[i].Away != want { // else it is told already
				k.fail("change %d: Away %v, want %v", i, told[i].Away, want)
			}
		}
	}},
	{"Told", saysWhat, func(k *kit) {
		w := k.watch(k.store())
		k.join("", "u", "a", meta(`"x"`), away)
		k.join("", "u", "b", meta(`"y"`))
		k.join("", "u", "a", meta(`"z"`))
		k.leave(presence.CauseLost, false, k.seat("", "u", "b"))
		w.expect("", "u", online("a"), updated(presence.CauseJoined, "b", 2), updated(presence.CauseUpdated, "a", 2),
			updated(presence.CauseLost, "b", 1))
		told := w.told("", "u")
		for i, want := range []string{`"x" true`, `"y" false`, `"z" false`, `"y" false`} {
			if i >= len(told) {
				return // which is told already
			}
			got := string(told[i].Device.Meta) + " false"
			if told[i].Device.Away {
				got = string(told[i].Device.Meta) + " true"
			}
			if got != want || told[i].Device.Since.IsZero() {
				k.fail("told: %.500v, want %s", told[i], want)
			}
		}
	}},
	{"NoSeat", saysNoSeat, func(k *kit) {
		w := k.watch(k.store())
		k.leave(presence.CauseLeft, false)
		k.leave(presence.CauseLeft, false, k.seat("", "u", "a"), k.seat("r", "u", "a"))
		k.join("", "u", "a", grace(long))
		k.leave(presence.CauseLeft, true, k.seat("", "u", "b"), k.seat("r", "u", "a"), k.seat("", "v", "a"))
		k.devices(k.store(), "", "u", "a")
		k.leave(presence.CauseLost, false, k.seat("", "u", "a"), k.seat("", "u", "a"))
		k.leave(presence.CauseLeft, true, k.seat("", "u", "b"))
		k.devices(k.store(), "", "u")
		k.count(k.store(), "r", 0)
		k.join("", "u", "c")
		k.leave(presence.CauseTimeout, true, k.seat("", "u", "c"), k.seat("", "u", "a"))
		k.absent(k.store(), "", "u")
		w.expect("", "u", online("a"), offline(presence.CauseTimeout))
		w.expect("r", "u")
	}},
	{"Version", saysVersion, func(k *kit) {
		w := k.watch(k.store())
		version, told := uint64(0), 0
		next := func(what string, grows bool) {
			k.Helper()
			v := k.get(k.store(), "", "u").Version
			if grows && v <= version || !grows && v != version {
				k.fail("%s: version %d after %d", what, v, version)
			}
			version = v
			if grows {
				told++
			}
			if !k.eventually(func() bool { return len(w.told("", "u")) >= told }) {
				k.fail("%s: not told", what)
				k.FailNow()
			}
			if last := w.told("", "u")[told-1]; last.Version != v {
				k.fail("%s: version %d, told %d", what, v, last.Version)
			}
		}
		for range 3 {
			k.join("", "u", "a", grace(long))
			next("come", true)
			k.join("", "u", "a", grace(long), away)
			next("changed", true)
			k.join("", "u", "a", grace(long), away)
			next("the same", false)
			k.join("", "u", "b", grace(long))
			next("another", true)
			k.leave(presence.CauseLeft, false, k.seat("", "u", "a"))
			next("the first has left", true)
			k.leave(presence.CauseLeft, false, k.seat("", "u", "b"))
			next("in the grace", false)
			k.join("", "u", "c", grace(long))
			next("back", false)
			k.leave(presence.CauseLeft, true, k.seat("", "u", "c"))
			k.absent(k.store(), "", "u")
			told++
		}
	}},
}
