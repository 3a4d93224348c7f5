//go:build linux

package soak

import (
	"context"
	"time"

	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

const visits = session.Key[int]("visits")

// greet is the "connection" handler. Each event is answered if it asks for an ack.
func (s *server) greet(c *socket.Socket) {
	for name, f := range map[string]func(ctx context.Context, arg any) (any, error){
		"echo": func(_ context.Context, arg any) (any, error) { return arg, nil },
		"join": func(ctx context.Context, arg any) (any, error) {
			room, _ := arg.(string)
			return nil, s.online.Join(ctx, c, room, nil)
		},
		"leave": func(ctx context.Context, arg any) (any, error) {
			room, _ := arg.(string)
			return nil, s.online.Leave(ctx, c, room)
		},
		"away": func(ctx context.Context, arg any) (any, error) { return nil, s.online.Away(ctx, c, arg == true) },
		"shout": func(_ context.Context, arg any) (any, error) {
			room, _ := arg.(string)
			return nil, s.io.To(socket.Room(room)).Emit("shout", "hear")
		},
		"ask": func(_ context.Context, _ any) (any, error) {
			c.EmitWithAck("question", 42)(func([]any, error) {})
			return nil, nil
		},
		"visit": func(ctx context.Context, _ any) (any, error) {
			mine, ok := s.sess.From(c)
			if !ok {
				return nil, session.ErrMissing
			}
			return nil, mine.Update(ctx, func(values map[any]any) error {
				visits.Set(values, visits.In(values)+1)
				return nil
			})
		},
		"sign-out": func(ctx context.Context, _ any) (any, error) {
			mine, ok := s.sess.From(c)
			if !ok {
				return nil, session.ErrMissing
			}
			return mine.Destroy(ctx)
		},
		"renew": func(_ context.Context, _ any) (any, error) {
			mine, ok := s.sess.From(c)
			if !ok {
				return nil, session.ErrMissing
			}
			return mine.Renew(func(map[any]any) error { return nil })
		},
		"kick-me": func(context.Context, any) (any, error) {
			wrap.Kick(c, &wrap.Error{Code: "forbidden"})
			return nil, nil
		},
		"kick-others": func(ctx context.Context, _ any) (any, error) {
			user, _ := s.auth.Subject(c)
			return s.online.Kick(ctx, user, presence.Except(c))
		},
		"drop-me": func(context.Context, any) (any, error) {
			c.Conn().Close(false)
			return nil, nil
		},
		"put-out": func(_ context.Context, arg any) (any, error) {
			c.Disconnect(arg == true)
			return nil, nil
		},
		"revoke": func(ctx context.Context, _ any) (any, error) {
			id, ok := s.auth.Identity(c)
			if !ok {
				return nil, nil
			}
			r := jwtauth.ByID(id.ID)
			r.Until = time.Now().Add(10 * time.Second)
			return s.auth.Revoke(ctx, r)
		},
	} {
		_ = c.On(name, func(args ...any) {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			var arg any
			var ack socket.Ack
			if n := len(args); n > 0 {
				ack, _ = args[n-1].(socket.Ack)
				arg = args[0]
			}
			answer, err := f(ctx, arg)
			if err != nil {
				answer = map[string]any{"failed": err.Error()}
			}
			if ack != nil {
				ack([]any{answer}, nil)
			}
		})
	}
}
