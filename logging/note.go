package logging

import (
	"context"
	"sync"

	"github.com/sioware/sioware/internal/mark"
)

// note collects what becomes known of a request. It is in the request's context, and so
// is kept as long as the connection: it must stay small.
type note struct {
	context.Context
	l  *Logger
	id string

	mu   sync.Mutex
	over bool
	said *refusalNote // nil if nobody has refused it
}

// refusalNote is why a request was refused.
type refusalNote struct {
	reason     error
	code, text string // the engine's
}

// noteKey is where a context has the note of a Logger.
type noteKey struct{ l *Logger }

// noteOf returns the note of l in ctx, or nil.
func noteOf(ctx context.Context, l *Logger) *note {
	n, _ := ctx.Value(noteKey{l}).(*note)
	return n
}

// Value implements context.Context. Lookups of mark.ListenerKey find n while the request
// is served.
func (n *note) Value(key any) any {
	switch key := key.(type) {
	case noteKey:
		if key.l == n.l {
			return n
		}
	case mark.ListenerKey:
		n.mu.Lock()
		over := n.over
		n.mu.Unlock()
		if !over {
			return n
		}
	}
	return n.Context.Value(key)
}

// Refused implements mark.Listener. It also tells an outer Logger, which n hides.
func (n *note) Refused(reason error) {
	mark.Refused(n.Context, reason)
	n.tell(func(s *refusalNote) {
		if s.reason == nil {
			s.reason = reason
		}
	})
}

// engine records what the engine says, and reports whether the record of the request will
// have it.
func (n *note) engine(code, text string) bool {
	return n.tell(func(s *refusalNote) { s.code, s.text = code, text })
}

// tell changes what is said, and reports whether it did: not once the request is over.
func (n *note) tell(change func(*refusalNote)) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.over {
		return false
	}
	if n.said == nil {
		n.said = new(refusalNote)
	}
	change(n.said)
	return true
}

// close ends the note, and returns what was said.
func (n *note) close() (s refusalNote) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.over = true
	if n.said != nil {
		s, n.said = *n.said, nil
	}
	return s
}
