package jwtauth_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/jwtauthtest"
)

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	jwtauthtest.TestStore(t, func(*testing.T) (a, b jwtauth.Store) {
		s := jwtauth.NewMemoryStore()
		return s, s
	})
}

// memoryLogin is a login that lasts so long from now.
func memoryLogin(p jwtauth.LoginPolicy, user, name string, lasts time.Duration) jwtauth.Login {
	now := time.Now()
	return jwtauth.Login{
		ID:       name,
		Subject:  user,
		Name:     name,
		IssuedAt: now.Truncate(time.Second),
		Until:    now.Add(lasts),
		Policy:   p,
	}
}

func mustAdmit(tb testing.TB, s jwtauth.Store, l jwtauth.Login) jwtauth.Verdict {
	tb.Helper()
	v, err := s.Admit(context.Background(), l)
	if err != nil {
		tb.Fatalf("Admit: %v", err)
	}
	return v
}

func mustRevoke(tb testing.TB, s jwtauth.Store, r jwtauth.Revocation) {
	tb.Helper()
	if err := s.Revoke(context.Background(), r); err != nil {
		tb.Fatalf("Revoke: %v", err)
	}
}

// What has expired does not count from that moment on, and is removed.
func TestMemoryStoreExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := jwtauth.NewMemoryStore()
		l := memoryLogin(jwtauth.ManyLogins, "user", "a", time.Hour)
		end := time.Now().Add(time.Minute)
		mustRevoke(t, s, jwtauth.Revocation{ID: "a", Until: end})
		mustRevoke(t, s, jwtauth.Revocation{Subject: "other", Before: end, Until: end})
		mustRevoke(t, s, jwtauth.ByID("for 400 days"))
		forever := memoryLogin(jwtauth.ManyLogins, "user", "for 400 days", time.Hour)
		<-time.After(time.Minute - time.Millisecond)
		if v := mustAdmit(t, s, l); v != jwtauth.Revoked {
			t.Errorf("a millisecond before the end: %d", v)
		}
		<-time.After(time.Millisecond)
		if v := mustAdmit(t, s, l); v != jwtauth.Admitted {
			t.Errorf("at the end: %d", v)
		}
		<-time.After(399 * 24 * time.Hour)
		if v := mustAdmit(t, s, forever); v != jwtauth.Revoked {
			t.Errorf("without Until, after 399 days: %d", v)
		}
		<-time.After(24 * time.Hour)
		if v := mustAdmit(t, s, forever); v != jwtauth.Admitted {
			t.Errorf("without Until, after 400 days: %d", v)
		}
	})
}

// It measures the heap, so it is not parallel.
func TestMemoryStoreSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := jwtauth.NewMemoryStore()
		const n = 5000
		before := inUse()
		for i := range n {
			user := fmt.Sprint("user", i)
			mustRevoke(t, s, jwtauth.Revocation{ID: fmt.Sprint("id", i), Until: time.Now().Add(time.Minute)})
			mustRevoke(t, s, jwtauth.Revocation{Subject: user, Until: time.Now().Add(time.Minute)})
			mustAdmit(t, s, memoryLogin(jwtauth.NewestLogin, user, "a", time.Minute))
			mustAdmit(t, s, memoryLogin(jwtauth.NewestLogin, user, "b", time.Minute))
		}
		if got := s.Len(); got != 4*n {
			t.Errorf("Len: %d, want %d", got, 4*n)
		}
		full := inUse() - before
		<-time.After(time.Hour)
		// As many calls as there are entries, of whatever kind, have all removed.
		for range 4 * n {
			mustAdmit(t, s, memoryLogin(jwtauth.ManyLogins, "someone", "a", time.Minute))
		}
		if got := s.Len(); got != 0 {
			t.Errorf("Len in the end: %d", got)
		}
		if left := inUse() - before; left > full/10 {
			t.Errorf("%d of %d bytes are left", left, full)
		}
		// A stream of short logins stays at its size.
		for i := range 10 * n {
			if i%n == 0 {
				<-time.After(time.Minute)
			}
			mustAdmit(t, s, memoryLogin(jwtauth.OldestLogin, fmt.Sprint(i), "a", time.Second))
		}
		if got := s.Len(); got > 3*n {
			t.Errorf("Len with %d at a time: %d", n, got)
		}
		runtime.KeepAlive(s)
	})
}

func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestMemoryStoreMisuse(t *testing.T) {
	t.Parallel()
	s := jwtauth.NewMemoryStore()
	for _, l := range []jwtauth.Login{
		memoryLogin(jwtauth.NewestLogin, "", "a", time.Hour),
		memoryLogin(jwtauth.OldestLogin, "", "a", time.Hour),
		memoryLogin(jwtauth.OldestLogin+1, "user", "a", time.Hour),
		memoryLogin(-1, "user", "a", time.Hour),
	} {
		if v, err := s.Admit(t.Context(), l); v == jwtauth.Admitted || err == nil {
			t.Errorf("%+v: %d, %v", l, v, err)
		}
	}
	for _, r := range []jwtauth.Revocation{{}, {ID: "a", Subject: "b"}} {
		if err := s.Revoke(t.Context(), r); err == nil {
			t.Errorf("%+v: no error", r)
		}
	}
	if s.Len() != 0 {
		t.Errorf("Len: %d", s.Len())
	}
}

// A watcher may use the store, and may be slow or panic, without harm to others.
func TestMemoryStoreWatchers(t *testing.T) {
	t.Parallel()
	s := jwtauth.NewMemoryStore()
	var order []string
	stop := s.Watch(func(c jwtauth.Change) {
		order = append(order, c.Revocation.ID)
		if len(order) < 5 {
			mustRevoke(t, s, jwtauth.ByID(fmt.Sprint(len(order)))) // told after this one
			if s.Len() == 0 {
				t.Error("Len: 0")
			}
		}
	})
	mustRevoke(t, s, jwtauth.ByID("0"))
	stop()
	if want := []string{"0", "1", "2", "3", "4"}; !slices.Equal(order, want) {
		t.Errorf("told %q, want %q", order, want)
	}

	calls := 0
	stop = s.Watch(func(jwtauth.Change) {
		calls++
		mustRevoke(t, s, jwtauth.ByID("queued"))
		stop()
	})
	mustRevoke(t, s, jwtauth.ByID("a"))
	if calls != 1 {
		t.Errorf("called %d times, though stopped by the first", calls)
	}

	panics := 0
	stop = s.Watch(func(jwtauth.Change) { panics++; panic("on purpose") })
	for range 3 {
		func() {
			defer func() { _ = recover() }()
			mustRevoke(t, s, jwtauth.ByID("a"))
		}()
	}
	stop()
	if panics != 3 {
		t.Errorf("called %d times, of 3", panics)
	}

	entered, release := make(chan struct{}), make(chan struct{})
	stop = s.Watch(func(jwtauth.Change) {
		entered <- struct{}{}
		<-release
	})
	defer stop()
	var told atomic.Int32
	defer s.Watch(func(jwtauth.Change) { told.Add(1) })()
	var wg sync.WaitGroup
	wg.Go(func() { mustRevoke(t, s, jwtauth.ByID("b")) })
	<-entered
	mustRevoke(t, s, jwtauth.ByID("c")) // does not wait for the slow one
	if told.Load() == 0 {
		t.Error("one watcher waits for the other")
	}
	close(release)
	<-entered
	wg.Wait()
}

// BenchmarkMemoryStoreAdmit has 100,000 users log in and come again.
func BenchmarkMemoryStoreAdmit(b *testing.B) {
	const users = 100_000
	for _, p := range []struct {
		name   string
		policy jwtauth.LoginPolicy
	}{{"many", jwtauth.ManyLogins}, {"newest", jwtauth.NewestLogin}, {"oldest", jwtauth.OldestLogin}} {
		logins := make([]jwtauth.Login, users)
		for i := range logins {
			logins[i] = memoryLogin(p.policy, fmt.Sprint("user", i), fmt.Sprint("name", i), time.Hour)
		}
		b.Run(p.name, func(b *testing.B) {
			s := jwtauth.NewMemoryStore()
			before := inUse()
			for i := range logins {
				mustAdmit(b, s, logins[i])
			}
			bytes := float64(inUse()-before) / users
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				mustAdmit(b, s, logins[i%users])
				i++
			}
			b.ReportMetric(bytes, "B/user")
		})
		b.Run(p.name+"/parallel", func(b *testing.B) {
			s := jwtauth.NewMemoryStore()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					mustAdmit(b, s, logins[i%users])
				}
			})
		})
	}
}

// BenchmarkMemoryStoreRevoke is the cost of a revocation, sweeps included.
func BenchmarkMemoryStoreRevoke(b *testing.B) {
	s := jwtauth.NewMemoryStore()
	until := time.Now().Add(time.Hour)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		mustRevoke(b, s, jwtauth.Revocation{ID: fmt.Sprint("a token ", i%1_000_000), Until: until})
		i++
	}
}
