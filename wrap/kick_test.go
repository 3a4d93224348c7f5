package wrap_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestKick(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		s, root, open := sockets(t, pass)
		c := s.Dial(t, d)
		c.Connected(t)
		sock := <-root
		c.Connect("/open", nil)
		c.Connected(t)
		<-open

		e := revoked()
		endsFirst := make(chan error, 1)
		_ = sock.On("disconnect", func(args ...any) {
			endsFirst <- wrap.Context(sock).Err()
			if args[0] != "server namespace disconnect" {
				t.Errorf("disconnect: %v", args)
			}
		})
		wrap.Kick(sock, e)
		endedBy(t, sock, e, "server namespace disconnect")
		if err := <-endsFirst; err == nil {
			t.Error("listeners ran before the context ended")
		}
		if sock.Connected() || s.IO.Sockets().Sockets().Len() != 0 {
			t.Error("still connected")
		}
		kickedWith(t, c, "/")

		// The other namespace goes on, and the client may come back.
		c.NoPacket(t, 2*wrap.UnusedAfter)
		if c.Reason() != "" {
			t.Fatal("the connection was closed:", c.Reason())
		}
		c.Connect("/", nil)
		c.Connected(t)
		again := <-root
		if again == sock || wrap.Context(again).Err() != nil {
			t.Error("the kick outlives the socket")
		}
		c.EmitAck(t, "x")
	})
}

// A connection in no namespace is closed, and one that comes back is not.
func TestKickUnused(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		s, root, open := sockets(t, pass)
		kicked := func() *siotest.Client {
			c := s.Dial(t, d)
			c.Connected(t)
			c.Connect("/open", nil)
			c.Connected(t)
			wrap.Kick(<-root, revoked())
			kickedWith(t, c, "/")
			wrap.Kick(<-open, revoked()) // its first contact with this package
			kickedWith(t, c, "/open")
			return c
		}
		gone, back := kicked(), kicked()
		back.Connect("/open", nil)
		back.Connected(t)
		gone.AwaitDone(t)
		back.NoPacket(t, 2*wrap.UnusedAfter)
		if back.Reason() != "" {
			t.Error("closed although it had come back:", back.Reason())
		}
	})
}

// While a middleware decides, the connection is not unused.
func TestKickUnusedWaitsForPending(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var runs atomic.Int32
	s, root, _ := sockets(t, wrap.Guard(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
		if runs.Add(1) == 1 {
			next(nil)
			return
		}
		go func() { <-release; next(nil) }()
	}, 0))
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	wrap.Kick(<-root, revoked())
	kickedWith(t, c, "/")
	c.Connect("/", nil)
	c.NoPacket(t, 3*wrap.UnusedAfter)
	close(release)
	c.Connected(t)
	<-root
}

// A socket that is kicked in its middlewares is refused, if one of ours is left to do so,
// and otherwise kicked when it appears.
func TestKickPending(t *testing.T) {
	t.Parallel()
	e := revoked()
	plainKick := func(s *socket.Socket, next func(*socket.ExtendedError)) { wrap.Kick(s, e); next(nil) }
	for name, tt := range map[string]struct {
		mws     []socket.NamespaceMiddleware
		refused bool
	}{
		"in Func": {[]socket.NamespaceMiddleware{wrap.Func(func(ctx context.Context, s *socket.Socket) error {
			wrap.Kick(s, e)
			<-ctx.Done()
			return nil
		})}, true},
		"in Func, other error": {[]socket.NamespaceMiddleware{wrap.Func(func(ctx context.Context, s *socket.Socket) error {
			go wrap.Kick(s, e)
			<-ctx.Done()
			return ctx.Err()
		})}, true},
		"in Guard":         {[]socket.NamespaceMiddleware{wrap.Guard(func(s *socket.Socket, _ func(*socket.ExtendedError)) { wrap.Kick(s, e) }, 0)}, true},
		"in Guard, later":  {[]socket.NamespaceMiddleware{wrap.Guard(func(s *socket.Socket, _ func(*socket.ExtendedError)) { go wrap.Kick(s, e) }, 0)}, true},
		"before ours":      {[]socket.NamespaceMiddleware{plainKick, pass}, true},
		"between ours":     {[]socket.NamespaceMiddleware{pass, plainKick, pass}, true},
		"behind ours":      {[]socket.NamespaceMiddleware{pass, plainKick}, false},
		"none of ours":     {[]socket.NamespaceMiddleware{plainKick}, false},
		"behind ours, go":  {[]socket.NamespaceMiddleware{pass, func(s *socket.Socket, next func(*socket.ExtendedError)) { go plainKick(s, next) }}, false},
		"refused by other": {[]socket.NamespaceMiddleware{pass, func(s *socket.Socket, next func(*socket.ExtendedError)) { wrap.Kick(s, e); next(plainError()) }}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDial(t, func(t *testing.T, d siotest.Dial) {
				seen := make(chan *socket.Socket, 1)
				first := func(s *socket.Socket, next func(*socket.ExtendedError)) { seen <- s; next(nil) }
				s, root, _ := sockets(t, append([]socket.NamespaceMiddleware{first}, tt.mws...)...)
				c := s.Dial(t, d)
				if tt.refused {
					want := toldRevoked
					if name == "refused by other" {
						want = "map[mine:true]"
					}
					data := c.ConnectError(t).Data
					if m, ok := data.(map[string]any); ok && d.EIO != 3 {
						data = m["data"]
					}
					if got := fmt.Sprint(data); got != want {
						t.Errorf("got %s, want %s", got, want)
					}
				} else {
					c.Connected(t)
					kickedWith(t, c, "/")
					if sock := <-root; sock.Connected() || wrap.Context(sock).Err() == nil {
						t.Error("connected when the handlers ran")
					}
				}
				endedBy(t, <-seen, e, "refused")
				c.AwaitDone(t)
				if len(root) != 0 || s.IO.Sockets().Sockets().Len() != 0 {
					t.Error("connected")
				}
			})
		})
	}
}
