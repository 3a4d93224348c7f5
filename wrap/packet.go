package wrap

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sioware/sioware/internal/panics"
	"github.com/zishang520/socket.io-go-parser/v2/parser"
	"github.com/zishang520/socket.io/v2/socket"
)

// Event is an event that a client has sent.
type Event struct {
	// Name is the event's name. It may be changed, though not to a name that the
	// protocol reserves.
	Name string

	// Args are the arguments without the ack: JSON values, and *types.BytesBuffer
	// for binary. They may be changed in place or replaced; their number may not.
	Args []any

	// Ack answers the event, if the client asked for an answer, else it is nil. It
	// may be called by the middleware, or replaced to see the handler's answer. The
	// host sends the first answer and ignores its error argument.
	Ack socket.Ack
}

// ErrHandled is what a function given to [Packet] returns, as it is or wrapped, when
// it has dealt with the event itself. The event goes no further: not to later
// packet middlewares, not to its handlers, and not to the socket's "error" event.
// Packet leaves the ack alone: the function calls [Event.Ack] if the client is to
// have an answer, and may do so later.
var ErrHandled = errors.New("wrap: event handled by a middleware")

// Packet makes a connection middleware that installs f as a packet middleware on
// every socket that joins. f sees each event before its handlers do: nil lets it
// pass, changed or not; an error keeps it from them. The host would tell the
// client nothing of that. Here its ack, if it asked for one, is answered with
// one argument, the client data of the [Error]:
//
//	{code, message, retryable, retryAfterMs?, ...Data}
//
// and the socket's "error" event gets the error, as in Node. Errors that are no
// *Error, and panics, become code internal. [ErrHandled] keeps the event from its
// handlers without all that.
//
// ctx is [Context] of the socket; it has no deadline. f may run concurrently and
// out of order, also for one socket, since the host dispatches each packet on a
// goroutine of its own: what it shares must be locked. Handlers added by OnAny
// see an event before f does.
func Packet(f func(ctx context.Context, s *socket.Socket, p *Event) error) socket.NamespaceMiddleware {
	return within(defaultTimeout, "wrap.Packet", func(_ context.Context, s *socket.Socket) error {
		UsePacket(s, f)
		return nil
	})
}

// UsePacket installs f on s alone, as [Packet] does on every socket that joins. It is
// for connection middlewares that have a packet middleware of their own; call it
// before the socket is connected. All that are installed so run in the order in which
// they were, one after the other where the first of them or of [Func] stands among
// those that s.Use has added.
func UsePacket(s *socket.Socket, f func(ctx context.Context, s *socket.Socket, p *Event) error) {
	st := stateOf(s)
	observe(s.Nsp())
	st.tap(s, func(t *tapped) { t.funcs = append(slices.Clip(t.funcs), f) })
}

// dispatch runs what taps ev, the host's form of an event: the name, the arguments
// and perhaps the ack. A panic becomes an error.
//
// It has little on the stack, and so have those that it calls: it runs on a goroutine that
// has just begun (socket/client.go:216), whose 2 KB would have to grow for each event.
func (st *state) dispatch(s *socket.Socket, ev []any, t *tapped) (err error) {
	defer recovered(&err)
	p := eventOf(ev)
	n := len(p.Args)
	for _, f := range t.funcs {
		if err = f(st.context(), s, p); err != nil {
			return panics.Ask(err)
		}
		if err = p.fault(ev, n); err != nil {
			return err
		}
	}
	if t.events {
		t.event(s, p)
	}
	p.replace(ev, n)
	return nil
}

// eventOf reads the host's form of an event.
//
//go:noinline
func eventOf(ev []any) *Event {
	name, _ := ev[0].(string)
	p := &Event{Name: name, Args: ev[1:]}
	if ack, ok := ev[len(ev)-1].(socket.Ack); ok {
		p.Args, p.Ack = ev[1:len(ev)-1:len(ev)-1], ack
	}
	return p
}

// replace writes p to the host's form of it, which has n arguments.
//
//go:noinline
func (p *Event) replace(ev []any, n int) {
	if name, _ := ev[0].(string); p.Name != name { // to store a string in an any allocates
		ev[0] = p.Name
	}
	copy(ev[1:], p.Args) // as many as there were, see fault
	if last := len(ev) - 1; last > n && p.Ack != nil {
		ev[last] = p.Ack
	}
}

// fault is what packet middlewares have done wrong to p, which was ev, with n arguments.
//
//go:noinline
func (p *Event) fault(ev []any, n int) error {
	name, _ := ev[0].(string)
	switch {
	case len(p.Args) != n:
		return fmt.Errorf("wrap: packet middleware changed the number of arguments from %d to %d", n, len(p.Args))
	case p.Name != name && (p.Name == "" || parser.RESERVED_EVENTS.Has(p.Name)):
		return fmt.Errorf("wrap: packet middleware renamed an event to %q", p.Name)
	}
	return nil
}

// refusePacket answers the ack of ev, which is refused, if it has one, and tells the
// host, unless a middleware has dealt with it.
//
//go:noinline
func (st *state) refusePacket(s *socket.Socket, ev []any, next func(error), t *tapped, err error) {
	var e *Error
	ack, answer := ev[len(ev)-1].(socket.Ack)
	if !errors.Is(err, ErrHandled) {
		e = asError(err)
		err = e
		if !st.watched() {
			report(s, e)
		}
		if answer {
			ack([]any{e.ClientData()}, nil)
		}
	}
	p := eventOf(ev)
	for _, h := range t.hooks {
		if h.Refused != nil {
			tell(s, func() { h.Refused(p, err) })
		}
	}
	if e != nil {
		next(e)
	}
}
