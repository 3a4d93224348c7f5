package logging_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestExactlyOne: each socket has one outcome, and each that was connected one end, in
// this order, whatever clients do.
func TestExactlyOne(t *testing.T) {
	t.Parallel()
	o := new(observer)
	l, log := newLogger(t, slog.LevelInfo, &logging.Options{Observer: o})
	refused := func() (n int) { // sockets only; a poll that came too late was refused too
		for _, c := range o.conns {
			if c.Namespace != "" {
				n++
			}
		}
		return n
	}
	// Package wrap runs no middleware for a socket whose connection has already gone: the
	// number that reached ours is between these two.
	var before, behind atomic.Int64
	all := func(n int64) bool { return behind.Load() <= n && n <= before.Load() }
	middleware := l.Middleware()
	s := serve(t, l, func(io *socket.Server) {
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			before.Add(1)
			middleware(s, next)
		})
		io.Use(wrap.Func(func(ctx context.Context, s *socket.Socket) error {
			behind.Add(1)
			auth, _ := s.Handshake().Auth.(object)
			switch auth["do"] {
			case "refuse":
				return &wrap.Error{Code: "forbidden"}
			case "wait":
				<-ctx.Done()
				return ctx.Err()
			case "kick":
				wrap.Kick(s, &wrap.Error{Code: "replaced"})
			}
			return nil
		}))
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			if auth, _ := s.Handshake().Auth.(object); auth["do"] == "foreign" {
				next(socket.NewExtendedError("no", nil))
				return
			}
			next(nil)
		})
		_ = io.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			auth, _ := s.Handshake().Auth.(object)
			switch auth["do"] {
			case "put out":
				go wrap.Kick(s, &wrap.Error{Code: "replaced"})
			case "disconnect":
				s.Disconnect(true)
			}
		})
	}, l.Handler)
	ways := []string{"stay", "vanish", "refuse", "foreign", "wait", "kick", "put out", "disconnect", "at once"}
	const rounds = 5
	for round := range rounds {
		var clients []*siotest.Client
		for i := range 9 * len(ways) {
			way := ways[i%len(ways)]
			c := s.Dial(t, siotest.Dial{Polling: i/len(ways)%3 == round%3, Auth: object{"do": way}})
			clients = append(clients, c)
			switch way {
			case "at once":
				c.Kill()
			case "vanish":
				if round%2 == 0 {
					c.Connected(t)
				}
				c.Kill()
			}
		}
		var wg sync.WaitGroup
		for i, c := range clients {
			if i%2 == 0 {
				wg.Go(c.Close)
			} else {
				wg.Go(c.Kill)
			}
		}
		wg.Wait()
	}
	s.IO.Close(nil) // also those whose end nobody has noticed
	defer func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		t.Logf("%d to %d sockets, %d opened, %d closed, %d refused", behind.Load(), before.Load(), len(o.opened), len(o.closed), refused())
	}()
	siotest.Eventually(t, "all are told of", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return all(int64(len(o.opened)+refused())) && len(o.opened) == len(o.closed)
	})
	siotest.Eventually(t, "all are recorded", func() bool {
		return len(log.all(t, "socket disconnected")) == len(log.all(t, "socket connected")) &&
			all(int64(len(log.all(t, "socket connected", "socket refused", "socket abandoned"))))
	})
	state := make(map[string]string)
	for _, r := range log.all(t) {
		msg := r["msg"].(string)
		if !strings.HasPrefix(msg, "socket ") {
			continue
		}
		id := fmt.Sprint(r["conn"].(object)["socket"])
		if old := state[id]; old != "" && (old != "socket connected" || msg != "socket disconnected") || old == "" && msg == "socket disconnected" {
			t.Errorf("%q after %q", msg, old)
		}
		state[id] = msg
	}
	if behind.Load() < rounds*int64(len(ways)) || before.Load()-behind.Load() > 20 {
		t.Errorf("%d runs, %d of ours", before.Load(), behind.Load())
	}
	told := make(map[string]bool)
	for _, what := range o.order {
		kind, who, _ := strings.Cut(what, " ")
		if told[who] == (kind == "opened") {
			t.Errorf("%s out of order", what)
		}
		told[who] = kind == "opened"
	}
}

// TestSocketsAreCollected: a socket that has left, or was refused, is garbage while its
// connection stays open.
func TestSocketsAreCollected(t *testing.T) {
	t.Parallel()
	var sockets siotest.Garbage
	var refuse atomic.Bool
	l, log := newLogger(t, slog.LevelDebug, &logging.Options{
		Events: &logging.Sample{}, Observer: new(observer), User: func(s *socket.Socket) (string, bool) { return string(s.Id()), true },
	})
	s := logged(t, l, events, wrap.Func(func(_ context.Context, s *socket.Socket) error {
		sockets.Add(s)
		logger, _ := l.From(s)
		logger.Info("hello")
		if refuse.Load() {
			return &wrap.Error{Code: "forbidden"}
		}
		return nil
	}))
	c := s.Dial(t, siotest.Dial{Namespace: "/other"})
	c.Connected(t)
	for i := range 20 {
		if i%2 == 0 {
			refuse.Store(true)
			c.Connect("/", nil)
			c.ConnectError(t)
			refuse.Store(false)
		}
		c.Connect("/", nil)
		c.Connected(t)
		c.EmitTo("/", "forbidden", "x")
		c.Leave(t, "/")
	}
	log.wait(t, 20, "socket disconnected")
	log.wait(t, 10, "socket refused")
	sockets.Await(t, 30, 1)
	c.EmitAck(t, "echo")
}
