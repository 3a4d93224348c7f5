package jwtauth

import (
	"context"
	"errors"
	"time"

	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

var errUnguarded = errors.New("jwtauth: Require and Events need Middleware before them in the same namespace")

// Require returns a connection middleware for a namespace that not everybody may
// join, to be used behind [Auth.Middleware]. f judges the claims: nil admits; a
// *wrap.Error refuses as it says, and any other error with code forbidden, its
// text going to the log alone. A guest is refused with code token_missing. A nil
// f only requires an identity.
//
// The rule holds for as long as the socket lives: a refresh with claims that f
// refuses is refused, and a socket whose token expires is disconnected, even
// under [Downgrade]. f is called concurrently and must not block.
func (a *Auth[C]) Require(f func(C) error) socket.NamespaceMiddleware {
	return wrap.Named("jwtauth.Require", wrap.Func(func(_ context.Context, s *socket.Socket) error {
		m := a.members.Load(s)
		if m == nil {
			return &wrap.Error{Err: errUnguarded}
		}
		id := m.identity.Load()
		if id == nil {
			return refusal(ErrMissing, nil)
		}
		if err := allow(f, id.Claims); err != nil {
			return err
		}
		m.rules = append(m.rules, f)
		return nil
	}))
}

// Events returns a connection middleware that lets f judge every event of the sockets
// that join, to be used behind [Auth.Middleware]. f gets the claims as they are when
// the event arrives, or the zero C for a guest (so test a claim that every token has,
// not one that Verify adds), the event's name, and its arguments without the ack,
// which f must not change. nil lets the event pass; an error keeps it from its
// handlers and answers its ack with the error's client data: a *wrap.Error as it
// says, any other error with code forbidden. Once the token has expired, events are
// refused with code token_expired, except under [Notify]; a nil f does only that. f
// is called concurrently, even for a single socket.
func (a *Auth[C]) Events(f func(c C, event string, args []any) error) socket.NamespaceMiddleware {
	return wrap.Packet(func(_ context.Context, s *socket.Socket, p *wrap.Event) error {
		m := a.members.Load(s)
		if m == nil {
			return &wrap.Error{Err: errUnguarded}
		}
		var claims C
		if id := m.identity.Load(); id != nil {
			if a.opts.OnExpiry != Notify && id.expired(time.Now(), a.opts.Leeway) {
				return refusal(ErrExpired, nil)
			}
			claims = id.Claims
		}
		if f == nil {
			return nil
		}
		return forbid(f(claims, p.Name, p.Args))
	})
}

// allow applies a rule given to Require.
func allow[C any](rule func(C) error, claims C) error {
	if rule == nil {
		return nil
	}
	return forbid(rule(claims))
}

// forbid gives an error of a rule its code.
func forbid(err error) error {
	if err == nil {
		return nil
	}
	if err = classify(err); errors.As(err, new(*wrap.Error)) {
		return err
	}
	return refusal(ErrForbidden, err)
}
