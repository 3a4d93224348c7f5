package presence

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// memMembers finds members. Its map is made anew when most have gone, as maps do not give
// memory back.
type memMembers struct {
	all  map[memKey]*memMember
	peak int
}

func (m *memMembers) get(key memKey) *memMember { return m.all[key] }

func (m *memMembers) put(x *memMember) {
	if m.all == nil {
		m.all = make(map[memKey]*memMember)
	}
	m.all[x.key] = x
	m.peak = max(m.peak, len(m.all))
}

func (m *memMembers) remove(x *memMember) {
	delete(m.all, x.key)
	if n := len(m.all); m.peak > 4*minSlots && n < m.peak/8 {
		small := make(map[memKey]*memMember, n)
		for key, x := range m.all {
			small[key] = x
		}
		m.all, m.peak = small, n
	}
}

// The orders that a member is in.
const (
	inRoom = iota
	inShard
)

// minSlots is the number of slots up to which compacting is not worth it.
const minSlots = 64

// memOrder has members in the order in which they came. A member who has gone leaves an
// empty slot, until less than half of the slots are in use.
type memOrder struct {
	kind  int // inRoom or inShard
	slots []memSlot
	live  int
	last  uint64 // number
}

// memSlot is the place of a member. Its number never changes, and numbers grow from
// slot to slot, so that a page can begin after one.
type memSlot struct {
	number uint64
	member *memMember // nil if the member has gone
}

// add adds x, at a time since the store was made. Numbers follow that time as far as they
// can, so that those of different orders can be compared.
func (o *memOrder) add(x *memMember, at time.Duration) {
	o.last = max(o.last+1, uint64(at))
	x.pos[o.kind] = len(o.slots)
	o.slots = append(o.slots, memSlot{o.last, x})
	o.live++
}

func (o *memOrder) remove(x *memMember) {
	o.slots[x.pos[o.kind]].member = nil
	o.live--
	if n := len(o.slots); n > minSlots && o.live < n/2 {
		o.compact()
	}
}

func (o *memOrder) compact() {
	into := o.slots[:0]
	if cap(o.slots) > 4*max(minSlots, o.live) {
		into = make([]memSlot, 0, 2*o.live)
	}
	for _, s := range o.slots {
		if s.member != nil {
			s.member.pos[o.kind] = len(into)
			into = append(into, s)
		}
	}
	clear(o.slots[min(len(into), len(o.slots)):])
	o.slots = into
}

// memCursor is a position in an order.
type memCursor struct {
	after uint64 // the number of the last slot returned, which may be gone
	until uint64 // the last number there was at the beginning; 0 if not known yet
}

// page returns up to n members after c, and the position after them; more says whether
// there are others. Those who have come since the first page are left out: so the pages
// end, however many come.
func (o *memOrder) page(c memCursor, n int) (page []*memMember, last memCursor, more bool) {
	if c.until == 0 {
		c.until = o.last
	}
	i, _ := slices.BinarySearchFunc(o.slots, c.after+1, func(s memSlot, number uint64) int {
		return cmp.Compare(s.number, number)
	})
	for ; i < len(o.slots) && o.slots[i].number <= c.until; i++ {
		s := o.slots[i]
		if s.member == nil {
			continue
		}
		if len(page) == n {
			return page, c, true
		}
		if page == nil {
			page = make([]*memMember, 0, min(n, o.live, len(o.slots)-i))
		}
		page = append(page, s.member)
		c.after = s.number
	}
	return page, c, false
}

// memRooms are some of the rooms. Its lock is taken after that of a shard.
type memRooms struct {
	mu     sync.Mutex
	byName map[string]*memRoom
}

// memRoom has the members of a room, of whom there is at least one.
type memRoom struct {
	home  *memRooms
	order memOrder
}

func (r *memRooms) enter(x *memMember, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x.room = r.byName[x.key.a]
	if x.room == nil {
		if r.byName == nil {
			r.byName = make(map[string]*memRoom)
		}
		x.room = &memRoom{home: r}
		r.byName[x.key.a] = x.room
	}
	x.room.order.add(x, at)
}

func (r *memRooms) exit(x *memMember) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x.room.order.remove(x)
	if x.room.order.live == 0 {
		delete(r.byName, x.key.a)
	}
}
