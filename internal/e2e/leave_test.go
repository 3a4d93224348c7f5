package e2e

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// receive waits for a value of the server.
func receive[T any](t *testing.T, what string, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(bound):
		t.Fatalf("not within %v: %s", bound, what)
	}
	return v
}

// causeOf returns context.Cause of a socket that has left.
func causeOf(t *testing.T, ctx context.Context) string {
	t.Helper()
	var gone *wrap.Disconnected
	if cause := context.Cause(ctx); !errors.As(cause, &gone) {
		t.Fatalf("cause = %v, want *wrap.Disconnected", cause)
	}
	return gone.Reason
}

// TestGoneInFunc: a client that dies while a middleware is running cancels it, and never
// connects.
func TestGoneInFunc(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		skipTorn(t, v)
		entered, left := make(chan struct{}, 1), make(chan context.Context, 1)
		var connections atomic.Int32
		o := options()
		// No poll may be open when the client dies.
		o.SetPingInterval(500 * time.Millisecond)
		o.SetPingTimeout(500 * time.Millisecond)
		s := serve(t, o, func(io *socket.Server) {
			io.Use(wrap.Func(func(ctx context.Context, _ *socket.Socket) error {
				entered <- struct{}{}
				<-ctx.Done()
				left <- ctx
				return nil // too late to admit it
			}))
			onConnection(io.Sockets(), func(*socket.Socket) { connections.Add(1) })
		})
		c := connect(t, v, s, func(sc *scenario) { sc.Options["reconnection"] = false })
		receive(t, "the middleware runs", entered)
		c.kill()
		reason := causeOf(t, receive(t, "the middleware is canceled", left))
		if !slices.Contains([]string{"transport close", "transport error", "ping timeout"}, reason) {
			t.Errorf("reason = %q", reason)
		}
		if connections.Load() != 0 {
			t.Error("a dead client connected")
		}
	})
}

// TestServerDisconnects: Disconnect(false) reaches the client with the reason
// that keeps it from coming back. Disconnect(true) may not: the host closes the
// connection without waiting for its last packet.
func TestServerDisconnects(t *testing.T) {
	reasons := map[bool][]string{
		false: {"io server disconnect"},
		true:  {"io server disconnect", "transport close"},
	}
	each(t, func(t *testing.T, v variant) {
		for all, reasons := range reasons {
			contexts := make(chan context.Context, 1)
			s := serve(t, nil, func(io *socket.Server) {
				io.Use(wrap.Func(func(context.Context, *socket.Socket) error { return nil }))
				onConnection(io.Sockets(), func(s *socket.Socket) {
					_ = s.On("kick", func(...any) {
						contexts <- wrap.Context(s)
						s.Disconnect(all)
					})
				})
			})
			c := connect(t, v, s, func(sc *scenario) { sc.Options["reconnection"] = false })
			c.await(t, 1, "connect")
			c.settle()
			c.do(t, action{Do: "emit", Event: "kick"})
			got := c.await(t, 1, "disconnect")[0]
			if !slices.Contains(reasons, got.Reason) {
				t.Errorf("Disconnect(%t): %s", all, got.raw)
			}
			t.Logf("Disconnect(%t): %s", all, got.Reason)
			ctx := receive(t, "the socket is kicked", contexts)
			receive(t, "the context ends", ctx.Done())
			// The host sends the packet first, so that the client's own close may
			// overtake the reason.
			if got := causeOf(t, ctx); got != "server namespace disconnect" && got != "transport close" {
				t.Errorf("Disconnect(%t): cause = %q", all, got)
			}
		}
	})
}

// TestClientDisconnects: socket.disconnect() of the client ends the context.
func TestClientDisconnects(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		contexts := make(chan context.Context, 1)
		s := serve(t, nil, func(io *socket.Server) {
			io.Use(wrap.Func(func(_ context.Context, s *socket.Socket) error {
				contexts <- wrap.Context(s)
				return nil
			}))
		})
		c := connect(t, v, s, nil)
		c.await(t, 1, "connect")
		c.settle()
		c.do(t, action{Do: "disconnect"})
		if got := c.await(t, 1, "disconnect")[0]; got.Reason != "io client disconnect" {
			t.Errorf("disconnect: %s", got.raw)
		}
		ctx := receive(t, "the socket has a context", contexts)
		receive(t, "the context ends", ctx.Done())
		// The packet and the end of the connection may overtake each other.
		if got := causeOf(t, ctx); got != "client namespace disconnect" && got != "transport close" {
			t.Errorf("reason = %q", got)
		}
	})
}

// TestComesBackAtOnce: socket.disconnect().connect(), which clients use to present a new
// token, leaves the connection to the other namespaces.
func TestComesBackAtOnce(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		s := serve(t, nil, func(io *socket.Server) {
			wrap.UseAll(io, wrap.Func(func(context.Context, *socket.Socket) error { return nil }))
			io.Of("/room", nil)
		})
		c := connect(t, v, s, func(sc *scenario) { sc.Namespaces = []string{"/", "/room"} })
		c.await(t, 1, "connect", on("/"))
		c.await(t, 1, "connect", on("/room"))
		c.settle()
		for n := range 10 {
			c.do(t, action{Do: "disconnect", Nsp: "/room"}, action{Do: "connect", Nsp: "/room"})
			c.await(t, n+2, "connect", on("/room"))
		}
		if got := c.all("disconnect", on("/")); len(got) > 0 {
			t.Errorf("it has lost its connection: %s", got[0].raw)
		}
	})
}
