package presence

import (
	"maps"
	"time"
)

// remember is how long, at least, the view remembers those who have gone.
const remember = time.Minute

// view is who is where, as functions given to Watch have been told: what they get must
// be in order and alternate, even if the Store has lost changes, or reports some again
// after it was restored from nothing. The lock of the audience guards it.
type view struct {
	members map[viewKey]viewed
	peak    int // the most members since the map was made
	// gone has the versions of those who went lately: gone[0] of those since begun, gone[1]
	// of those before. What the Store says about them may be older, since it was read
	// before, or because a replica without the last writes has taken over.
	gone  [2]map[viewKey]uint64
	begun time.Time

	blank   bool   // the Store has not been scanned yet
	round   uint64 // counts scans of the Store
	looking bool
	again   time.Duration // the patience for another scan; 0 if none is needed
}

type viewKey struct{ room, user string }

type viewed struct {
	version uint64
	round   uint64 // in which the member was last found
	// silent is whether nobody has been told of this member: the Store already had it
	// at the first scan, or the change that reports it is still on its way.
	silent bool
}

func newView() *view {
	return &view{
		members: make(map[viewKey]viewed), blank: true,
		gone: [2]map[viewKey]uint64{make(map[viewKey]uint64), nil}, begun: time.Now(),
	}
}

// left returns the version with which a member went lately, or 0.
func (v *view) left(k viewKey) uint64 { return max(v.gone[0][k], v.gone[1][k]) }

// put adds or changes a member.
func (v *view) put(k viewKey, e viewed) {
	v.members[k] = e
	v.peak = max(v.peak, len(v.members))
}

// remove removes a member. The map is made anew when most members have gone, as maps do
// not give memory back.
func (v *view) remove(k viewKey, version uint64) {
	delete(v.members, k)
	if n := len(v.members); v.peak > 4*minSlots && n < v.peak/8 {
		small := make(map[viewKey]viewed, n)
		maps.Copy(small, v.members)
		v.members, v.peak = small, n
	}
	now, keep := time.Now(), remember
	if v.looking {
		keep *= 10 // it may take that long; but it may also fail forever
	}
	if now.Sub(v.begun) > keep {
		v.gone, v.begun = [2]map[viewKey]uint64{make(map[viewKey]uint64), v.gone[0]}, now
	}
	v.gone[0][k] = version
}

// apply takes over c, and reports whether to pass it on; it may change c.
func (v *view) apply(c *Change) bool {
	k := viewKey{c.Room, c.User}
	e, member := v.members[k]
	if member && !e.silent && c.Version <= e.version || c.Version <= v.left(k) {
		return false
	}
	switch c.Kind {
	case Offline, Left:
		v.remove(k, c.Version)
		return member || v.blank
	case Updated:
		if !member && !v.blank {
			c.Kind = come(c.Room) // the first change was lost
		}
	default:
		if member && !e.silent { // reported again by a Store that had forgotten
			c.Kind = Updated // with the current state, which may differ
		}
	}
	v.put(k, viewed{version: c.Version, round: v.round})
	return true
}

// come returns the Kind of the first change of a member.
func come(room string) Kind {
	if room == "" {
		return Online
	}
	return Joined
}

// begin begins a scan of the Store.
func (v *view) begin() {
	v.round++
}

// observe takes over what the Store knows, and returns the change to report, if any.
func (v *view) observe(r Record) (Change, bool) {
	k := viewKey{r.Room, r.User}
	if r.Version == 0 || r.Version <= v.left(k) {
		return Change{}, false
	}
	e, member := v.members[k]
	switch {
	case member && (v.blank || r.Version <= e.version):
		e.round = v.round
		v.put(k, e)
		return Change{}, false
	case v.blank:
		v.put(k, viewed{version: r.Version, round: v.round, silent: true})
		return Change{}, false
	}
	v.put(k, viewed{version: r.Version, round: v.round})
	c := Change{Kind: Updated, Room: r.Room, User: r.User, Version: r.Version, Cause: CauseUnknown, At: time.Now(), Devices: len(r.Devices), Away: away(r.Devices)}
	if n := len(r.Devices); n > 0 {
		c.Device = r.Devices[n-1]
	}
	if !member {
		c.Kind = come(r.Room)
	}
	return c, true
}

// absent returns the members that were not found, by room.
func (v *view) absent() map[string][]string {
	absent := make(map[string][]string)
	for k, e := range v.members {
		if e.round != v.round {
			absent[k.room] = append(absent[k.room], k.user)
		}
	}
	return absent
}

// confirmAbsent takes over what the Store knows about a member that was absent. If it still
// knows nothing, confirmAbsent returns the end of the membership.
func (v *view) confirmAbsent(r Record) (Change, bool) {
	k := viewKey{r.Room, r.User}
	e, member := v.members[k]
	if !member || e.round == v.round {
		return Change{}, false // a change was heard meanwhile
	}
	if r.Version != 0 {
		return v.observe(r)
	}
	v.remove(k, e.version)
	c := Change{Kind: Offline, Room: r.Room, User: r.User, Version: e.version + 1, Cause: CauseUnknown, At: time.Now(), Seen: r.Seen}
	if r.Room != "" {
		c.Kind = Left
	}
	return c, true
}
