package ratelimit

import (
	"context"
	"errors"
	"log/slog"

	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// hold is a slot that the sockets of one connection share.
type hold struct {
	sockets int
	logger  *slog.Logger
	ready   chan struct{} // closed when the fields below are set
	release func()        // nil if there is none
	verdict Verdict
	err     error
}

// hold makes s share the slot of its connection, until its context ends.
func (l *Limiter) hold(ctx context.Context, p *policy, s *socket.Socket, c *client, key string) (Verdict, error) {
	for {
		h, first, err := c.enter(ctx, p, key)
		switch {
		case err != nil:
			return Verdict{}, err
		case h.release != nil:
			context.AfterFunc(wrap.Context(s), func() { c.leave(key, h) })
			return h.verdict, nil
		}
		c.leave(key, h)
		// The socket that asked may have been canceled, which says nothing about s.
		off := errors.Is(h.err, context.Canceled) || errors.Is(h.err, context.DeadlineExceeded)
		if first || !off || ctx.Err() != nil {
			return h.verdict, h.err
		}
	}
}

// enter makes one more socket share the slot of key, and waits until the store has said
// whether there is one. The first socket asks the store.
func (c *client) enter(ctx context.Context, p *policy, key string) (h *hold, first bool, err error) {
	c.mu.Lock()
	h = c.slots[key]
	first = h == nil
	if first {
		h = &hold{logger: p.Logger, ready: make(chan struct{})}
		if c.slots == nil {
			c.slots = make(map[string]*hold)
		}
		c.slots[key] = h
	}
	h.sockets++
	c.mu.Unlock()

	if first {
		h.acquire(ctx, p, key)
		return h, true, nil
	}
	select {
	case <-h.ready:
		return h, false, nil
	case <-ctx.Done():
		c.leave(key, h)
		return nil, false, ctx.Err()
	}
}

// acquire asks the store for the slot.
func (h *hold) acquire(ctx context.Context, p *policy, key string) {
	defer close(h.ready)
	h.release, h.verdict, h.err = p.tier.acquire(ctx, p.storeKey(kindConcurrent, key), int64(p.Concurrent))
	h.verdict.Policy = policyConcurrent
	if h.release == nil && h.err == nil && h.verdict.Allowed {
		h.err = errPanic // against the contract
	}
}

// leave ends the share of a socket in h. The last socket gives the slot back, which does
// not wait for the network: whoever comes next finds it free.
func (c *client) leave(key string, h *hold) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.sockets--; h.sockets > 0 {
		return
	}
	if c.slots[key] == h {
		delete(c.slots, key)
	}
	if h.release != nil { // which is settled: the first socket leaves after the store has answered
		guard(h.logger, "release of a slot", h.release)
	}
}
