package siotest

import (
	"runtime"
	"sync"
	"testing"
	"weak"

	"github.com/zishang520/socket.io/v2/socket"
)

// Garbage remembers sockets that are to be collected, and keeps none. It may be used
// concurrently.
type Garbage struct {
	mu  sync.Mutex
	all []weak.Pointer[socket.Socket]
}

// Add remembers s, and returns how many there are by then.
func (g *Garbage) Add(s *socket.Socket) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all = append(g.all, weak.Make(s))
	return len(g.all)
}

// Await waits until all n are collected but left: the host may have the last one in hand
// as long as its connection stays.
func (g *Garbage) Await(tb testing.TB, n, left int) {
	tb.Helper()
	Eventually(tb, "the sockets are collected", func() bool {
		all, kept := g.look()
		return all == n && kept <= left
	})
}

// look returns how many sockets there have been, and how many are still there.
func (g *Garbage) look() (all, kept int) {
	runtime.GC()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.all {
		if s.Value() != nil {
			kept++
		}
	}
	return len(g.all), kept
}
