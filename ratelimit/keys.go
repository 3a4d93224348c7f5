package ratelimit

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/zishang520/socket.io/v2/socket"
)

// keys are the keys of a member in the store, under one policy. They are made once,
// not for each event.
type keys struct {
	generation uint64
	key        string // who is counted
	ban        string
	events     string

	mu    sync.Mutex
	event map[string]string // by the name of an event that has a limit

	banHash, eventsHash uint64 // in the local store

	asking  chan struct{} // bounds the events that ask a store of many nodes; nil without such a store
	waiting atomic.Int32  // events that wait for room in asking
	asked   atomic.Bool   // the Store has said whether key is banned
}

// maxAsking is how many events of a socket ask the Store at a time. The host runs
// all of them at once, so one client could take up all calls that a store makes.
const maxAsking = 32

// maxWaiting is how many more wait for their turn: each has a goroutine of the host, and a
// client sends faster than a store can be asked.
const maxWaiting = 1024

// begin waits for its turn to ask, and reports whether it got one: it does not if too
// many are waiting already. Its error is that of ctx.
func (k *keys) begin(ctx context.Context) (bool, error) {
	if k.asking == nil {
		return true, nil
	}
	defer k.waiting.Add(-1)
	if k.waiting.Add(1) > maxWaiting {
		return false, nil
	}
	select {
	case k.asking <- struct{}{}:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func (k *keys) end() {
	if k.asking != nil {
		<-k.asking
	}
}

// keysFor returns the keys of s. Its identity is the one at its first event: by
// then the middlewares behind ours have run.
func (m *member) keysFor(p *policy, s *socket.Socket) (k *keys) {
	old := m.keys.Load()
	if old != nil && old.generation == p.generation {
		return old
	}
	k = &keys{generation: p.generation}
	if !p.tier.alone() {
		k.asking = make(chan struct{}, maxAsking)
	}
	if old != nil {
		k.key = old.key
		k.asked.Store(old.asked.Load())
	} else {
		k.key = p.keyOf(s, m.addr)
		k.asked.Store(k.key == m.key) // when it connected
	}
	k.ban = p.storeKey(kindBan, k.key)
	k.events = p.storeKey(kindEvents, k.key)
	k.banHash, k.eventsHash = p.tier.local.hash(k.ban), p.tier.local.hash(k.events)
	if !m.keys.CompareAndSwap(old, k) {
		return m.keysFor(p, s) // the first events may come at once: they must share the turns
	}
	return k
}

// named returns the key for an event with a limit of its own.
func (k *keys) named(p *policy, name string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.event[name]
	if !ok {
		if k.event == nil {
			k.event = make(map[string]string)
		}
		key = p.eventKey(name, k.key)
		k.event[name] = key
	}
	return key
}
