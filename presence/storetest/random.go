package storetest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/sioware/sioware/presence"
)

const saysOrdered = "Changes of one user in one room come in order"

var modelCases = []storeCase{
	{"Model", saysOrdered, func(k *kit) {
		seed := rand.Uint64()
		if s := os.Getenv("PRESENCE_SEED"); s != "" {
			seed, _ = strconv.ParseUint(s, 10, 64)
		}
		k.Logf("PRESENCE_SEED=%d", seed)
		r := &random{kit: k, Rand: rand.New(rand.NewPCG(seed, 0)), model: newModel(), all: k.watchAll(), version: make(map[place]uint64), changes: make(map[place]int)}
		const ops = 250
		for i := range ops {
			what := r.op(i)
			r.check(what)
			if k.Failed() {
				k.Fatalf("after call %d, PRESENCE_SEED=%d", i, seed)
			}
		}
		r.end()
	}},
}

var (
	modelUsers = []string{"many", "newest", "oldest"} // by how many devices they may have
	modelRooms = []string{"", "r", "s"}
	causes     = []presence.Cause{presence.CauseLeft, presence.CauseLost, presence.CauseTimeout}
)

// random makes random calls to a store and to the model.
type random struct {
	*kit
	*rand.Rand
	model   *model
	all     []*watcher
	devices []*randomDevice
	version map[place]uint64 // of the last record
	changes map[place]int    // told by then
}

// randomDevice is a device, which is at one node.
type randomDevice struct {
	user, id string
	node     presence.Store
	rooms    []string
}

func (r *random) node() presence.Store { return r.nodes[r.IntN(len(r.nodes))] }

// entryOf returns what a device brings.
func (r *random) entryOf(d *randomDevice, room string) presence.Entry {
	e := r.entry(room, d.user, d.id)
	if r.IntN(3) == 0 {
		e.Meta = []byte(strconv.Itoa(r.IntN(2)))
	}
	e.Away = r.IntN(4) == 0
	e.Grace = []time.Duration{0, long}[r.IntN(2)]
	if room == "" && d.user != "many" {
		e.Max, e.Keep = 2, d.user == "oldest"
	}
	return e
}

// op makes a call, and says which.
func (r *random) op(i int) string {
	if len(r.devices) == 0 || r.IntN(3) == 0 && len(r.devices) < 12 {
		d := &randomDevice{user: modelUsers[r.IntN(len(modelUsers))], id: strconv.Itoa(i), node: r.node()}
		r.devices = append(r.devices, d)
		return r.take(d, "")
	}
	d := r.devices[r.IntN(len(r.devices))]
	switch r.IntN(8) {
	case 0, 1, 2:
		return r.take(d, modelRooms[r.IntN(len(modelRooms))])
	case 3, 4:
		return r.give(d, r.IntN(3) == 0, modelRooms[r.IntN(len(modelRooms))])
	case 5:
		return r.give(d, r.IntN(3) == 0, d.rooms...)
	case 6:
		return r.give(d, true, d.rooms...)
	default:
		return r.evict(d)
	}
}

func (r *random) take(d *randomDevice, room string) string {
	r.Helper()
	e := r.entryOf(d, room)
	what := fmt.Sprintf("Join of %s in %q with %s: Meta %s, Away %t, Grace %v, Max %d", d.user, room, d.id, e.Meta, e.Away, e.Grace, e.Max)
	got, want := r.joinAt(d.node, e), r.model.join(e)
	if !sameError(got, want) {
		r.fail("%s: %v, want %v", what, got, want)
	}
	if want == nil && !slices.Contains(d.rooms, room) {
		d.rooms = append(d.rooms, room)
	}
	r.abandon()
	return what
}

// give gives up seats of a device. One that has none any more is not used again.
func (r *random) give(d *randomDevice, now bool, rooms ...string) string {
	r.Helper()
	var seats []presence.Seat
	for _, room := range rooms {
		seats = append(seats, r.seat(room, d.user, d.id))
	}
	cause := causes[r.IntN(len(causes))]
	r.leaveAt(d.node, cause, now, seats...)
	r.model.leave(cause, now, seats...)
	what := fmt.Sprintf("Leave of %s in %q with %s: now %t, cause %s", d.user, rooms, d.id, now, cause)
	d.rooms = slices.DeleteFunc(slices.Clone(d.rooms), func(room string) bool { return slices.Contains(rooms, room) })
	if len(d.rooms) == 0 {
		r.devices = slices.DeleteFunc(r.devices, func(o *randomDevice) bool { return o == d })
	}
	return what
}

func (r *random) evict(d *randomDevice) string {
	r.Helper()
	at := place{"", r.user(d.user)}
	if x := r.model.members[at]; x != nil && len(x.entries) == 0 {
		return "nothing" // in the grace
	}
	var except []string
	for _, o := range r.devices {
		if o.user == d.user && r.IntN(2) == 0 {
			except = append(except, r.device(o.id))
		}
	}
	what := fmt.Sprintf("Evict of %s except %q", d.user, except)
	got, err := r.node().Evict(r.Context(), at.user, presence.CauseKicked, what, except...)
	if want := r.model.evict(at.user, presence.CauseKicked, what, except); got != want || err != nil {
		r.fail("%s: %d, %v, want %d", what, got, err, want)
	}
	r.abandon()
	return what
}

// abandon does what the nodes of evicted devices do.
func (r *random) abandon() {
	r.Helper()
	for _, d := range slices.Clone(r.devices) {
		ev, ok := r.model.evicted[r.device(d.id)]
		if !ok {
			continue
		}
		for _, w := range r.all {
			w.expectEviction(ev)
		}
		r.evicted(r.joinAt(d.node, r.entryOf(d, modelRooms[r.IntN(len(modelRooms))])), ev)
		seats := []presence.Seat{r.seat("", d.user, d.id), r.seat("r", d.user, d.id), r.seat("s", d.user, d.id)}
		now := r.IntN(2) == 0
		r.leaveAt(d.node, ev.Cause, now, seats...)
		r.model.leave(ev.Cause, now, seats...)
		r.devices = slices.DeleteFunc(r.devices, func(o *randomDevice) bool { return o == d })
	}
}

// check compares what the store knows with the model.
func (r *random) check(what string) {
	r.Helper()
	users := make([]string, len(modelUsers))
	for i, user := range modelUsers {
		users[i] = r.user(user)
	}
	for _, room := range modelRooms {
		all, err := r.node().Get(r.Context(), r.room(room), users...)
		if err != nil || len(all) != len(users) {
			r.Fatalf("Get: %d, %v", len(all), err)
		}
		members := make(map[string]bool)
		for i, got := range all {
			at := place{r.room(room), users[i]}
			r.sound(got)
			if why := r.model.differs(got, r.version[at], len(r.model.told[at])-r.changes[at]); why != "" {
				r.fail("after %s: %s in %q %s", what, modelUsers[i], room, why)
			}
			r.version[at], r.changes[at] = max(r.version[at], got.Version), len(r.model.told[at])
			if r.model.members[at] != nil {
				members[modelUsers[i]] = true
			}
		}
		if room != "" {
			r.count(r.node(), room, len(members))
			r.once(r.list(r.node(), room, 2), room, members, false)
		}
	}
}

// end gives up everything, and compares what has been told.
func (r *random) end() {
	for len(r.devices) > 0 {
		r.give(r.devices[0], true, r.devices[0].rooms...)
	}
	for i, user := range modelUsers {
		for j, room := range modelRooms {
			d := &randomDevice{user: user, id: fmt.Sprint("end", i, j), node: r.node()}
			r.take(d, room)
			r.give(d, true, room)
			for _, w := range r.all {
				at := place{r.room(room), r.user(user)}
				wants := slices.Clone(r.model.told[at])
				for n := range wants {
					if len(wants[n].device) > len(r.tag) { // it is the whole ID
						wants[n].device = wants[n].device[len(r.tag)+1:]
					}
				}
				w.expectAt(at, wants)
			}
		}
	}
}
