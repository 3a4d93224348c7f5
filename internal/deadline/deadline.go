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
// Done. Its methods may be called concurrently. Make one by [After].
type Context struct {
	parent context.Context
	at     time.Time

	mu     sync.Mutex
	ended  bool
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
	cancel := c.cancel
	c.ended = true
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// arm returns the context that stands for c from now on.
func (c *Context) arm() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.armed == nil {
		c.armed, c.cancel = context.WithDeadline(c.parent, c.at)
		if c.ended {
			c.cancel()
		}
	}
	return c.armed
}

// standIn returns what arm has returned, or nil.
func (c *Context) standIn() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
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
func (c *Context) Done() <-chan struct{} { return c.arm().Done() }

// Err implements context.Context. What it has returned once it returns for ever: the
// first error arms c.
func (c *Context) Err() error {
	c.mu.Lock()
	armed, ended := c.armed, c.ended
	c.mu.Unlock()
	if armed == nil && !ended && c.parent.Err() == nil && time.Now().Before(c.at) {
		return nil
	}
	return c.arm().Err()
}

// Value implements context.Context. Children that package context makes of c ask for Done
// first (context.go, propagateCancel), and then find by Value that they can wait for the
// armed context, without a goroutine for each.
func (c *Context) Value(key any) any {
	if armed := c.standIn(); armed != nil {
		return armed.Value(key)
	}
	return c.parent.Value(key)
}
