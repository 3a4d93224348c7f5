package siotest

import (
	"runtime"
	"sync"
	"testing"
	"weak"

	"github.com/zishang520/socket.io/v2/socket"
)

// Garbage tracks sockets that should be collected, without keeping them alive. It may be
// used concurrently.
type Garbage struct {
	mu  sync.Mutex
	all []weak.Pointer[socket.Socket]
}

// Add tracks s, and returns how many sockets have been added.
func (g *Garbage) Add(s *socket.Socket) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all = append(g.all, weak.Make(s))
	return len(g.all)
}

// Await waits until all but left of the n sockets have been collected: the host may hold
// on to the last one as long as its connection stays open.
func (g *Garbage) Await(tb testing.TB, n, left int) {
	tb.Helper()
	Eventually(tb, "the sockets are collected", func() bool {
		all, kept := g.look()
		return all == n && kept <= left
	})
}

// look returns how many sockets were added, and how many are still alive.
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
