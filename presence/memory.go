package presence

import (
	"context"
	"fmt"
	"hash/maphash"
	"strings"
	"time"

	"github.com/sioware/sioware/internal/alarm"
)

// MemoryStore is a [Store] in memory, for one process. Create one with [NewMemoryStore].
// It is safe for concurrent use, and has a goroutine only while a grace ends.
//
// A member with one device and no metadata takes about 300 bytes besides the ID. Versions
// begin at the time in microseconds, so that they grow across a restart. When a user was
// last seen is remembered for a day, for the latest 100,000; that a device was evicted,
// until Leave gives up its seat in the room "", for the latest 65,536.
//
// A call reports what it changes before it returns, unless another call is reporting: then
// that one does it. So a slow function given to Watch delays one call, and what is still to
// be reported is kept without limit: the function must not block.
//
// Writing calls do not look at their context: they never wait for anything but the
// functions given to Watch. Reading ones return its error if it has ended.
type MemoryStore struct {
	started time.Time
	seed    maphash.Seed
	clock   *alarm.Clock
	events  memQueue
	shards  [memShards]memShard
	rooms   [memShards]memRooms
}

const (
	memShards = 64

	// seenFor and seenMax bound what is remembered of users who are offline.
	seenFor = 24 * time.Hour
	seenMax = 100_000 / memShards
	// evictedMax bounds the evictions per shard of devices for which Leave has not been
	// called: those of devices that are connected, or were a moment ago.
	evictedMax = 65_536 / memShards
)

var _ Store = (*MemoryStore)(nil)

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore {
	m := &MemoryStore{started: time.Now(), seed: maphash.MakeSeed(), clock: alarm.New(2)}
	version := uint64(max(0, m.started.UnixMicro()))
	for i := range m.shards {
		m.shards[i].store = m
		m.shards[i].version = version
		m.shards[i].order.kind = inShard
	}
	return m
}

// shard returns the shard of all that is known about a user: seats in all rooms, and which
// devices have been evicted. So a kick and taking a seat in a room are serialized.
func (m *MemoryStore) shard(user string) *memShard {
	return &m.shards[maphash.String(m.seed, user)%memShards]
}

func (m *MemoryStore) roomsOf(room string) *memRooms {
	return &m.rooms[maphash.String(m.seed, room)%memShards]
}

// Join implements [Store]. A seat without a user is an error that wraps [ErrUser], one in a
// room with a zero byte an error that wraps [ErrRoom]. A device that has a seat is not
// refused with [ErrFull].
func (m *MemoryStore) Join(_ context.Context, e Entry) error {
	if e.User == "" {
		return fmt.Errorf("%w: it is empty", ErrUser)
	}
	if strings.IndexByte(e.Room, 0) >= 0 {
		return fmt.Errorf("%w: it contains a zero byte", ErrRoom)
	}
	s := m.shard(e.User)
	s.mu.Lock()
	err := s.join(e)
	s.mu.Unlock()
	m.events.deliver()
	return err
}

// Leave implements [Store]. It returns no error.
func (m *MemoryStore) Leave(_ context.Context, cause Cause, now bool, seats ...Seat) error {
	for _, seat := range seats {
		s := m.shard(seat.User)
		s.mu.Lock()
		s.leave(seat, cause, now)
		s.mu.Unlock()
	}
	m.events.deliver()
	return nil
}

// Evict implements [Store]. It returns no error. A user whose grace is running goes
// offline, too.
func (m *MemoryStore) Evict(_ context.Context, user string, cause Cause, reason string, except ...string) (int, error) {
	s := m.shard(user)
	s.mu.Lock()
	n := s.evict(user, cause, reason, except)
	s.mu.Unlock()
	m.events.deliver()
	return n, nil
}

// Watch implements [Store]. A call of f that has begun when stop is called may end later;
// no other begins after that.
func (m *MemoryStore) Watch(f func(Event)) (stop func()) { return m.events.watch(f) }

// Close implements [Store]. No grace ends after it: the process is about to end, and until
// then its users stay members. Nothing is reported after Close, except by a call
// that was already reporting. It returns the error of ctx if that ends while a function
// given to Watch is running.
func (m *MemoryStore) Close(ctx context.Context) error {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		s.drain()
		s.mu.Unlock()
	}
	m.events.deliver()
	err := m.clock.Close(ctx)
	m.events.close()
	return err
}
