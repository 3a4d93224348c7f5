//go:build linux

package soak

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
)

const (
	crewSize    = 24
	roundLength = 30 * time.Second
	// slack is how much larger the heap may be than at the start: caches, pools, and what
	// is remembered for a while. It does not grow with the number of clients.
	slack = 8 << 20
	// tickerSize limits what a ticker that the host forgets may hold: a session.
	tickerSize = 128 << 10
)

func TestSoak(t *testing.T) {
	t.Parallel()
	seed := *flagSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-soak.seed %d", seed)
	child := siotest.ChildProcess(t, "server")
	start := look(t, child)
	start.heap = readHeap(string(get(t, child, "heap")))

	w := &crew{child: child, tb: numb{t}, seed: seed, acts: append(acts(), hostile()...)}
	t.Cleanup(w.release)
	var served atomic.Int64
	round := func(n uint64, d time.Duration) {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		var both sync.WaitGroup
		both.Go(func() { sing(ctx, t, child.URL, &served) })
		both.Go(func() { w.run(ctx, n, crewSize) })
		both.Wait()
	}

	left := duration()
	for n := uint64(1); left > 0; n++ {
		d := min(left, roundLength)
		left -= d
		round(n, d)
		if left > 0 {
			s := settle(t, child, nil, 0, w.open)
			t.Logf("round %d: %d acts, heap %d KiB, %d objects, %.0f opened", n, w.done.Load(), s.Heap>>10, s.Objects, s.Opened)
			w.release()
		}
	}
	end := settle(t, child, &start, int(w.heavy.Load()+served.Load()), w.open) // silent clients have not closed their connections
	t.Logf("%d acts, %d canaries; %+v", w.done.Load(), served.Load(), end.stats)
	lost := 0 // timers that the host has forgotten
	for where, n := range end.goroutines {
		if strings.HasPrefix(where, ticker) {
			lost += n
		}
	}
	t.Logf("heap: from %d to %d KiB, from %d to %d objects; %d upgrades, %d tickers and %d dead sockets left",
		start.Heap>>10, end.Heap>>10, start.Objects, end.Objects, w.heavy.Load(), lost, end.dead())
	if more := start.heap.more(end.heap, 64<<10); end.Heap > start.Heap+slack+uint64(lost)*tickerSize {
		t.Errorf("the heap has grown from %d to %d bytes:\n%s", start.Heap, end.Heap, strings.Join(more, "\n"))
	} else if len(more) > 0 {
		t.Logf("heap: %s", strings.Join(more[:min(5, len(more))], "\n"))
	}

	entered := asAtFirst(t, child.URL)
	last := settle(t, child, &start, int(w.heavy.Load()+served.Load()), w.open)
	if got := int(last.Opened - end.Opened); got != entered {
		t.Errorf("the metrics count %d connections for %d", got, entered)
	}
	if last.Refused == end.Refused {
		t.Error("the metrics count no refusal")
	}
	check(t, child, last)
}

// check ends the server and fails the test if something went wrong in it.
func check(t *testing.T, child *siotest.Child, end snapshot) {
	t.Helper()
	for _, fault := range end.Faults {
		t.Error(fault)
	}
	child.Stop()
	if err := child.Err(); err != nil {
		t.Errorf("the server has ended: %v", err)
	}
	for _, bad := range []string{"DATA RACE", "panic", "fatal error"} {
		if strings.Contains(child.Stderr(), bad) {
			t.Errorf("the server said: %s", child.Stderr())
		}
	}
}
