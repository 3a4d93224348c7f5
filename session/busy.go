package session

import (
	"context"
	"sync"
)

// busy counts what is under way, calls of the store above all, so that Close can wait for
// it.
type busy struct {
	mu   sync.Mutex
	n    int
	none chan struct{} // made by those who wait; closed when n is 0
}

func (b *busy) enter() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n++
}

func (b *busy) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n--; b.n == 0 && b.none != nil {
		close(b.none)
		b.none = nil
	}
}

// wait waits until nothing is under way, or until ctx ends, and then returns its error.
func (b *busy) wait(ctx context.Context) error {
	b.mu.Lock()
	if b.n > 0 && b.none == nil {
		b.none = make(chan struct{})
	}
	none := b.none
	b.mu.Unlock()
	if none == nil {
		return nil
	}
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
