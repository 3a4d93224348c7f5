package presence

import (
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"
)

// TestView: what is reported about a member is in order and alternates, whatever comes.
func TestView(t *testing.T) {
	t.Parallel()
	at := func(kind Kind, version uint64) Change {
		c := Change{Kind: kind, User: "alice", Version: version}
		if kind == Joined || kind == Left {
			c.Room = "lobby"
		}
		return c
	}
	for name, c := range map[string]struct {
		in   []Change
		want []Kind
	}{
		"in order":       {[]Change{at(Online, 1), at(Updated, 2), at(Offline, 3), at(Online, 4)}, []Kind{Online, Updated, Offline, Online}},
		"again":          {[]Change{at(Online, 1), at(Online, 1), at(Updated, 2), at(Updated, 2), at(Offline, 3), at(Offline, 3)}, []Kind{Online, Updated, Offline}},
		"old ones":       {[]Change{at(Online, 5), at(Offline, 4), at(Updated, 3), at(Offline, 6)}, []Kind{Online, Offline}},
		"online lost":    {[]Change{at(Updated, 2), at(Offline, 3)}, []Kind{Online, Offline}},
		"all but end":    {[]Change{at(Offline, 3)}, nil},
		"offline lost":   {[]Change{at(Online, 1), at(Online, 3), at(Offline, 4)}, []Kind{Online, Updated, Offline}},
		"told again":     {[]Change{at(Online, 1), at(Updated, 2), at(Online, 3), at(Online, 3), at(Updated, 4)}, []Kind{Online, Updated, Updated, Updated}},
		"room":           {[]Change{at(Joined, 1), at(Joined, 2), at(Left, 3), at(Left, 4), at(Online, 1)}, []Kind{Joined, Updated, Left, Online}},
		"without number": {[]Change{at(Online, 0), at(Offline, 0)}, nil},
	} {
		v := newView()
		v.blank = false
		var got []Kind
		for _, c := range c.in {
			if v.apply(&c) {
				got = append(got, c.Kind)
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
		}
	}
}

// TestViewShrinks: the map of members is made anew when most of them have gone, and has
// those that are left.
func TestViewShrinks(t *testing.T) {
	t.Parallel()
	v := newView()
	v.blank = false
	const most, few = 10_000, 100
	apply := func(kind Kind, user, version int) bool {
		return v.apply(&Change{Kind: kind, User: strconv.Itoa(user), Version: uint64(version)})
	}
	for i := range most {
		apply(Online, i, i+1)
	}
	before := reflect.ValueOf(v.members).Pointer()
	for i := few; i < most; i++ {
		apply(Offline, i, most+i)
	}
	if reflect.ValueOf(v.members).Pointer() == before || v.peak > 8*few {
		t.Errorf("the map is that of %d", v.peak)
	}
	if len(v.members) != few {
		t.Fatalf("%d members", len(v.members))
	}
	for i := range few {
		if apply(Online, i, i+1) || !apply(Offline, i, 3*most) {
			t.Errorf("%d is not known", i)
		}
	}
}

// TestViewAnyLoss: whichever changes are lost, with scans of the Store in between, what is
// reported alternates, its versions grow, and in the end it is up to date.
func TestViewAnyLoss(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5000) {
		r := rand.New(rand.NewPCG(seed, 1))
		v := newView()
		v.blank = false
		var version, told uint64
		there, shown := false, false
		tell := func(c Change) {
			if c.Version <= told {
				t.Fatalf("seed %d: version %d after %d", seed, c.Version, told)
			}
			told = c.Version
			if comes := c.Kind == Online; c.Kind != Updated {
				if comes == shown {
					t.Fatalf("seed %d: %d twice", seed, c.Kind)
				}
				shown = comes
			} else if !shown {
				t.Fatalf("seed %d: updated, and not there", seed)
			}
		}
		record := func() Record {
			rec := Record{User: "alice"}
			if there {
				rec.Version = version
			}
			return rec
		}
		var queue []Change // events that are under way
		change := func() {
			version++
			c := Change{Kind: Updated, User: "alice", Version: version}
			switch {
			case !there:
				c.Kind, there = Online, true
			case r.IntN(2) == 0:
				c.Kind, there = Offline, false
			}
			queue = append(queue, c)
		}
		hear := func() {
			for len(queue) > 0 && r.IntN(4) > 0 {
				if c := queue[0]; r.IntN(3) > 0 && v.apply(&c) {
					tell(c)
				}
				queue = queue[1:]
			}
		}
		look := func() {
			v.looking = true
			v.begin()
			for range r.IntN(3) {
				change()
				hear()
			}
			if rec := record(); rec.Version != 0 {
				for range r.IntN(2) {
					change()
					hear()
				}
				if c, ok := v.observe(rec); ok {
					tell(c)
				}
			}
			if absent := v.absent(); len(absent[""]) > 0 {
				for len(queue) > 0 { // the Store tells in time
					hear()
				}
				if c, ok := v.confirmAbsent(record()); ok {
					tell(c)
				}
			}
			v.looking = false
		}
		for range 20 {
			change()
			hear()
			if r.IntN(4) == 0 {
				look()
			}
		}
		for len(queue) > 0 {
			hear()
		}
		v.begin()
		if rec := record(); rec.Version != 0 {
			if c, ok := v.observe(rec); ok {
				tell(c)
			}
		}
		for range v.absent() {
			if c, ok := v.confirmAbsent(record()); ok {
				tell(c)
			}
		}
		v.looking = false
		if shown != there {
			t.Fatalf("seed %d: shown %v, is %v", seed, shown, there)
		}
	}
}
