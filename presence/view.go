package presence

import (
	"maps"
	"time"
)

// remember is how long at least the view knows of those who have gone.
const remember = time.Minute

// view is who is where, as functions given to Watch have been told: what comes to them
// must be in order and alternate, also where the Store has lost changes, or tells some
// again after it was restored from nothing. The lock of the audience guards it.
type view struct {
	members map[viewKey]viewed
	peak    int // how many members there were, since the map was made
	// gone has the versions of those that went lately, the first since the time begun, the
	// second before: what the Store says of them may be older, since it was read before, or
	// because a replica without the last writes has taken its place.
	gone  [2]map[viewKey]uint64
	begun time.Time

	blank   bool   // the Store has not been looked at yet
	round   uint64 // of looking at the Store
	looking bool
	again   time.Duration // the patience with which it is to be looked at once more
}

type viewKey struct{ room, user string }

type viewed struct {
	version uint64
	round   uint64 // in which the member was found last
	// silent is whether nobody has been told of him: the Store knew him already when it
	// was looked at first, or what it tells of him is still on its way.
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

// put adds a member, or changes him.
func (v *view) put(k viewKey, e viewed) {
	v.members[k] = e
	v.peak = max(v.peak, len(v.members))
}

// remove removes a member. The map is made anew when most have gone, as maps do not give
// memory back.
func (v *view) remove(k viewKey, version uint64) {
	delete(v.members, k)
	if n := len(v.members); v.peak > 4*minSlots && n < v.peak/8 {
		small := make(map[viewKey]viewed, n)
		maps.Copy(small, v.members)
		v.members, v.peak = small, n
	}
	now, keep := time.Now(), remember
	if v.looking {
		keep *= 10 // it may take so long; but it may also fail for ever
	}
	if now.Sub(v.begun) > keep {
		v.gone, v.begun = [2]map[viewKey]uint64{make(map[viewKey]uint64), v.gone[0]}, now
	}
	v.gone[0][k] = version
}

// apply takes c over, and reports whether it is to be told; it may change c.
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
			c.Kind = come(c.Room) // that one was lost
		}
	default:
		if member && !e.silent { // told again by a Store that had forgotten
			c.Kind = Updated // with what he has now, which may be something else
		}
	}
	v.put(k, viewed{version: c.Version, round: v.round})
	return true
}

// come is the Kind of the first change of a member.
func come(room string) Kind {
	if room == "" {
		return Online
	}
	return Joined
}

// begin begins a look at the Store.
func (v *view) begin() {
	v.round++
}

// found takes over what the Store knows, and returns what is to be told of it.
func (v *view) found(r Record) (Change, bool) {
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

// absent returns the members that were not found, by their rooms.
func (v *view) absent() map[string][]string {
	absent := make(map[string][]string)
	for k, e := range v.members {
		if e.round != v.round {
			absent[k.room] = append(absent[k.room], k.user)
		}
	}
	return absent
}

// missing takes over what the Store knows of a member that was absent. If there is still
// nothing it returns the end of him.
func (v *view) missing(r Record) (Change, bool) {
	k := viewKey{r.Room, r.User}
	e, member := v.members[k]
	if !member || e.round == v.round {
		return Change{}, false // a change was heard meanwhile
	}
	if r.Version != 0 {
		return v.found(r)
	}
	v.remove(k, e.version)
	c := Change{Kind: Offline, Room: r.Room, User: r.User, Version: e.version + 1, Cause: CauseUnknown, At: time.Now(), Seen: r.Seen}
	if r.Room != "" {
		c.Kind = Left
	}
	return c, true
}
