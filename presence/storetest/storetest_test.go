package storetest

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sioware/sioware/presence"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	Run(t, func(t *testing.T) presence.Store { return newMemory(t) })
}

func newMemory(t *testing.T) *presence.MemoryStore {
	m := presence.NewMemoryStore()
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return m
}

// Nodes that share a MemoryStore are not real ones, but show that the cases hold.
func TestShared(t *testing.T) {
	t.Parallel()
	RunShared(t, func(t *testing.T, n int) []presence.Store {
		m := newMemory(t)
		var nodes []presence.Store
		for range n {
			nodes = append(nodes, &node{MemoryStore: m, seats: make(map[presence.Seat]bool)})
		}
		return nodes
	})
}

// node is one of several that use a MemoryStore.
type node struct {
	*presence.MemoryStore
	mu     sync.RWMutex
	seats  map[presence.Seat]bool
	closed bool
	lock   sync.Mutex // of seats
}

func (n *node) Join(ctx context.Context, e presence.Entry) error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.closed {
		return presence.ErrClosed
	}
	n.lock.Lock()
	n.seats[e.Seat] = true
	n.lock.Unlock()
	return n.MemoryStore.Join(ctx, e)
}

func (n *node) Close(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for seat := range n.seats {
		if err := n.Leave(ctx, presence.CauseDrained, false, seat); err != nil {
			return err
		}
	}
	return nil
}

// The cases quote sentences of the documentation.
func TestQuotes(t *testing.T) {
	t.Parallel()
	var contract string
	for _, file := range []string{"../store.go", "../change.go", "../errors.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		contract += regexp.MustCompile(`\s+(//\s*)?`).ReplaceAllString(string(source), " ")
	}
	names := make(map[string]bool)
	for _, c := range cases() {
		if names[c.name] {
			t.Errorf("two cases %s", c.name)
		}
		names[c.name] = true
	}
	all := slices.Concat(cases(), sharedCases())
	for _, says := range []string{saysSerial, saysAlternate, saysDevice} { // within others
		all = append(all, storeCase{says: says})
	}
	for _, c := range all {
		if !strings.Contains(strings.ToLower(contract), strings.ToLower(c.says)) {
			t.Errorf("%s: %q is not in the documentation", c.name, c.says)
		}
	}
}
