// Package deadline bounds how long something may take. Its contexts cost next to nothing if
// nobody waits for them: a middleware or a store in memory is done in microseconds, and has
// no use for a timer, a channel, and a place among the children of its parent.
package deadline

import (
	"context"
	"sync"
	"time"
)

// Context is like that of context.WithTimeout, but has no timer before the first call of
// Done. If both the deadline and the end of the parent have passed before anybody looked,
// the parent's end counts, whichever came first. Its methods may be called concurrently.
// Make one with [After].
type Context struct {
	parent context.Context
	at     time.Time

	mu     sync.Mutex
	ended  bool            // by End
	armed  context.Context // from package context, once somebody waits
	cancel context.CancelFunc
}

// After returns a child of parent that is done after d. Call End when it is no longer
// needed.
func After(parent context.Context, d time.Duration) *Context {
	return &Context{parent: parent, at: time.Now().Add(d)}
}

// End corresponds to the CancelFunc of a context of package context.
func (c *Context) End() {
	c.mu.Lock()
	if c.armed == nil && c.over() {
		c.arm() // keeps the error that it has by now
	}
	c.ended = true
	cancel := c.cancel
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// over reports whether c, which is not armed, has ended without End. c.mu is held.
func (c *Context) over() bool { return c.parent.Err() != nil || !time.Now().Before(c.at) }

// arm returns the context that stands in for c from now on. c.mu is held.
func (c *Context) arm() context.Context {
	switch {
	case c.armed != nil:
	case c.ended: // whatever came later
		c.armed, c.cancel = context.WithCancel(context.WithoutCancel(c.parent))
		c.cancel()
	default:
		c.armed, c.cancel = context.WithDeadline(c.parent, c.at)
	}
	return c.armed
}

// Deadline implements context.Context.
func (c *Context) Deadline() (time.Time, bool) {
	if t, ok := c.parent.Deadline(); ok && t.Before(c.at) {
		return t, true
	}
	return c.at, true
}

// Done implements context.Context.
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.arm().Done()
}

// Err implements context.Context. Once it has returned an error it returns the same for
// ever: the first error arms c.
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.armed == nil && !c.ended && !c.over() {
		return nil
	}
	return c.arm().Err()
}

// Value implements context.Context. When package context makes a child of c, it first
// calls Done (context.go, propagateCancel), and then learns through Value that the child
// can be attached to the armed context, without a goroutine of its own.
func (c *Context) Value(key any) any {
	c.mu.Lock()
	armed := c.armed
	c.mu.Unlock()
	if armed != nil {
		return armed.Value(key)
	}
	return c.parent.Value(key)
}
