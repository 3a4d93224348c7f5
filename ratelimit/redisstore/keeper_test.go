package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit/redisstore"
)

func TestSlotsOutliveRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.NeedReal(t)
	var log syncBuffer
	s := open(t, server.Client(t), &redisstore.Options{
		Timeout: 2 * time.Second, Lease: lease, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	// More than one batch, of keys with one and with many.
	for i := range 700 {
		acquire(t, s, fmt.Sprint("key ", i), 1)
		acquire(t, s, "all", 1000)
	}
	given, _ := acquire(t, s, "given", 1)
	server.Kill(t)
	given()
	siotest.Eventually(t, "it is noticed", func() bool { return strings.Contains(log.String(), "not renewed") })
	server.Restart(t)
	c := server.Client(t)
	siotest.Eventually(t, "all are taken again", func() bool {
		return card(t, c, s, "all") == 700 && c.DBSize(t.Context()).Val() == 701
	})
	siotest.Eventually(t, "it is told", func() bool { return strings.Contains(log.String(), "renewed again") })
	if ttl := c.PTTL(t.Context(), s.SlotsKey("all")).Val(); ttl <= 0 || ttl > lease+time.Second {
		t.Errorf("they expire after %v", ttl)
	}
	if n := strings.Count(log.String(), "slots"); n != 2 {
		t.Errorf("%d lines, want 2:\n%s", n, log.String())
	}
}

// syncBuffer is a buffer for concurrent use.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// What is given back while Redis does not answer is free soon after it does, long
// before its lease is over.
func TestReleaseWhileAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr)
	s := open(t, redistest.Client(t, proxy.Addr), &redisstore.Options{Timeout: 500 * time.Millisecond, Lease: 12 * time.Second})
	c := server.Client(t)
	var releases []func()
	for range 600 {
		siotest.Eventually(t, "a slot", func() bool {
			release, _, _ := s.Acquire(t.Context(), "key", 1000)
			if release != nil {
				releases = append(releases, release)
			}
			return release != nil
		})
	}
	proxy.Cut()
	began := time.Now()
	for _, release := range releases {
		release()
		release() // has an effect only once
	}
	if took := time.Since(began); took > slack {
		t.Errorf("it takes %v to give slots back", took)
	}
	siotest.Eventually(t, "the keeper has tried", func() bool { _, n := s.Pending(); return n == 0 })
	if n := card(t, c, s, "key"); n < 600 {
		t.Errorf("%d slots are held", n)
	}
	proxy.Restore()
	siotest.Eventually(t, "they are free", func() bool { return card(t, c, s, "key") == 0 })
	siotest.Eventually(t, "they are forgotten", func() bool { return s.Given() == 0 })
	if took := time.Since(began); took > 9*time.Second {
		t.Errorf("free after %v, which may be by itself", took)
	}
}

func TestCloseGivesBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, c := open(t, server.Client(t), unhurried), server.Client(t)
	for i := range 600 {
		acquire(t, s, fmt.Sprint("key ", i), 1)
	}
	release, _ := acquire(t, s, "key", 1)
	release()
	if err := s.Close(t.Context()); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if n := c.DBSize(t.Context()).Val(); n != 0 {
		t.Errorf("%d keys are left", n)
	}
}

// Close does not wait for a Redis that does not answer.
func TestCloseWhileAway(t *testing.T) {
	t.Parallel()
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr)
	s := open(t, redistest.Client(t, proxy.Addr), &redisstore.Options{Timeout: time.Second})
	siotest.Eventually(t, "a slot", func() bool { release, _, _ := s.Acquire(t.Context(), "key", 1); return release != nil })
	proxy.Hang()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := s.Close(ctx); err != context.DeadlineExceeded { //nolint:errorlint // it is not wrapped
		t.Errorf("Close: %v", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
	if took := time.Since(began); took > time.Second+slack {
		t.Errorf("it took %v", took)
	}
	proxy.Restore()
}

// late makes the first call that takes or renews slots fail, so that it can be sent
// later, as on a connection that the client has given up.
type late struct {
	redistest.Hook

	pipeline bool
	caught   atomic.Pointer[[]redis.Cmder]
	gone     chan struct{} // closed when the call has failed
	told     atomic.Int32  // pipelines that have given back since
}

func (l *late) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !l.pipeline && cmd.Name() == "evalsha" && l.caught.CompareAndSwap(nil, &[]redis.Cmder{cmd}) {
			defer close(l.gone)
			cmd.SetErr(context.DeadlineExceeded)
			return context.DeadlineExceeded
		}
		return next(ctx, cmd)
	}
}

func (l *late) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		name := cmds[0].Name() // new connections say hello by a pipeline as well
		if l.pipeline && name == "evalsha" && l.caught.CompareAndSwap(nil, &cmds) {
			defer close(l.gone)
			for _, cmd := range cmds {
				cmd.SetErr(context.DeadlineExceeded)
			}
			return context.DeadlineExceeded
		}
		err := next(ctx, cmds)
		if name == "zrem" && l.caught.Load() != nil && err == nil {
			l.told.Add(1)
		}
		return err
	}
}

// A call that comes late takes a slot that was given back. It does not stay.
func TestLate(t *testing.T) {
	t.Parallel()
	for _, pipeline := range []bool{false, true} {
		t.Run(fmt.Sprint("pipeline ", pipeline), func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			client, c := server.Client(t), server.Client(t)
			hook := &late{pipeline: pipeline, gone: make(chan struct{})}
			long := 6 * time.Second
			s := open(t, client, &redisstore.Options{Timeout: 5 * time.Second, Lease: long})
			works(t, s) // the script is there
			siotest.Eventually(t, "it is given back", func() bool { return card(t, c, s, "works") == 0 })
			client.AddHook(hook)
			release, _, err := s.Acquire(t.Context(), "key", 1)
			if (err == nil) != pipeline {
				t.Fatalf("Acquire: %v", err)
			}
			<-hook.gone
			if release != nil {
				release()
			}
			siotest.Eventually(t, "it is given back", func() bool { return hook.told.Load() > 0 })
			if n := card(t, c, s, "key"); n != 0 {
				t.Errorf("%d are held", n)
			}
			for _, cmd := range *hook.caught.Load() {
				if err := c.Do(t.Context(), cmd.Args()...).Err(); err != nil {
					t.Fatal(err)
				}
			}
			began := time.Now()
			if n := card(t, c, s, "key"); n != 1 {
				t.Errorf("%d are held", n)
			}
			siotest.Eventually(t, "it is free", func() bool { return card(t, c, s, "key") == 0 })
			if took := time.Since(began); took > long-slack {
				t.Errorf("free after %v, which may be by itself", took)
			}
		})
	}
}

// forgetful is a hook for the renewals of a Cluster of which one server has forgotten the
// script, and another does not answer.
type forgetful struct{ redistest.Hook }

func (forgetful) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if cmds[0].Name() != "evalsha" {
			return next(ctx, cmds)
		}
		cmds[0].SetErr(redis.ErrNoScript)
		for _, cmd := range cmds[1:] {
			cmd.SetErr(context.DeadlineExceeded)
		}
		return redis.ErrNoScript
	}
}

// A renewal fails even if other servers only lacked the script.
func TestRenewOfSome(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client(t)
	s := open(t, client, unhurried)
	acquire(t, s, "a", 1)
	acquire(t, s, "b", 1)
	client.AddHook(forgetful{})
	if err := s.Renew(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Renew: %v", err)
	}
}

// closing closes a Store when Redis has answered a call, before its caller knows.
type closing struct {
	redistest.Hook

	f func()
}

func (h *closing) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, c redis.Cmder) error {
		err := next(ctx, c)
		if err == nil && c.Name() != "zrem" {
			h.f()
		}
		return err
	}
}

func (closing) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// Nothing remains of what an Acquire has taken that is under way when the Store is closed.
func TestCloseDuringAcquire(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client, c := server.Client(t), server.Client(t)
	s := open(t, client, unhurried)
	acquire(t, s, "other", 1) // Redis has the script then
	var held int64
	client.AddHook(&closing{f: func() {
		held = card(t, c, s, "key")
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
	}})
	if _, _, err := s.Acquire(t.Context(), "key", 1); !errors.Is(err, redisstore.ErrClosed) {
		t.Errorf("Acquire: %v", err)
	}
	if held != 1 {
		t.Errorf("%d were held", held)
	}
	if n := card(t, c, s, "key"); n != 0 {
		t.Errorf("%d are held", n)
	}
}
