package redisstore_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/redisstore"
)

// heard is what a watcher was told.
type heard struct {
	mu  sync.Mutex
	all []jwtauth.Change
}

func (h *heard) tell(c jwtauth.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, c)
}

// count returns how many revocations of id h was told, or how many zero Changes.
func (h *heard) count(id string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, c := range h.all {
		if c.Revocation.ID == id && c.Revocation.Subject == "" && c.Login.Subject == "" {
			n++
		}
	}
	return n
}

func revoke(t *testing.T, s *redisstore.Store, id string) {
	t.Helper()
	if err := s.Revoke(t.Context(), jwtauth.ByID(id)); err != nil {
		t.Fatalf("Revoke: %v", err)
	}
}

// reaches revokes on one node until the other is told: a subscription that is
// about to break takes nothing, and says so later.
func reaches(t *testing.T, from *redisstore.Store, h *heard, id string) {
	t.Helper()
	siotest.Eventually(t, "a revocation arrives", func() bool {
		revoke(t, from, id)
		return h.count(id) > 0
	})
}

func TestWatchLost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr)
	here, there := open(t, redistest.Client(t, proxy.Addr), unhurried), open(t, server.Client(t), unhurried)
	here.SetPing(200 * time.Millisecond)
	var first, second heard
	here.Watch(first.tell)
	revoke(t, there, "a")
	siotest.Eventually(t, "told of a", func() bool { return first.count("a") == 1 })
	here.Watch(second.tell)
	if first.count("") != 0 {
		t.Error("the zero Change, though nothing was lost")
	}

	proxy.Cut()
	revoke(t, there, "b")
	proxy.Restore()
	siotest.Eventually(t, "told of the cut", func() bool { return first.count("") > 0 && second.count("") > 0 })
	reaches(t, there, &first, "c")

	zeros := first.count("")
	conns := proxy.Conns()
	proxy.Hang() // the guard notices
	revoke(t, there, "d")
	siotest.Eventually(t, "the connection is given up", func() bool { return proxy.Conns() > conns })
	proxy.Restore()
	siotest.Eventually(t, "told of the silence", func() bool { return first.count("") > zeros })
	reaches(t, there, &second, "e")

	if server.Real() {
		zeros = first.count("")
		server.Restart(t)
		siotest.Eventually(t, "told of the restart", func() bool { return first.count("") > zeros })
		reaches(t, there, &first, "f")
	}
}

// A connection on which nothing happens is asked, and stays.
func TestWatchQuiet(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Start(t).Client(t), unhurried)
	const every = 500 * time.Millisecond // for the answers, on a machine that is busy
	s.SetPing(every)
	var h heard
	s.Watch(h.tell)
	<-time.After(4 * every)
	revoke(t, s, "a")
	siotest.Eventually(t, "told of a", func() bool { return h.count("a") == 1 })
	if n := h.count(""); n != 0 {
		t.Errorf("%d zero Changes, though nothing was lost", n)
	}
}

func TestWatchLate(t *testing.T) {
	t.Parallel()
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr)
	proxy.Cut()
	s := open(t, redistest.Client(t, proxy.Addr), short)
	var h heard
	began := time.Now()
	s.Watch(h.tell)
	if took := time.Since(began); took < short.Timeout || took > short.Timeout+time.Second {
		t.Errorf("Watch took %v, with a timeout of %v", took, short.Timeout)
	}
	if h.count("") != 0 {
		t.Error("told before there is a subscription")
	}
	proxy.Restore()
	siotest.Eventually(t, "told that it may have missed something", func() bool { return h.count("") > 0 })
	siotest.Eventually(t, "told of a", func() bool {
		_ = s.Revoke(t.Context(), jwtauth.ByID("a"))
		return h.count("a") > 0
	})
}

func TestWatchCloseWhileAway(t *testing.T) {
	t.Parallel()
	hangs := redistest.NewProxy(t, "127.0.0.1:1")
	hangs.Hang()
	for _, addr := range []string{"127.0.0.1:1", hangs.Addr} {
		s := open(t, redistest.Client(t, addr), short)
		s.Watch(func(jwtauth.Change) { t.Error("told") })
		began := time.Now()
		_ = s.Close(context.Background())
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: Close took %v", addr, took)
		}
	}
}

func TestWatchMalformed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var mu sync.Mutex
	var log bytes.Buffer
	s := open(t, server.Client(t), &redisstore.Options{
		Timeout: unhurried.Timeout,
		Logger:  slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil)),
	})
	var h heard
	s.Watch(func(jwtauth.Change) { panic("on purpose") })
	s.Watch(h.tell)
	messages := []string{"", "{", "null", "[]", "\xff", `{"v":1}`, `{"v":2,"revocation":{"id":"YQ=="}}`, `{"v":1,"login":{"sub":7}}`}
	c := server.Client(t)
	for _, m := range messages {
		if err := c.Publish(t.Context(), redisstore.DefaultPrefix+"changes", m).Err(); err != nil {
			t.Fatal(err)
		}
	}
	revoke(t, s, "a")
	siotest.Eventually(t, "told of a", func() bool { return h.count("a") == 1 })
	if n := h.count(""); n != len(messages) {
		t.Errorf("%d zero Changes for %d messages", n, len(messages))
	}
	mu.Lock()
	defer mu.Unlock()
	for what, want := range map[string]int{"malformed message": len(messages), "on purpose": len(messages) + 1} {
		if n := strings.Count(log.String(), what); n < want {
			t.Errorf("%q is in the log %d times, want %d", what, n, want)
		}
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// Watch and stop may be called by anyone at any time, and Close by anyone last.
func TestWatchConcurrent(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Start(t).Client(t), unhurried)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 20 {
				stop := s.Watch(func(jwtauth.Change) {})
				_ = s.Revoke(t.Context(), jwtauth.ByID("a"))
				stop()
			}
		})
	}
	wg.Go(func() {
		<-time.After(time.Duration(rand.IntN(50)) * time.Millisecond)
		_ = s.Close(context.Background())
	})
	wg.Wait()
}

// A client that the application has closed too early is no reason to spin.
func TestWatchClientClosed(t *testing.T) {
	t.Parallel()
	c := redis.NewClient(&redis.Options{Addr: redistest.Start(t).Addr})
	var mu sync.Mutex
	var log bytes.Buffer
	s := open(t, c, &redisstore.Options{Logger: slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil))})
	s.Watch(func(jwtauth.Change) {})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	<-time.After(500 * time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(log.String(), "\n"); n > 20 {
		t.Errorf("%d lines in the log in half a second", n)
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range []jwtauth.Change{
		{Revocation: jwtauth.ByID("\xff\x00")},
		{Revocation: jwtauth.BySubject("user")},
		{Login: login(jwtauth.NewestLogin, "user", "a", 0)},
	} {
		m, err := redisstore.Encode(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := redisstore.Decode(s)
		if err != nil {
			if c != (jwtauth.Change{}) {
				t.Errorf("%+v with %v", c, err)
			}
			return
		}
		m, err := redisstore.Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := redisstore.Decode(m); err != nil || again != c {
			t.Errorf("%+v, %v, want %+v", again, err, c)
		}
	})
}

// What the servers of a Cluster have that are left is told, also if the one is away that the
// channel's name leads to.
func TestWatchClusterServerAway(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3)
	here, there := open(t, cluster.Client(t), unhurried), open(t, cluster.Client(t), unhurried)
	var h heard
	here.Watch(h.tell)
	reaches(t, there, &h, "a")
	slot, err := cluster.Servers[0].Client(t).ClusterKeySlot(t.Context(), redisstore.DefaultPrefix+"changes").Result()
	if err != nil {
		t.Fatal(err)
	}
	cluster.Servers[int(slot)*len(cluster.Servers)/16384].Kill(t)
	n := 0
	told := func() bool {
		for i := range n {
			if h.count(fmt.Sprint("b", i)) > 0 {
				return true
			}
		}
		return false
	}
	siotest.Eventually(t, "a revocation arrives", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = there.Revoke(ctx, jwtauth.ByID(fmt.Sprint("b", n))) // a third of them fail
		n++
		return told()
	})
}
