package wrap_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// The host has no event for a socket that a later middleware refuses.
func TestContextEndsWhenOthersRefuse(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		ended := make(chan error, 8)
		var refuse atomic.Bool
		refuse.Store(true)
		s := serve(t, func(io *socket.Server) {
			io.Use(wrap.Func(func(_ context.Context, s *socket.Socket) error {
				ctx := wrap.Context(s)
				context.AfterFunc(ctx, func() { ended <- context.Cause(ctx) })
				return nil
			}))
			io.Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
				if refuse.Load() {
					go next(socket.NewExtendedError("no", nil))
					return
				}
				next(nil)
			})
		})
		c := s.Dial(t, d)
		c.ConnectError(t)
		var dis *wrap.Disconnected
		if cause := <-ended; !errors.As(cause, &dis) || dis.Reason != "refused" {
			t.Errorf("cause %v", cause)
		}
		if d.EIO == 3 {
			return // it has no CONNECT for "/" to repeat
		}
		refuse.Store(false)
		c.Connect("/", nil)
		c.Connected(t)
		c.Disconnect("/")
		if cause := <-ended; !errors.As(cause, &dis) || dis.Reason != "client namespace disconnect" {
			t.Errorf("cause %v", cause)
		}
		c.Connect("/", nil)
		c.Connected(t)
		c.Close()
		if cause := <-ended; !errors.As(cause, &dis) || dis.Reason != "transport close" && dis.Reason != "transport error" {
			t.Errorf("cause %v", cause)
		}
		select {
		case cause := <-ended:
			t.Errorf("ended once more: %v", cause)
		case <-time.After(20 * time.Millisecond):
		}
	})
}

// The "disconnect" event comes twice for some sockets and never for others.
func TestContextEndsOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	var ended atomic.Int32
	_ = s.IO.On("connection", func(args ...any) {
		sock := args[0].(*socket.Socket)
		context.AfterFunc(wrap.Context(sock), func() { ended.Add(1) })
		go func() {
			sock.EmitReserved("disconnect", "first")
			sock.EmitReserved("disconnect", "second")
			var d wrap.Disconnected
			if !errors.As(context.Cause(wrap.Context(sock)), &d) || d.Reason != "first" {
				t.Errorf("cause %v", context.Cause(wrap.Context(sock)))
			}
			sock.Disconnect(true)
		}()
	})
	c := s.Dial(t, siotest.Dial{})
	c.AwaitDone(t)
	siotest.Eventually(t, "the end", func() bool { return ended.Load() > 0 })
	if ended.Load() != 1 {
		t.Errorf("ended %d times", ended.Load())
	}
}

// The context of a socket whose connection closed before the first call is done.
func TestContextAfterClose(t *testing.T) {
	t.Parallel()
	for name, d := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sockets := make(chan *socket.Socket, 1)
			s := serve(t, func(io *socket.Server) {
				_ = io.On("connection", func(args ...any) { sockets <- args[0].(*socket.Socket) })
			})
			c := s.Dial(t, d)
			c.Connected(t)
			sock := <-sockets
			c.Close()
			siotest.Eventually(t, "the connection is closed", func() bool { return sock.Conn().ReadyState() == "closed" })
			ctx := wrap.Context(sock)
			var dis *wrap.Disconnected
			if ctx.Err() == nil || !errors.As(context.Cause(ctx), &dis) {
				t.Errorf("err %v, cause %v", ctx.Err(), context.Cause(ctx))
			}
		})
	}
}
