package redistest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// get returns the error of a call that may take a second.
func get(t *testing.T, c *redis.Client) error {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	return c.Get(ctx, "key").Err()
}

func TestServer(t *testing.T) {
	s := redistest.Start(t)
	c := s.Client(t)
	if err := c.Set(t.Context(), "key", "value", 50*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	if err := get(t, c); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(10 * time.Second); !errors.Is(get(t, c), redis.Nil); {
		if time.Now().After(deadline) {
			t.Fatal("the key does not expire")
		}
	}
	if err := c.Set(t.Context(), "key", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.Pause(t)
	if err := get(t, c); err == nil || errors.Is(err, redis.Nil) {
		t.Errorf("paused: %v", err)
	}
	s.Resume(t)
	if err := get(t, c); err != nil {
		t.Errorf("resumed: %v", err)
	}
	s.Kill(t)
	if err := get(t, c); err == nil || errors.Is(err, redis.Nil) {
		t.Errorf("killed: %v", err)
	}
	s.Restart(t)
	if err := get(t, c); !errors.Is(err, redis.Nil) {
		t.Errorf("restarted: %v, want that it is empty", err)
	}
	s.Restart(t)
	s.Pause(t) // the cleanup ends it all the same
}

func TestCluster(t *testing.T) {
	cluster := redistest.StartCluster(t, 3)
	const keys = 30
	c := cluster.Client(t)
	held := func(s *redistest.Server) (n int64) {
		n, err := s.Client(t).DBSize(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	set := func() int {
		var failed atomic.Int64
		var calls sync.WaitGroup
		for i := range keys {
			calls.Go(func() {
				if c.Set(t.Context(), fmt.Sprint("key ", i), "value", 0).Err() != nil {
					failed.Add(1)
				}
			})
		}
		calls.Wait()
		return int(failed.Load())
	}
	if failed := set(); failed > 0 {
		t.Fatalf("%d of %d failed", failed, keys)
	}
	total := int64(0)
	for i, s := range cluster.Servers {
		n := held(s)
		if n == 0 {
			t.Errorf("server %d has no keys", i)
		}
		total += n
	}
	if total != keys {
		t.Errorf("%d keys, want %d", total, keys)
	}
	gone := held(cluster.Servers[1])
	cluster.Servers[1].Kill(t)
	if failed := set(); failed != int(gone) {
		t.Errorf("without a server %d failed, want %d", failed, gone)
	}
	cluster.Servers[1].Restart(t)
	for end := time.Now().Add(10 * time.Second); set() > 0; {
		if time.Now().After(end) {
			t.Fatal("the server is not back")
		}
	}
	if n := held(cluster.Servers[1]); n != gone {
		t.Errorf("the server that is back has %d keys, want %d", n, gone)
	}
}

func TestMini(t *testing.T) {
	t.Setenv("PATH", "")
	t.Setenv("CI", "")
	s := redistest.Start(t)
	if s.Real() {
		t.Fatal("real without a redis-server")
	}
	c := s.Client(t)
	if err := c.Set(t.Context(), "key", "value", 50*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); !errors.Is(get(t, c), redis.Nil); {
		if time.Now().After(deadline) {
			t.Fatal("the key does not expire")
		}
	}
	t.Run("skips", func(t *testing.T) {
		s.Kill(t)
		t.Error("killed a miniredis")
	})
}

func TestProxy(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr)
	c := redistest.Client(t, p.Addr)
	works := func() bool { return errors.Is(get(t, c), redis.Nil) }
	if !works() || p.Conns() == 0 {
		t.Fatalf("it does not pass, with %d connections", p.Conns())
	}
	p.Cut()
	if works() {
		t.Error("it passes after Cut")
	}
	p.Restore()
	if !works() {
		t.Error("it does not pass after Cut and Restore")
	}
	p.Hang()
	began := time.Now()
	if works() || time.Since(began) < 900*time.Millisecond {
		t.Error("it does not hang")
	}
	p.Restore()
	if !works() {
		t.Error("it does not pass after Hang and Restore")
	}
	p.Hang() // the cleanup ends it all the same
}
