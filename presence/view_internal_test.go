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
		l := &lossy{t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 1)), v: newView()}
		l.v.blank = false
		for range 20 {
			l.change()
			l.hear()
			if l.r.IntN(4) == 0 {
				l.look()
			}
		}
		for len(l.queue) > 0 {
			l.hear()
		}
		l.lookUndisturbed()
		if l.shown != l.there {
			t.Fatalf("seed %d: shown %v, is %v", seed, l.shown, l.there)
		}
	}
}

// lossy is a Store with one user, alice, whose events may get lost, and a view of it.
type lossy struct {
	t    *testing.T
	seed uint64
	r    *rand.Rand
	v    *view

	version uint64 // of the latest change
	there   bool
	queue   []Change // events that are under way

	told  uint64 // the version that the view reported last
	shown bool   // what is there according to its reports
}

// change changes the Store.
func (l *lossy) change() {
	l.version++
	c := Change{Kind: Updated, User: "alice", Version: l.version}
	switch {
	case !l.there:
		c.Kind, l.there = Online, true
	case l.r.IntN(2) == 0:
		c.Kind, l.there = Offline, false
	}
	l.queue = append(l.queue, c)
}

// record returns what the Store knows.
func (l *lossy) record() Record {
	r := Record{User: "alice"}
	if l.there {
		r.Version = l.version
	}
	return r
}

// hear hands some events to the view, and loses others.
func (l *lossy) hear() {
	for len(l.queue) > 0 && l.r.IntN(4) > 0 {
		if c := l.queue[0]; l.r.IntN(3) > 0 && l.v.apply(&c) {
			l.tell(c)
		}
		l.queue = l.queue[1:]
	}
}

// tell checks a change that the view reports.
func (l *lossy) tell(c Change) {
	l.t.Helper()
	if c.Version <= l.told {
		l.t.Fatalf("seed %d: version %d after %d", l.seed, c.Version, l.told)
	}
	l.told = c.Version
	if comes := c.Kind == Online; c.Kind != Updated {
		if comes == l.shown {
			l.t.Fatalf("seed %d: %d twice", l.seed, c.Kind)
		}
		l.shown = comes
	} else if !l.shown {
		l.t.Fatalf("seed %d: updated, and not there", l.seed)
	}
}

// disturb makes up to n-1 changes.
func (l *lossy) disturb(n int) {
	for range l.r.IntN(n) {
		l.change()
		l.hear()
	}
}

// look compares the view with the Store, which changes meanwhile.
func (l *lossy) look() {
	l.v.looking = true
	l.v.begin()
	l.disturb(3)
	if rec := l.record(); rec.Version != 0 {
		l.disturb(2)
		if c, ok := l.v.observe(rec); ok {
			l.tell(c)
		}
	}
	if absent := l.v.absent(); len(absent[""]) > 0 {
		for len(l.queue) > 0 { // the Store tells in time
			l.hear()
		}
		if c, ok := l.v.confirmAbsent(l.record()); ok {
			l.tell(c)
		}
	}
	l.v.looking = false
}

// lookUndisturbed is look in a Store that does not change.
func (l *lossy) lookUndisturbed() {
	l.v.begin()
	if rec := l.record(); rec.Version != 0 {
		if c, ok := l.v.observe(rec); ok {
			l.tell(c)
		}
	}
	for range l.v.absent() {
		if c, ok := l.v.confirmAbsent(l.record()); ok {
			l.tell(c)
		}
	}
}
