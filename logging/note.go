package logging

import (
	"context"
	"sync"

	"github.com/sioware/sioware/internal/mark"
)

// note is what comes to be known of a request. It is in the request's context, and so
// is kept as long as the connection: it must stay small.
type note struct {
	context.Context
	l  *Logger
	id string

	mu   sync.Mutex
	over bool
	said *said // nil if nobody has refused it
}

// said is why a request was refused.
type said struct {
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

// Value implements context.Context. Who asks for a mark.Listener gets n while the
// request is served.
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

// Refused implements mark.Listener. A Logger further out, which n hides, is told too.
func (n *note) Refused(reason error) {
	mark.Refused(n.Context, reason)
	n.tell(func(s *said) {
		if s.reason == nil {
			s.reason = reason
		}
	})
}

// engine notes what the engine says, and reports whether that is told with the request.
func (n *note) engine(code, text string) bool {
	return n.tell(func(s *said) { s.code, s.text = code, text })
}

// tell changes what is said, while the request is served.
func (n *note) tell(change func(*said)) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.over {
		return false
	}
	if n.said == nil {
		n.said = new(said)
	}
	change(n.said)
	return true
}

// close ends the notes, and returns them.
func (n *note) close() (s said) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.over = true
	if n.said != nil {
		s, n.said = *n.said, nil
	}
	return s
}
