package presence

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
)

var errCursor = errors.New("presence: not a cursor of this store")

// Get implements [Store].
func (m *MemoryStore) Get(ctx context.Context, room string, users ...string) ([]Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b := newMemRecords(len(users))
	for _, user := range users {
		s := m.shard(user)
		s.mu.Lock()
		if x := s.members.get(memKey{room, user}); x != nil {
			b.add(x)
		} else {
			r := Record{Room: room, User: user}
			if seen := s.seen.get(memKey{user, ""}); room == "" && seen != nil && time.Since(seen.at) < seenFor {
				r.Seen = seen.at
			}
			b.all = append(b.all, r)
		}
		s.mu.Unlock()
	}
	return b.all, nil
}

// List implements [Store]. Members are in the order in which they came; those who have
// come since the first page are left out. It returns an error for a malformed cursor.
func (m *MemoryStore) List(ctx context.Context, room, cursor string, n int) ([]Record, string, error) {
	at, ok := parseMemCursor(cursor)
	if !ok {
		return nil, "", errCursor
	}
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	page, at, more := m.roomsOf(room).page(room, at, max(n, 1))
	b := newMemRecords(len(page))
	for _, x := range page {
		s := m.shard(x.key.b)
		s.mu.Lock()
		if !x.gone {
			b.add(x)
		}
		s.mu.Unlock()
	}
	if !more {
		return b.all, "", nil
	}
	return b.all, at.String(), nil
}

func (r *memRooms) page(room string, at memCursor, n int) ([]*memMember, memCursor, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x := r.byName[room]; x != nil {
		return x.order.page(at, n)
	}
	return nil, at, false
}

// Scan implements [Store]. Most of those who have come since the first page are left out.
// It returns an error for a malformed cursor.
func (m *MemoryStore) Scan(ctx context.Context, cursor string, n int) ([]Record, string, error) {
	first, rest, _ := strings.Cut(cursor, "-")
	shard, ok := parseMemNumber(first)
	at, ok2 := parseMemCursor(rest)
	if !ok || !ok2 || shard >= memShards {
		return nil, "", errCursor
	}
	if at.until == 0 {
		at.until = m.lastNumber()
	}
	n = max(n, 1)
	b := newMemRecords(0)
	for ; shard < memShards && len(b.all) < n; shard++ {
		if err := ctx.Err(); err != nil {
			return nil, "", err
		}
		if last, more := m.shards[shard].page(b, at, n-len(b.all)); more {
			return b.all, strconv.FormatUint(shard, 36) + "-" + last.String(), nil
		}
		at.after = 0
	}
	if shard < memShards {
		return b.all, strconv.FormatUint(shard, 36) + "-" + at.String(), nil
	}
	return b.all, "", nil
}

// lastNumber returns the highest number of a slot in any shard, but never 0.
func (m *MemoryStore) lastNumber() uint64 {
	last := uint64(1)
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		last = max(last, s.order.last)
		s.mu.Unlock()
	}
	return last
}

func (s *memShard) page(b *memRecords, at memCursor, n int) (memCursor, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	page, last, more := s.order.page(at, n)
	for _, x := range page {
		b.add(x)
	}
	return last, more
}

func (c memCursor) String() string {
	return strconv.FormatUint(c.after, 36) + "." + strconv.FormatUint(c.until, 36)
}

func parseMemCursor(s string) (memCursor, bool) {
	after, until, _ := strings.Cut(s, ".")
	a, ok := parseMemNumber(after)
	u, ok2 := parseMemNumber(until)
	return memCursor{a, u}, ok && ok2
}

// parseMemNumber reads a number of a cursor, which is 0 if it is empty.
func parseMemNumber(s string) (uint64, bool) {
	if s == "" {
		return 0, true
	}
	n, err := strconv.ParseUint(s, 36, 64)
	return n, err == nil && n+1 != 0
}

// Count implements [Store].
func (m *MemoryStore) Count(ctx context.Context, room string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	r := m.roomsOf(room)
	r.mu.Lock()
	defer r.mu.Unlock()
	if x := r.byName[room]; x != nil {
		return x.order.live, nil
	}
	return 0, nil
}

// memRecords collects records, with few allocations for their devices.
type memRecords struct {
	all     []Record
	devices []Device
}

func newMemRecords(n int) *memRecords {
	return &memRecords{all: make([]Record, 0, n), devices: make([]Device, 0, n)}
}

// add adds the record of x, whose shard is locked.
func (b *memRecords) add(x *memMember) {
	r := Record{Room: x.key.a, User: x.key.b, Version: x.version}
	if g := x.pending; g != nil {
		r.Last, r.Seen = g.last, g.seen
	} else {
		first := len(b.devices)
		b.devices = append(b.devices, x.devices...)
		r.Devices = b.devices[first:len(b.devices):len(b.devices)]
	}
	b.all = append(b.all, r)
}
