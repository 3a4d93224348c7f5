// Package deadline has contexts with a deadline that cost next to nothing where nobody
// waits for them: a middleware, or a store in memory, is done in microseconds, and has no
// use for a timer, a channel, and a place among the children of its parent.
package deadline

import (
	"context"
	"sync"
	"time"
)

// Context is like that of context.WithTimeout, but has no timer before the first call of
// Done: of what has ended it while nobody asked, the parent's end counts before the
// deadline, whichever came first. Its methods may be called concurrently. Make one by
// [After].
type Context struct {
	parent context.Context
	at     time.Time

	mu     sync.Mutex
	ended  bool            // by End
	armed  context.Context // that of package context, once somebody waits
	cancel context.CancelFunc
}

// After returns a child of parent that is done after d. Call End when it is of no more use.
func After(parent context.Context, d time.Duration) *Context {
	return &Context{parent: parent, at: time.Now().Add(d)}
}

// End is what the CancelFunc of a context of package context is.
func (c *Context) End() {
	c.mu.Lock()
	if c.armed == nil && c.over() {
		c.arm() // it stays what it was
	}
	c.ended = true
	cancel := c.cancel
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// over reports whether c has ended without End, if it is not armed. c.mu is held.
func (c *Context) over() bool { return c.parent.Err() != nil || !time.Now().Before(c.at) }

// arm returns the context that stands for c from now on. c.mu is held.
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

// Err implements context.Context. What it has returned once it returns for ever: the
// first error arms c.
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.armed == nil && !c.ended && !c.over() {
		return nil
	}
	return c.arm().Err()
}

// Value implements context.Context. Children that package context makes of c ask for Done
// first (context.go, propagateCancel), and then find by Value that they can wait for the
// armed context, without a goroutine for each.
func (c *Context) Value(key any) any {
	c.mu.Lock()
	armed := c.armed
	c.mu.Unlock()
	if armed != nil {
		return armed.Value(key)
	}
	return c.parent.Value(key)
}
