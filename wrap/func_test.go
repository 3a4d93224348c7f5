package wrap_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestFuncAdmits(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		var connectedInside atomic.Bool
		s := serve(t, func(io *socket.Server) {
			io.Use(wrap.Func(func(ctx context.Context, s *socket.Socket) error {
				if _, ok := ctx.Deadline(); !ok || ctx.Err() != nil {
					t.Errorf("context without deadline, or done: %v", ctx.Err())
				}
				connectedInside.Store(s.Connected())
				_ = s.On("echo", func(args ...any) { args[1].(socket.Ack)([]any{args[0]}, nil) })
				return nil
			}))
		})
		c := s.Dial(t, d)
		c.Connected(t)
		if got := c.EmitAck(t, "echo", "hi").Data; fmt.Sprint(got) != "[hi]" {
			t.Errorf("ack %v", got)
		}
		if connectedInside.Load() {
			t.Error("connected before its middleware has decided")
		}
	})
}

func TestFuncPanic(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		s := serve(t, func(io *socket.Server) {
			io.Use(wrap.Func(func(context.Context, *socket.Socket) error { panic("of the application") }))
		})
		c := s.Dial(t, d)
		if p := c.ConnectError(t); refusalData(t, p)["code"] != "internal" || strings.Contains(p.Raw, "application") {
			t.Errorf("got %s", p.Raw)
		}
	})
}

func TestFuncDeadline(t *testing.T) {
	t.Parallel()
	eachDial(t, func(t *testing.T, d siotest.Dial) {
		s := serve(t, func(io *socket.Server) {
			io.Use(wrap.FuncWithin(20*time.Millisecond, func(ctx context.Context, _ *socket.Socket) error {
				<-ctx.Done()
				return nil // admits too late
			}))
		})
		c := s.Dial(t, d)
		if data := refusalData(t, c.ConnectError(t)); data["code"] != "unavailable" || data["retryable"] != true {
			t.Errorf("got %v", data)
		}
	})
}

// The client leaves while f runs, silently or properly: over WebSocket nobody else reads
// the connection then.
func TestFuncClientGone(t *testing.T) {
	t.Parallel()
	for name, orderly := range map[string]bool{"vanishes": false, "closes": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDial(t, func(t *testing.T, d siotest.Dial) { clientGone(t, d, orderly) })
		})
	}
}

func clientGone(t *testing.T, d siotest.Dial, orderly bool) {
	entered, left := make(chan struct{}), make(chan error, 1)
	s := serve(t, func(io *socket.Server) {
		io.Use(wrap.Func(func(ctx context.Context, s *socket.Socket) error {
			close(entered)
			<-ctx.Done()
			left <- context.Cause(wrap.Context(s))
			return nil
		}))
		_ = io.On("connection", func(...any) { t.Error("connected") })
	})
	if d.EIO == 3 {
		// The handshake itself waits for the middleware of "/".
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-entered; cancel() }()
		if d.Polling {
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint(d), nil)
			if res, err := http.DefaultTransport.RoundTrip(req); err == nil {
				res.Body.Close()
			}
		} else {
			conn, _, err := s.Handshake(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			<-entered
			if !orderly {
				conn.Close()
			} else if err := conn.WriteControl(websocket.CloseMessage, nil, time.Now().Add(time.Second)); err != nil {
				t.Error(err)
			}
		}
		cancel()
	} else {
		c := s.Dial(t, d)
		<-entered
		if orderly {
			c.Close()
		} else {
			c.Kill()
		}
	}
	select {
	case cause := <-left:
		var dis *wrap.Disconnected
		if !errors.As(cause, &dis) {
			t.Errorf("cause %v", cause)
		}
	case <-time.After(8 * time.Second):
		t.Error("the middleware was not told that its client has left")
	}
	siotest.Eventually(t, "no session is left", func() bool { return s.IO.Engine().ClientsCount() == 0 })
}

// What the client sends while its middleware is being watched is not lost.
func TestFuncWatchKeepsBytes(t *testing.T) {
	t.Parallel()
	const n = 200
	goOn := make(chan struct{})
	var got atomic.Int32
	s := serve(t, func(io *socket.Server) {
		_ = io.On("connection", func(args ...any) {
			_ = args[0].(*socket.Socket).On("n", func(...any) { got.Add(1) })
		})
		_ = io.Of("/slow", nil).On("connection", func(...any) {})
		io.Of("/slow", nil).Use(wrap.Func(func(context.Context, *socket.Socket) error { <-goOn; return nil }))
	})
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	c.Connect("/slow", nil)
	for i := range n {
		c.Emit("n", i, strings.Repeat("x", 100)) // more than is read ahead
	}
	time.AfterFunc(50*time.Millisecond, func() { close(goOn) })
	c.Connected(t)
	siotest.Eventually(t, "all events", func() bool { return got.Load() == n })
}

// A middleware that ends its goroutine, as t.FailNow does, refuses: its client must not
// wait for the unread connection to time out. Over long-polling its POST fails.
func TestFuncGoexit(t *testing.T) {
	t.Parallel()
	s := serve(t, func(io *socket.Server) {
		io.Use(wrap.Func(func(context.Context, *socket.Socket) error { runtime.Goexit(); return nil }))
	})
	c := s.Dial(t, siotest.Dial{})
	if p := c.ConnectError(t); refusalData(t, p)["code"] != "internal" {
		t.Errorf("got %s", p.Raw)
	}
	s.IO.Engine().Close() // nobody reads the connection
}

// A middleware that ends its goroutine leaves nothing behind.
func TestFuncGoexitCollected(t *testing.T) {
	t.Parallel()
	opts := socket.DefaultServerOptions()
	opts.SetConnectTimeout(100 * time.Millisecond)
	var sockets siotest.Garbage
	joins := make(chan struct{}, 2)
	exit := func(s *socket.Socket) {
		sockets.Add(s)
		joins <- struct{}{}
		runtime.Goexit()
	}
	s := siotest.Config{Options: wrap.Harden(opts), Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) }}.NewServer(t, func(io *socket.Server) {
		io.Use(wrap.Func(func(_ context.Context, s *socket.Socket) error { exit(s); return nil }))
		io.Of("/guard", nil).Use(wrap.Guard(func(s *socket.Socket, _ func(*socket.ExtendedError)) { exit(s) }, time.Millisecond))
	})
	for i, nsp := range []string{"/", "/guard"} {
		c := s.Dial(t, siotest.Dial{Namespace: nsp})
		<-joins
		c.Kill()
		sockets.Await(t, i+1, 0)
	}
}
