package ratelimit

import (
	"context"
	"sync"
	"weak"

	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// client is what a Limiter keeps for one Engine.IO connection. It must not refer to
// its *socket.Client, nor to sockets.
type client struct {
	once sync.Once // adds the meter

	mu      sync.Mutex
	slots   map[string]*hold                       // by key
	sockets map[string]weak.Pointer[socket.Socket] // by namespace
}

// add lets s be found by its namespace, until it ends.
func (c *client) add(s *socket.Socket) {
	nsp, p := s.Nsp().Name(), weak.Make(s)
	c.mu.Lock()
	if c.sockets == nil {
		c.sockets = make(map[string]weak.Pointer[socket.Socket])
	}
	c.sockets[nsp] = p
	c.mu.Unlock()
	context.AfterFunc(wrap.Context(s), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.sockets[nsp] == p {
			delete(c.sockets, nsp)
		}
	})
}

// socket returns the socket in a namespace, or nil.
func (c *client) socket(nsp string) *socket.Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sockets[nsp].Value()
}

// all returns the sockets of the connection.
func (c *client) all() (all []*socket.Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.sockets {
		if s := p.Value(); s != nil {
			all = append(all, s)
		}
	}
	return all
}
