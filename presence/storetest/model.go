package storetest

import (
	"errors"
	"slices"

	"github.com/sioware/sioware/presence"
)

// model does what a store does, but for one caller at a time, and with graces that end
// only by now.
type model struct {
	members map[place]*modelMember
	evicted map[string]presence.Eviction // by device
	told    map[place][]want
}

type modelMember struct {
	entries []presence.Entry // of the devices, in the order in which they came
	last    presence.Entry   // if there is none
	grace   bool
}

func newModel() *model {
	return &model{
		members: make(map[place]*modelMember),
		evicted: make(map[string]presence.Eviction),
		told:    make(map[place][]want),
	}
}

// tell records what is to be told; by now the number of devices is known.
func (m *model) tell(at place, kind presence.Kind, cause presence.Cause, device string, replaced int) {
	w := want{kind: kind, cause: cause, device: device, replaced: replaced}
	if x := m.members[at]; x != nil {
		w.devices = len(x.entries)
	}
	m.told[at] = append(m.told[at], w)
}

func (m *model) join(e presence.Entry) error {
	if ev, ok := m.evicted[e.Device]; ok {
		return &ev
	}
	at := place{e.Room, e.User}
	x := m.members[at]
	if x == nil {
		m.members[at] = &modelMember{entries: []presence.Entry{e}, grace: e.Grace > 0}
		kind := presence.Joined
		if e.Room == "" {
			kind = presence.Online
		}
		m.tell(at, kind, presence.CauseJoined, e.Device, 0)
		return nil
	}
	i := slices.IndexFunc(x.entries, func(o presence.Entry) bool { return o.Device == e.Device })
	var cause presence.Cause
	switch {
	case i >= 0:
		if !sameBrought(x.entries[i], e) {
			cause = presence.CauseUpdated
		}
		x.entries[i] = e
	case e.Keep && e.Max > 0 && len(x.entries) >= e.Max:
		return presence.ErrFull
	default:
		if len(x.entries) > 0 || !sameBrought(x.last, e) {
			cause = presence.CauseJoined
		}
		x.entries = append(x.entries, e)
	}
	x.grace = e.Grace > 0
	gone := 0
	if e.Max > 0 && !e.Keep {
		for ; len(x.entries) > e.Max; gone++ {
			d := x.entries[0].Device
			m.evicted[d] = presence.Eviction{User: e.User, Device: d, Cause: presence.CauseReplaced}
			x.entries = x.entries[1:]
		}
	}
	if cause != "" {
		m.tell(at, presence.Updated, cause, e.Device, gone)
	}
	return nil
}

func sameBrought(a, b presence.Entry) bool {
	return a.Away == b.Away && string(a.Meta) == string(b.Meta)
}

func (m *model) leave(cause presence.Cause, now bool, seats ...presence.Seat) {
	for _, s := range seats {
		at := place{s.Room, s.User}
		x := m.members[at]
		if x == nil {
			continue
		}
		i := slices.IndexFunc(x.entries, func(o presence.Entry) bool { return o.Device == s.Device })
		if i < 0 {
			continue
		}
		x.last = x.entries[i]
		x.entries = slices.Delete(x.entries, i, i+1)
		switch {
		case len(x.entries) > 0:
			m.tell(at, presence.Updated, cause, s.Device, 0)
		case now || !x.grace:
			m.gone(at, cause)
		}
	}
}

func (m *model) gone(at place, cause presence.Cause) {
	delete(m.members, at)
	kind := presence.Left
	if at.room == "" {
		kind = presence.Offline
	}
	m.tell(at, kind, cause, "", 0)
}

func (m *model) evict(user string, cause presence.Cause, reason string, except []string) (n int) {
	at := place{"", user}
	x := m.members[at]
	if x == nil || len(x.entries) == 0 { // the model does not follow graces
		return 0
	}
	var stay []presence.Entry
	for _, e := range x.entries {
		if slices.Contains(except, e.Device) {
			stay = append(stay, e)
			continue
		}
		m.evicted[e.Device] = presence.Eviction{User: user, Device: e.Device, Cause: cause, Reason: reason}
		n++
	}
	if x.entries = stay; len(stay) == 0 {
		m.gone(at, cause)
	} else if n > 0 {
		m.tell(at, presence.Updated, cause, some, 0)
	}
	return n
}

// differs says where a record is not what it should be, or "". version is that of the
// previous record, changes how many changes have been told since.
func (m *model) differs(r presence.Record, version uint64, changes int) string {
	x := m.members[place{r.Room, r.User}]
	switch {
	case x == nil && r.Version != 0:
		return text("is a member: %.500v", r)
	case x == nil:
		return ""
	case r.Version == 0:
		return "is no member"
	case changes > 0 && r.Version <= version || changes == 0 && r.Version != version:
		return text("has version %d after %d, with %d changes", r.Version, version, changes)
	case len(r.Devices) != len(x.entries):
		return text("has %d devices, want %d: %.500v", len(r.Devices), len(x.entries), r)
	case len(x.entries) == 0 && !sameDevice(r.Last, x.last):
		return text("was last there with %.500v, want %.500v", r.Last, x.last)
	}
	for i, e := range x.entries {
		if !sameDevice(r.Devices[i], e) {
			return text("has device %d %.500v, want %.500v", i, r.Devices[i], e)
		}
	}
	return ""
}

func sameDevice(d presence.Device, e presence.Entry) bool {
	return d.ID == e.Device && d.Away == e.Away && string(d.Meta) == string(e.Meta)
}

// sameError reports whether a Join has returned what the model says.
func sameError(got, want error) bool {
	var a, b *presence.Eviction
	if errors.As(want, &b) {
		return errors.As(got, &a) && *a == *b
	}
	return errors.Is(got, want)
}
