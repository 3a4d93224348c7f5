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
	// Name is the event's name. It may be changed, but not to a name that the protocol
	// reserves.
	Name string

	// Args are the arguments without the ack: JSON values, and *types.BytesBuffer for
	// binary. They may be modified or replaced, but their number must not change.
	Args []any

	// Ack answers the event; it is nil if the client did not ask for an answer. A
	// middleware may call it, or replace it to see the handler's answer. The host sends
	// the first answer and ignores the error argument.
	Ack socket.Ack
}

// ErrHandled is what a function given to [Packet] returns, as it is or wrapped, when it
// has dealt with the event itself. The event then reaches no later packet middleware, no
// handler, and not the socket's "error" event. Packet leaves the ack alone: the function
// calls [Event.Ack], then or later, if the client is to get an answer.
var ErrHandled = errors.New("wrap: event handled by a middleware")

// Packet makes a connection middleware that installs f as a packet middleware on every
// socket that joins. f sees each event before its handlers do: nil lets it pass, changed
// or not; an error keeps it from them. The host would tell the client nothing about that.
// With Packet, the client's ack, if it asked for one, is answered with one argument, the
// client data of the [Error]:
//
//	{code, message, retryable, retryAfterMs?, ...Data}
//
// and the socket's "error" event gets the error, as in Node. Errors that are not an
// *Error, and panics, become code internal. [ErrHandled] keeps the event from its
// handlers without any of this.
//
// ctx is [Context] of the socket; it has no deadline. f may run concurrently and out of
// order, even for one socket, since the host dispatches each packet on its own goroutine:
// data that f shares must be locked. Handlers added by OnAny see an event before f does. If
// f ends its goroutine (runtime.Goexit, as in t.FailNow), the ack is never answered.
func Packet(f func(ctx context.Context, s *socket.Socket, p *Event) error) socket.NamespaceMiddleware {
	demand(f != nil, "Packet: nil function")
	return within(defaultTimeout, "wrap.Packet", func(_ context.Context, s *socket.Socket) error {
		UsePacket(s, f)
		return nil
	})
}

// UsePacket installs f on s alone, as [Packet] does on every socket that joins. It is for
// connection middlewares that include a packet middleware; call it before the socket is
// connected. All functions installed this way run in order of installation, one directly
// after the other. Among the middlewares added with s.Use, their place is that of the
// first of them or of [Func], whichever came first.
func UsePacket(s *socket.Socket, f func(ctx context.Context, s *socket.Socket, p *Event) error) {
	demand(f != nil, "UsePacket: nil function")
	st := stateOf(s)
	observe(s.Nsp())
	st.tap(s, func(t *tapped) { t.funcs = append(slices.Clip(t.funcs), f) })
}

// dispatch runs the taps of ev, the host's form of an event: the name, the arguments and
// possibly the ack. A panic becomes an error.
//
// It uses little stack, and so do the functions that it calls: it runs on a new goroutine
// (socket/client.go:216), whose 2 KB would otherwise have to grow for each event. One more
// deferred call here, to notice runtime.Goexit, cost a tenth of all events per second.
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

// eventOf converts the host's form of an event.
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

// replace writes p back to the host's form, which has n arguments.
//
//go:noinline
func (p *Event) replace(ev []any, n int) {
	if name, _ := ev[0].(string); p.Name != name { // storing a string in an any allocates
		ev[0] = p.Name
	}
	copy(ev[1:], p.Args) // as many as there were; see fault
	if last := len(ev) - 1; last > n && p.Ack != nil {
		ev[last] = p.Ack
	}
}

// fault returns an error if a packet middleware has made p unfit to replace ev, which has
// n arguments.
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

// refusePacket answers the ack of ev, which is refused, if it has one, and reports the
// error to the host, unless a middleware has dealt with the event.
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
			runHook(s, func() { h.Refused(p, err) })
		}
	}
	if e != nil {
		next(e)
	}
}
