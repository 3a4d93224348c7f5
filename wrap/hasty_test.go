package wrap_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/socket.io/v2/socket"
)

// The answer to a refused CONNECT is not mistaken for that to the next one, which a
// client has sent without waiting.
func TestHasty(t *testing.T) {
	t.Parallel()
	for _, d := range []siotest.Dial{
		{Namespace: "/", EIO: 4},
		{Namespace: "/x", EIO: 4},
		{Namespace: "/", EIO: 4, Polling: true},
		{Namespace: "/x", EIO: 3},
	} {
		t.Run(fmt.Sprintf("EIO%d polling %t %s", d.EIO, d.Polling, d.Namespace), func(t *testing.T) {
			t.Parallel()
			var runs atomic.Int32
			answer, admit := make(chan struct{}), make(chan struct{})
			second := make(chan context.Context, 1)
			s := serve(t, func(io *socket.Server) {
				nsp := io.Of(d.Namespace, nil)
				nsp.Use(wrap.Func(func(context.Context, *socket.Socket) error {
					if runs.Add(1) == 1 {
						return &wrap.Error{Code: "forbidden"}
					}
					return nil
				}))
				nsp.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
					second <- wrap.Context(s)
					<-admit
					next(nil)
				})
				_ = nsp.On("connection", func(args ...any) {
					_ = args[0].(*socket.Socket).On("ping", func(args ...any) { args[len(args)-1].(socket.Ack)(nil, nil) })
				})
			})
			_ = s.IO.Engine().On("connection", func(args ...any) {
				_ = args[0].(engine.Socket).On("packetCreate", func(...any) {
					if runs.Load() > 0 {
						<-answer // nobody has seen the packet yet
					}
				})
			})
			d.NoConnect = true
			c := s.Dial(t, d)
			if d.EIO == 3 { // to "/"
				c.Connected(t)
			}
			c.Connect(d.Namespace, nil)
			c.Connect(d.Namespace, nil)
			ctx := <-second
			close(answer)
			c.ConnectError(t)
			if err := ctx.Err(); err != nil {
				t.Errorf("the second socket: %v", context.Cause(ctx))
			}
			close(admit)
			c.Connected(t)
			c.EmitAck(t, "ping")
		})
	}
}

// The same with a plain middleware in UseAll: the client may come back before it has seen
// the answer, and its connection is not closed.
func TestHastyPlain(t *testing.T) {
	t.Parallel()
	var runs atomic.Int32
	var connected atomic.Bool
	answer := make(chan struct{})
	contexts := make(chan context.Context, 2)
	s := serve(t, func(io *socket.Server) {
		_ = io.On("connection", func(...any) { connected.Store(true) })
		wrap.UseAll(io, func(s *socket.Socket, next func(*socket.ExtendedError)) {
			contexts <- wrap.Context(s)
			if runs.Add(1) == 1 {
				next(socket.NewExtendedError("no", nil))
				return
			}
			next(nil)
		})
	})
	_ = s.IO.Engine().On("connection", func(args ...any) {
		_ = args[0].(engine.Socket).On("packetCreate", func(...any) {
			if runs.Load() > 0 {
				<-answer
			}
		})
	})
	c := s.Dial(t, siotest.Dial{NoConnect: true})
	c.Connect("/", nil)
	c.Connect("/", nil)
	first := <-contexts
	siotest.Eventually(t, "the first socket is refused", func() bool { return first.Err() != nil })
	if d := (*wrap.Disconnected)(nil); !errors.As(context.Cause(first), &d) || d.Reason != "refused" {
		t.Errorf("the first socket: %v", context.Cause(first))
	}
	second := <-contexts
	close(answer)
	siotest.Eventually(t, "the second socket is connected", connected.Load)
	if err := second.Err(); err != nil {
		t.Errorf("the second socket: %v", context.Cause(second))
	}
}

// The same with a client that has left while its CONNECT was in a middleware.
func TestHastyGone(t *testing.T) {
	t.Parallel()
	var runs atomic.Int32
	answer, told, admit := make(chan struct{}), make(chan struct{}, 8), make(chan struct{})
	second := make(chan context.Context, 1)
	s := serve(t, func(io *socket.Server) {
		io.Use(wrap.Func(func(ctx context.Context, s *socket.Socket) error {
			if runs.Add(1) == 1 {
				_ = s.Conn().On("packetCreate", func(...any) { told <- struct{}{} }) // after wrap
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}))
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			second <- wrap.Context(s)
			<-admit
			next(nil)
		})
	})
	_ = s.IO.Engine().On("connection", func(args ...any) {
		_ = args[0].(engine.Socket).On("packetCreate", func(...any) {
			if runs.Load() > 0 {
				<-answer
			}
		})
	})
	c, resp, err := s.Handshake(t.Context(), siotest.Dial{})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	defer c.Close()
	for _, packet := range []string{"40", "40"} {
		if err := c.WriteMessage(websocket.TextMessage, []byte(packet)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.WriteMessage(websocket.CloseMessage, nil); err != nil {
		t.Fatal(err)
	}
	ctx := <-second
	close(answer)
	<-told
	var d *wrap.Disconnected
	if errors.As(context.Cause(ctx), &d) && d.Reason == "refused" {
		t.Errorf("the second socket: %v", d)
	}
	close(admit)
	<-ctx.Done()
}

// A refusal that passes through two of our middlewares counts once, so that the next one
// by others is seen.
func TestHastyNested(t *testing.T) {
	t.Parallel()
	var runs atomic.Int32
	contexts := make(chan context.Context, 4)
	s := serve(t, func(io *socket.Server) {
		io.Use(wrap.Guard(wrap.Func(func(context.Context, *socket.Socket) error {
			if runs.Add(1) == 1 {
				return &wrap.Error{Code: "forbidden"}
			}
			return nil
		}), 0))
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			contexts <- wrap.Context(s)
			next(socket.NewExtendedError("no", nil))
		})
	})
	c := s.Dial(t, siotest.Dial{})
	c.ConnectError(t)
	for range 2 {
		c.Connect("/", nil)
		c.ConnectError(t)
		ctx := <-contexts
		siotest.Eventually(t, "the context of a refused socket ends", func() bool { return ctx.Err() != nil })
	}
}
