package ratelimit_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// mixed returns one of 64 sets of options for store.
func mixed(store ratelimit.Store, i int) *ratelimit.Options {
	o := &ratelimit.Options{Store: store, Logger: quiet, Emit: true}
	if i&1 != 0 {
		o.Concurrent = 3
	}
	if i&2 != 0 {
		o.Bytes = ratelimit.PerSecond(5000)
	}
	if i&4 != 0 {
		o.Events = ratelimit.PerSecond(50)
		o.Event = map[string]ratelimit.Limit{"search": ratelimit.PerSecond(5)}
	}
	if i&8 != 0 {
		o.Penalty = ratelimit.Penalty{After: ratelimit.PerSecond(50), Ban: 20 * time.Millisecond}
	}
	o.DryRun = i&16 != 0
	if i&32 != 0 {
		o.Name = "x"
	}
	return o
}

// TestStress: everything at once, and in the end no slot is held. It uses WebSocket
// only: of polling sessions that end while they are set up, the bare host forgets some
// only at their ping timeout.
func TestStress(t *testing.T) {
	t.Parallel()
	store := newSlotStore()
	l := newLimiter(t, ratelimit.PerSecond(10_000), mixed(store, 1))
	s := limited(t, l, wrap.Func(func(_ context.Context, s *socket.Socket) error {
		switch rand.IntN(10) {
		case 0:
			return &wrap.Error{Code: "forbidden"}
		case 1:
			wrap.Kick(s, &wrap.Error{Code: "replaced"})
		case 2:
			go wrap.Kick(s, &wrap.Error{Code: "replaced"})
		}
		return nil
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		for tick := time.Tick(3 * time.Millisecond); ctx.Err() == nil; <-tick {
			if err := l.Update(ratelimit.PerSecond(10_000), mixed(store, rand.IntN(64))); err != nil {
				t.Error(err)
			}
		}
	})
	for ctx.Err() == nil {
		c, err := s.Open(t, siotest.Dial{NoConnect: true})
		if err != nil {
			t.Fatal(err)
		}
		c.Connect("/", nil)
		c.Connect("/other", nil)
		for range rand.IntN(20) {
			c.Emit("search", "xxxxxxxxxxxxxxxxxxxxxxxxxxxx")
		}
		if rand.IntN(2) == 0 {
			c.Disconnect("/")
			c.Connect("/", nil)
		}
		if rand.IntN(2) == 0 {
			c.Kill()
		} else {
			c.Close()
		}
	}
	wg.Wait()
	siotest.Eventually(t, "no slot is held", func() bool { return store.held.Load() == 0 })
	if store.taken.Load() == 0 {
		t.Error("no slot was taken")
	}
}

// TestSocketsAreCollected: a socket that has left, or was refused by a middleware
// behind, is garbage while its connection stays open.
func TestSocketsAreCollected(t *testing.T) {
	t.Parallel()
	var sockets siotest.Garbage
	var refuse atomic.Bool
	l := newLimiter(t, ratelimit.PerSecond(10_000), &ratelimit.Options{
		Concurrent: 3, Bytes: ratelimit.PerSecond(1_000_000), Events: ratelimit.PerSecond(1000), Emit: true,
		Event:   map[string]ratelimit.Limit{"search": ratelimit.PerSecond(1000)},
		Penalty: ratelimit.Penalty{After: ratelimit.PerSecond(50), Ban: 20 * time.Millisecond},
	})
	s := limited(t, l, wrap.Func(func(_ context.Context, s *socket.Socket) error {
		sockets.Add(s)
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
		c.EmitTo("/", "search", "x")
		c.Leave(t, "/")
	}
	if got := say(t, c, "echo"); got != "ok" {
		t.Errorf("answered %v", got)
	}
	sockets.Await(t, 30, 1)
}

// TestEmitRace: what Options.Emit sends does not race with the flags that the
// application sets for an event of its own. Only the race detector notices.
func TestEmitRace(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.PerHour(100), &ratelimit.Options{Events: ratelimit.PerHour(1), Emit: true})
	s := serve(t, func(io *socket.Server) {
		wrap.UseAll(io, l.Middleware())
		_ = io.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			go func() {
				for s.Connected() {
					s.Volatile()
					runtime.Gosched()
				}
			}()
		})
	})
	for range 10 { // each is told once
		c := s.Dial(t, siotest.Dial{})
		c.Connected(t)
		for range 2 {
			c.Emit("echo")
		}
		checkRefusal(t, c.NextEvent(t, "rate_limited").Args()[0], "rate_limited", "events")
		c.Kill()
	}
}
