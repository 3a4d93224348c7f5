package redisstore

import (
	"context"
	"strconv"
	"time"

	"github.com/sioware/sioware/presence"
)

// SetPing has s look after its subscription more often. Call it before Join and Watch.
func (s *Store) SetPing(d time.Duration) { s.pingEvery = d }

// Die ends s as a process dies: without a word to Redis.
func (s *Store) Die() {
	s.mu.Lock()
	s.closed = true
	b := s.back
	s.mu.Unlock()
	s.closing.Do(func() { close(s.over) })
	if b != nil {
		b.cancel()
		_ = b.feed.Close(context.Background())
		b.running.Wait()
	}
	s.running.Wait()
}

// Epoch is the name of s among the nodes.
func (s *Store) Epoch() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.node.epoch
}

// Settled reports whether Redis has been told of all that s holds.
func (s *Store) Settled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seats.dirty)+len(s.seats.leaves)+len(s.node.retired) == 0 && s.node.heal == "" && !s.node.failing
}

// Pending returns how many seats wait to be given up.
func (s *Store) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seats.leaves)
}

// Held returns how many devices are known.
func (s *Store) Held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seats.devices)
}

// Keys are the keys of a partition, NodeKeys those of the nodes.
func (s *Store) Keys(p int) []string { return s.keys(p) }
func (s *Store) NodeKeys() []string  { return s.nodeKeys() }

// Channel is the channel.
func (s *Store) Channel() string { return s.channel() }

// Names and formats.
var (
	Partition   = partition
	Entity      = entity
	Pack        = pack
	Unpack      = unpack
	ParseRecord = parseRecord
	Decode      = decode
)

// By what Redis knows scripts.
var (
	WalkHash = walkScript.Hash()
	BeatHash = beatScript.Hash()
)

// SweepScript is what Redis is sent by its hash once it has it.
var SweepScript = sweepScript.Script

// Message is what is published.
type Message = message

// Bounds.
const (
	Partitions = partitions
	MaxLeaves  = maxLeaves
	MaxCalls   = maxCalls
)

// Walk looks through all partitions, as one of the nodes does each ten minutes.
func (s *Store) Walk(ctx context.Context) error { return s.walk(ctx, nil) }

// Reap gives up the seats of a node whose lease ends now.
func (s *Store) Reap(ctx context.Context, epoch string) error {
	return s.reap(ctx, epoch, strconv.FormatInt(time.Now().UnixMicro(), 10))
}

// Heal has s take a new epoch.
func (s *Store) Heal() { s.needHeal("a test") }

// Told is what a message holds.
func (m message) Told() (*presence.Change, []presence.Eviction, bool) {
	return m.change, m.evictions, m.lost
}

// Known reports whether a message of a partition has been heard.
func (s *Store) Known(p int) bool { return s.events.last[p].Load() != 0 }

// Owns reports whether a partition falls to s.
func (s *Store) Owns(p int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owns(p)
}
