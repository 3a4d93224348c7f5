package storetest

import (
	"crypto/rand"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/presence"
)

// Run tests a [presence.Store] against its documentation; a failure quotes the sentence.
// It calls open for each case, from tests that run in parallel. open must have t.Cleanup
// close what it opens, though a case may have closed it by then. Each store is separate,
// but what it keeps may be shared with others, and need not be empty.
func Run(t *testing.T, open func(t *testing.T) presence.Store) {
	t.Helper()
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			runCase(newKit(t, c, open(t)), c)
		})
	}
}

// RunShared tests stores that share what they keep, as the nodes of a cluster do. It calls
// open for each case, for n stores; otherwise it is like [Run]. It is of no use for a store
// for one process.
func RunShared(t *testing.T, open func(t *testing.T, n int) []presence.Store) {
	t.Helper()
	for _, c := range sharedCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			nodes := open(t, 3)
			if len(nodes) != 3 {
				t.Fatalf("open has returned %d stores, want 3", len(nodes))
			}
			runCase(newKit(t, c, nodes...), c)
		})
	}
}

func cases() []storeCase {
	return slices.Concat(seatCases, graceCases, limitCases, evictCases, readCases, listCases, idCases, watchCases,
		closeCases, concurrentCases, modelCases)
}

func sharedCases() []storeCase {
	return slices.Concat(nodeCases, drainCases, concurrentCases, modelCases)
}

// storeCase is a sentence of the documentation, and the test for it.
type storeCase struct {
	name, says string
	run        func(k *kit)
}

const (
	// patience is how long the tests wait for what must happen.
	patience = 15 * time.Second
	// slack is how much a store's clock may differ from ours.
	slack = 2 * time.Second
	// brief is a grace that a test waits for; long is one that does not end.
	brief = 150 * time.Millisecond
	long  = time.Minute
)

// kit is what a case works with.
type kit struct {
	testing.TB
	nodes    []presence.Store // one, except in RunShared
	says     string
	tag      string // separates what this case uses from all else in the store
	patience time.Duration
	start    time.Time

	mu       sync.Mutex
	seats    map[presence.Seat]presence.Store // that have been taken
	watchers []*watcher
}

func newKit(tb testing.TB, c storeCase, nodes ...presence.Store) *kit {
	return &kit{
		TB: tb, nodes: nodes, says: c.says, tag: rand.Text(), patience: patience, start: time.Now(),
		seats: make(map[presence.Seat]presence.Store),
	}
}

// runCase runs a case, checks what must hold for everything that was told, and leaves
// nothing behind.
func runCase(k *kit, c storeCase) {
	defer k.clean()
	c.run(k)
	for _, w := range k.watchers {
		w.check()
	}
}

func (k *kit) clean() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, w := range k.watchers {
		w.stop()
	}
	byNode := make(map[presence.Store][]presence.Seat)
	for seat, s := range k.seats {
		byNode[s] = append(byNode[s], seat)
	}
	for s, seats := range byNode {
		for some := range slices.Chunk(seats, 100) {
			_ = s.Leave(k.Context(), presence.CauseLeft, true, some...)
		}
	}
}
