package wrap

import (
	"strings"

	"github.com/zishang520/socket.io-go-parser/v2/parser"
)

// outgoing sees each packet that the server sends on this connection, before it is sent.
// A CONNECT means that the host is about to record a socket, and a CONNECT_ERROR that a
// later middleware, which we do not run, has refused one: the host has no event for
// either.
func (c *connection) outgoing(args ...any) {
	p, text := message(args)
	switch {
	case p == nil:
		return
	case text == nil:
		if !c.text && c.unresolved.Load() > 0 {
			c.unreadable()
		}
		return
	}
	b := text.Bytes()
	if len(b) == 0 || (b[0] != byte(parser.CONNECT) && b[0] != byte(parser.CONNECT_ERROR)) {
		return
	}
	nsp := "/"
	if len(b) > 1 && b[1] == '/' {
		nsp, _, _ = strings.Cut(string(b[1:]), ",")
	}
	if st := c.answered(nsp, b[0] == byte(parser.CONNECT)); st != nil {
		st.end(&refusedCause{Disconnected{reasonRefused, st.refuser()}, parseRefusal(b, c.protocol)})
		if s := st.socket.Value(); s != nil && s.Connected() {
			// A middleware has called both next(error) and next(nil). Disconnect
			// elsewhere: the host holds a lock of the client here.
			go s.Disconnect(true)
		}
	}
}

// answered records the answer to the CONNECT for nsp, and returns the socket if somebody
// else has refused it.
func (c *connection) answered(nsp string, connected bool) *state {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.refusing[nsp]; n > 0 && !connected {
		c.refusing[nsp] = n - 1
		return nil
	}
	a, ok := c.pending.Get(nsp)
	if !ok && !connected {
		if st, _ := c.joined.Get(nsp); st != nil {
			return st
		}
		return c.stray(nsp)
	}
	if !ok || !a.admitted || (connected && a.settled != nil) {
		return nil
	}
	if connected {
		a.settled = c.mark.settle()
		c.pending.Set(nsp, a)
		return nil
	}
	c.refused++
	return a.st
}

// stray returns a socket that no middleware of ours has seen, that is not connected, and
// that has a state because somebody asked for its Context: where there are only plain
// middlewares, it is the one that they have refused. c.mu is held.
func (c *connection) stray(nsp string) *state {
	for st := range c.open.All() {
		if st.nsp == nsp && st.alien() {
			return st
		}
	}
	return nil
}

// unreadable gives up the pending admissions: with a parser that is not text (or a binary
// attachment in between) a refusal by others cannot be seen, and must not make the
// client's next attempt look like a concurrent second one.
func (c *connection) unreadable() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for nsp, a := range c.pending.All() {
		if a.admitted {
			c.settle(nsp, a)
		}
	}
}
