package ratelimit_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// slotStore counts what it holds.
type slotStore struct {
	*ratelimit.MemoryStore
	held, taken atomic.Int64
	fail        atomic.Bool
}

func newSlotStore() *slotStore { return &slotStore{MemoryStore: ratelimit.NewMemoryStore(0)} }

func (s *slotStore) Acquire(ctx context.Context, key string, max int64) (func(), ratelimit.Verdict, error) {
	if s.fail.Load() {
		return nil, ratelimit.Verdict{}, errors.New("away")
	}
	release, v, err := s.MemoryStore.Acquire(ctx, key, max)
	if release == nil {
		return nil, v, err
	}
	s.held.Add(1)
	s.taken.Add(1)
	return func() { s.held.Add(-1); release() }, v, nil
}

func (s *slotStore) Take(ctx context.Context, key string, l ratelimit.Limit, n int64) (ratelimit.Verdict, error) {
	if s.fail.Load() {
		return ratelimit.Verdict{}, errors.New("away")
	}
	return s.MemoryStore.Take(ctx, key, l, n)
}

func TestConcurrent(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, d siotest.Dial) {
		store := newSlotStore()
		s := limited(t, newLimiter(t, ratelimit.PerHour(100), &ratelimit.Options{Concurrent: 2, Store: store}))
		a, b := s.Dial(t, d), s.Dial(t, d)
		a.Connected(t)
		b.Connected(t)
		c := s.Dial(t, d)
		data := refused(t, c, "too_many_connections", "concurrent")
		if data["retryable"] != true || data["retryAfterMs"] != nil || data["message"] != "Too many connections" {
			t.Errorf("refused with %v", data)
		}
		// A connection in two namespaces is one.
		a.Connect("/other", nil)
		a.Connected(t)
		if n := store.taken.Load(); n != 2 {
			t.Errorf("%d slots taken", n)
		}
		a.Disconnect("/")
		c.Connect("/", nil)
		refused(t, c, "too_many_connections", "concurrent")
		a.Disconnect("/other") // its connection stays
		siotest.Eventually(t, "one is free", func() bool { return store.held.Load() == 1 })
		c.Connect("/", nil)
		c.Connected(t)
		b.Close()
		siotest.Eventually(t, "one is free", func() bool { return store.held.Load() == 1 })
		s.Dial(t, d).Connected(t)
	})
}

// TestConcurrentEnds: a slot is given back once, however a socket ends.
func TestConcurrentEnds(t *testing.T) {
	t.Parallel()
	store := newSlotStore()
	l := newLimiter(t, ratelimit.PerSecond(10_000), &ratelimit.Options{Concurrent: 1, Store: store})
	waiting := make(chan struct{}, 1)
	s := limited(t, l, wrap.Func(func(ctx context.Context, s *socket.Socket) error {
		auth, _ := s.Handshake().Auth.(object)
		switch auth["do"] {
		case "refuse":
			return &wrap.Error{Code: "forbidden"}
		case "panic":
			panic("behind")
		case "wait":
			waiting <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}), func(s *socket.Socket, next func(*socket.ExtendedError)) {
		if auth, _ := s.Handshake().Auth.(object); auth["do"] == "twice" {
			next(socket.NewExtendedError("no", nil))
		}
		next(nil)
	})
	free := func() {
		t.Helper()
		siotest.Eventually(t, "the slot is free", func() bool { return store.held.Load() == 0 })
	}
	for range 3 {
		taken := store.taken.Load()
		for _, do := range []string{"refuse", "panic", "twice"} {
			c := s.Dial(t, siotest.Dial{Auth: object{"do": do}})
			if do != "twice" { // the host sends both answers, in any order
				c.ConnectError(t)
			}
			siotest.Eventually(t, "asked", func() bool { return store.taken.Load() > taken })
			taken = store.taken.Load()
			free()
			c.Kill()
		}
		c := s.Dial(t, siotest.Dial{Auth: object{"do": "wait"}})
		<-waiting
		c.Kill()
		free()
		c = s.Dial(t, siotest.Dial{})
		c.Connected(t)
		c.Kill()
		free()
		c = s.Dial(t, siotest.Dial{})
		c.Connected(t)
		c.Disconnect("/")
		free()
		c = s.Dial(t, siotest.Dial{Polling: true})
		c.Connected(t)
		c.Upgrade(t)
		c.Close()
		free()
		c = s.Dial(t, siotest.Dial{})
		c.Connected(t)
		s.IO.Sockets().DisconnectSockets(true)
		free()
	}
	s.Dial(t, siotest.Dial{}).Connected(t)
}

// TestConcurrentAtOnce: of many that come at one time, as many get in as may.
func TestConcurrentAtOnce(t *testing.T) {
	t.Parallel()
	const clients, allowed = 40, 7
	store := newSlotStore()
	s := limited(t, newLimiter(t, ratelimit.PerHour(2*clients), &ratelimit.Options{Concurrent: allowed, Store: store}))
	var all []*siotest.Client
	for range clients {
		all = append(all, s.Dial(t, siotest.Dial{NoConnect: true}))
	}
	for _, c := range all {
		c.Connect("/", nil)
		c.Connect("/other", nil)
	}
	in := 0
	for _, c := range all {
		admitted := 0
		for range 2 {
			if c.Next(t).Type == siotest.TypeConnect {
				admitted++
			}
		}
		if admitted == 1 {
			t.Error("a connection is in one namespace, but not in the other")
		}
		in += admitted / 2
	}
	if in != allowed || store.held.Load() != allowed {
		t.Errorf("%d are in, %d slots are held, want %d", in, store.held.Load(), allowed)
	}
}

// TestConcurrentAway: connections count on this node while the store is away.
func TestConcurrentAway(t *testing.T) {
	t.Parallel()
	for outage, want := range map[ratelimit.Outage][3]string{
		ratelimit.Insured: {"", "", "too_many_connections"},
		ratelimit.Open:    {"", "", ""},
		ratelimit.Closed:  {"unavailable", "unavailable", "unavailable"},
	} {
		store := newSlotStore()
		store.fail.Store(true)
		s := limited(t, newLimiter(t, ratelimit.PerHour(100), &ratelimit.Options{
			Concurrent: 2, Store: store, Outage: outage, Logger: quiet,
		}))
		for i, code := range want {
			c := s.Dial(t, siotest.Dial{})
			if code == "" {
				c.Connected(t)
				continue
			}
			data, _ := c.ConnectError(t).Data.(object)["data"].(object)
			if data["code"] != code {
				t.Errorf("outage %d, connection %d: refused with %v", outage, i, data)
			}
		}
	}
}

// TestConcurrentLeft: a client that leaves while the store is asked takes no slot.
func TestConcurrentLeft(t *testing.T) {
	t.Parallel()
	store := &slowSlots{slotStore: newSlotStore(), asked: make(chan struct{}), answer: make(chan struct{})}
	s := limited(t, newLimiter(t, ratelimit.PerHour(100), &ratelimit.Options{Concurrent: 1, Store: store}))
	c := s.Dial(t, siotest.Dial{})
	<-store.asked
	c.Kill()
	close(store.answer)
	siotest.Eventually(t, "the slot is free", func() bool { return store.taken.Load() == 1 && store.held.Load() == 0 })
}

// slowSlots is a store that answers when it is told to.
type slowSlots struct {
	*slotStore
	asked, answer chan struct{}
}

func (s *slowSlots) Acquire(ctx context.Context, key string, max int64) (func(), ratelimit.Verdict, error) {
	close(s.asked)
	select {
	case <-s.answer:
	case <-time.After(10 * time.Second):
	}
	return s.slotStore.Acquire(context.WithoutCancel(ctx), key, max)
}
