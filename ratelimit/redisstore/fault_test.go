package redisstore_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/ratelimit/redisstore"
)

// slack is for a machine that is busy.
const slack = time.Second

var hourly = ratelimit.PerHour(1000)

// fails checks that both calls return an error, and in time, until the breaker opens.
func fails(t *testing.T, s *redisstore.Store, timeout time.Duration) {
	t.Helper()
	within := func(what string, f func() error) error {
		t.Helper()
		began := time.Now()
		err := f()
		if err == nil || err != nil && !strings.HasPrefix(err.Error(), "redisstore: ") {
			t.Errorf("%s: %v", what, err)
		}
		if took := time.Since(began); took > timeout+slack {
			t.Errorf("%s took %v, with a timeout of %v", what, took, timeout)
		}
		return err
	}
	for i := range redisstore.Tolerance {
		err := within("Take", func() error { _, err := s.Take(t.Context(), "key", hourly, 1); return err })
		if i == 0 && errors.Is(err, redisstore.ErrBroken) {
			t.Errorf("the breaker is open already: %v", err)
		}
	}
	// All but the probes return at once.
	began, atOnce := time.Now(), 0
	for range 100 {
		err := within("Acquire", func() error {
			release, _, err := s.Acquire(t.Context(), "key", 1)
			if release != nil {
				t.Error("a slot")
			}
			return err
		})
		if errors.Is(err, redisstore.ErrBroken) {
			atOnce++
		}
	}
	if took := time.Since(began); atOnce < 95 || took > 5*timeout+slack {
		t.Errorf("%d of 100 calls have not asked, in %v", atOnce, took)
	}
}

// works checks that both calls succeed, once Redis is there.
func works(t *testing.T, s *redisstore.Store) {
	t.Helper()
	siotest.Eventually(t, "it works again", func() bool {
		_, err := s.Take(t.Context(), "works", hourly, 1)
		return err == nil
	})
	siotest.Eventually(t, "a slot", func() bool {
		release, _, err := s.Acquire(t.Context(), "works", 100)
		if err == nil && release != nil {
			release()
		}
		return err == nil && release != nil
	})
}

func TestRefused(t *testing.T) {
	t.Parallel()
	fails(t, open(t, redistest.Client(t, "127.0.0.1:1"), short), short.Timeout)
}

func TestHang(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		client func(tb testing.TB, addr string) *redis.Client
	}{{"prompt", redistest.Client}, {"patient", redistest.Patient}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			proxy := redistest.NewProxy(t, redistest.Start(t).Addr)
			s := open(t, test.client(t, proxy.Addr), short)
			works(t, s)
			proxy.Hang() // with connections in the pool
			fails(t, s, short.Timeout)
			proxy.Restore()
			works(t, s)
			proxy.Cut()
			fails(t, s, short.Timeout)
			proxy.Restore()
			works(t, s)
		})
	}
}

// A Redis that hangs, and calls that come faster than they time out.
func TestFlood(t *testing.T) {
	t.Parallel()
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr)
	proxy.Hang()
	s := open(t, redistest.Patient(t, proxy.Addr), &redisstore.Options{Timeout: 2 * time.Second})
	var wg sync.WaitGroup
	var atOnce atomic.Int64
	const calls = redisstore.MaxCalls + 500
	for range calls {
		wg.Go(func() {
			began := time.Now()
			_, err := s.Take(t.Context(), "key", hourly, 1)
			if err == nil {
				t.Error("allowed")
			}
			if errors.Is(err, redisstore.ErrBroken) {
				atOnce.Add(1)
			}
			if took := time.Since(began); took > 2*time.Second+5*slack {
				t.Errorf("it took %v", took)
			}
		})
	}
	wg.Wait()
	if n := atOnce.Load(); n < calls-redisstore.MaxCalls {
		t.Errorf("%d of %d have not waited", n, calls)
	}
	proxy.Restore()
	works(t, s)
	siotest.Eventually(t, "no calls are left", func() bool { return s.Calls() == 0 })
}

// The end of the caller's context says nothing about Redis.
func TestContext(t *testing.T) {
	t.Parallel()
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr)
	proxy.Hang()
	for _, client := range []*redis.Client{redistest.Client(t, proxy.Addr), redistest.Patient(t, proxy.Addr)} {
		s := open(t, client, &redisstore.Options{Timeout: 10 * time.Second})
		for range 2 * redisstore.Tolerance {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			if _, err := s.Take(ctx, "key", hourly, 1); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, redisstore.ErrBroken) {
				t.Errorf("Take: %v", err)
			}
			cancel()
			if _, err := s.Take(ctx, "key", hourly, 1); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
				t.Errorf("Take, ended before: %v", err)
			}
		}
	}
	proxy.Restore()
}

func TestKilledAndPaused(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.NeedReal(t)
	s := open(t, server.Client(t), short)
	works(t, s)
	server.Pause(t)
	fails(t, s, short.Timeout)
	server.Resume(t)
	works(t, s)
	l := ratelimit.PerHour(1)
	siotest.Eventually(t, "it takes", func() bool { _, err := s.Take(t.Context(), "one", l, 1); return err == nil })
	server.Kill(t)
	fails(t, s, short.Timeout)
	server.Restart(t)
	works(t, s)
	// As the documentation says.
	if v := take(t, s, "one", l, 1); !v.Allowed {
		t.Errorf("an empty Redis remembers: %+v", v)
	}
}

// A replica refuses writes.
func TestReadOnlyReplica(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Start(t, "--replicaof", "127.0.0.1 1").Client(t), short)
	fails(t, s, short.Timeout)
}

func TestNoAuth(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.NeedReal(t)
	s := open(t, server.Client(t), short)
	if err := server.Client(t).ConfigSet(t.Context(), "requirepass", "secret").Err(); err != nil {
		t.Fatal(err)
	}
	fails(t, s, short.Timeout)
}

func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.NeedReal(t)
	s := open(t, server.Client(t), short)
	if err := server.Client(t).ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	fails(t, s, short.Timeout)
}

// What answers is not Redis, or does not answer as it should.
func TestStranger(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer func() { _ = l.Close() }()
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				b := make([]byte, 4096)
				for {
					if _, err := c.Read(b); err != nil {
						return
					}
					if _, err := io.WriteString(c, "*3\r\n:1\r\n:-5\r\n:0\r\n"); err != nil {
						return
					}
				}
			})
		}
	})
	client := redis.NewClient(&redis.Options{
		Addr: l.Addr().String(), Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true,
	})
	defer func() { _ = client.Close() }()
	fails(t, open(t, client, short), short.Timeout)
}
