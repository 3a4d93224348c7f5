package storetest

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/presence"
)

const (
	saysAlternate = "the Version grows, and Online and Offline alternate, as do Joined and Left, with Updated in between."
	saysSerial    = "one after the other, until stop is called"
	saysDevice    = "its ID is empty in Offline and Left"
)

// place is a user in a room.
type place struct{ room, user string }

// change is a Change that was told, and when.
type change struct {
	presence.Change
	told time.Time
}

// watcher records what a function given to Watch was told about this case.
type watcher struct {
	k      *kit
	late   bool // somebody may have come before
	stop   func()
	inside atomic.Int32

	mu        sync.Mutex
	changes   map[place][]change
	evictions map[string][]presence.Eviction // by device
	wrong     []violation
}

type violation struct{ says, what string }

// watch watches s from now on.
func (k *kit) watch(s presence.Store) *watcher { return k.watching(s, false) }

// watchLate is watch after users have come.
func (k *kit) watchLate(s presence.Store) *watcher { return k.watching(s, true) }

func (k *kit) watching(s presence.Store, late bool) *watcher {
	w := &watcher{k: k, late: late, changes: make(map[place][]change), evictions: make(map[string][]presence.Eviction)}
	w.stop = s.Watch(w.event)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.watchers = append(k.watchers, w)
	return w
}

// watchAll watches each node.
func (k *kit) watchAll() (all []*watcher) {
	for _, s := range k.nodes {
		all = append(all, k.watch(s))
	}
	return all
}

func (w *watcher) event(e presence.Event) {
	if w.inside.Add(1) != 1 {
		w.violate(saysSerial, "two calls at a time")
	}
	defer w.inside.Add(-1)
	for range 3 {
		runtime.Gosched() // so that calls overlap if they can
	}
	switch {
	case e.Change != nil && strings.Contains(e.Change.User, w.k.tag):
		w.change(*e.Change)
	case e.Eviction != nil && strings.Contains(e.Eviction.User, w.k.tag):
		w.mu.Lock()
		w.evictions[e.Eviction.Device] = append(w.evictions[e.Eviction.Device], *e.Eviction)
		w.mu.Unlock()
	}
}

// change checks what holds for each change, and records it.
func (w *watcher) change(c presence.Change) {
	at := place{c.Room, c.User}
	w.mu.Lock()
	before := w.changes[at]
	w.changes[at] = append(before, change{c, time.Now()})
	w.mu.Unlock()
	come, gone := presence.Joined, presence.Left
	if c.Room == "" {
		come, gone = presence.Online, presence.Offline
	}
	was, version := gone, uint64(0)
	if n := len(before); n == 0 && w.late {
		was = presence.Updated
	} else if n > 0 {
		was, version = before[n-1].Kind, before[n-1].Version
	}
	if c.Version <= version || c.Kind != come && c.Kind != gone && c.Kind != presence.Updated || (was == gone) != (c.Kind == come) {
		w.violate(saysAlternate, "%.500v\nafter %.500v", c, before[max(0, len(before)-3):])
	}
	if (c.Kind == gone) != (c.Device.ID == "") || (c.Kind == gone) != (c.Devices == 0) || (c.Kind == gone) == c.Seen.IsZero() {
		w.violate(saysDevice, "%.500v", c)
	}
	if c.At.Before(w.k.start.Add(-slack)) || time.Since(c.At) < -slack {
		w.violate("by the clock of the store", "%v ago: %.500v", time.Since(c.At), c)
	}
}

func (w *watcher) violate(says, format string, args ...any) {
	w.mu.Lock()
	enough := len(w.wrong) >= 10
	w.mu.Unlock()
	if enough {
		return
	}
	v := violation{says, text(format, args...)} // this may take long
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, v)
}

// check reports what was wrong with what was told.
func (w *watcher) check() {
	w.k.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range w.wrong {
		w.k.Errorf("told: %s\nthe contract: %q", v.what, v.says)
	}
	w.wrong = nil
}

// told returns what was told about a user in a room of this case.
func (w *watcher) told(room, user string) []change {
	return w.toldOf(place{w.k.room(room), w.k.user(user)})
}

func (w *watcher) toldOf(at place) []change {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.changes[at]
	return all[:len(all):len(all)]
}

// want is a change that is expected.
type want struct {
	kind    presence.Kind
	cause   presence.Cause
	device  string // of this case
	devices int
	// replaced is how many of these devices go at the same moment. They may still be
	// counted, and their going may be told separately.
	replaced int
}

// expect waits for that many changes of a user in a room, and compares all that were told.
func (w *watcher) expect(room, user string, wants ...want) {
	w.k.Helper()
	w.expectAt(place{w.k.room(room), w.k.user(user)}, wants)
}

func (w *watcher) expectAt(at place, wants []want) {
	w.k.Helper()
	var why string
	if !w.k.eventually(func() bool {
		why = w.differs(w.toldOf(at), wants)
		return why == ""
	}) {
		w.k.fail("of %.200q: %s", at, why)
		w.check()
		w.k.FailNow()
	}
	w.check()
}

// differs says where what was told is not what was expected, or "".
func (w *watcher) differs(told []change, wants []want) string {
	i := 0
	for n, want := range wants {
		if i >= len(told) {
			return text("%d changes told, want %d; the next: %+v\ntold: %.1500v", len(told), len(wants), want, told)
		}
		c := told[i]
		i++
		id := ""
		if want.device != "" {
			id = w.k.device(want.device)
		}
		ok := c.Kind == want.kind && c.Cause == want.cause && (c.Device.ID == id || want.device == some)
		if !ok || c.Devices < want.devices || c.Devices > want.devices+want.replaced {
			return text("change %d: %.500v, want %+v\ntold: %.1500v", n, c, want, told)
		}
		for range want.replaced {
			if i < len(told) && told[i].Kind == presence.Updated && told[i].Cause == presence.CauseReplaced {
				i++
			}
		}
	}
	if i < len(told) {
		return text("%d changes too many: %.1500v", len(told)-i, told)
	}
	return ""
}

// some is a device that only the store can name.
const some = "some"

// expectEviction waits until an eviction was told.
func (w *watcher) expectEviction(want presence.Eviction) {
	w.k.Helper()
	all := func() []presence.Eviction {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.evictions[want.Device]
	}
	if !w.k.eventually(func() bool { return len(all()) > 0 }) {
		w.k.fail("not told: %.500v", want)
		w.k.FailNow()
	}
	for _, got := range all() {
		if got != want {
			w.k.fail("told %+v, want %+v", got, want)
		}
	}
}

// noEviction checks that no eviction of these devices was told.
func (w *watcher) noEviction(devices ...string) {
	w.k.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range devices {
		if all := w.evictions[w.k.device(d)]; len(all) > 0 {
			w.k.fail("told: %+v", all)
		}
	}
}
