package redisstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/jwtauthtest"
	"github.com/sioware/sioware/jwtauth/redisstore"
)

// unhurried is for tests that want answers, on a machine that may be busy.
var unhurried = &redisstore.Options{Timeout: 20 * time.Second}

func TestStore(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	jwtauthtest.TestStore(t, func(t *testing.T) (a, b jwtauth.Store) {
		// Both ways to keep the deadline of a call.
		return open(t, server.Client(t), unhurried), open(t, redistest.Patient(t, server.Addr), unhurried)
	})
	checkKeys(t, redisstore.DefaultPrefix, server.Client(t))
}

// A Cluster refuses scripts with keys of different slots.
func TestCluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3)
	jwtauthtest.TestStore(t, func(t *testing.T) (a, b jwtauth.Store) {
		return open(t, cluster.Client(t), unhurried), open(t, cluster.Client(t), unhurried)
	})
	var servers []*redis.Client
	for _, s := range cluster.Servers {
		servers = append(servers, s.Client(t))
	}
	checkKeys(t, redisstore.DefaultPrefix, servers...)
}

// checkKeys checks what every key must be like, once the tests of t have ended.
func checkKeys(t *testing.T, prefix string, servers ...*redis.Client) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		total := 0
		for _, c := range servers {
			keys, err := c.Keys(ctx, "*").Result()
			if err != nil {
				t.Error(err)
			}
			total += len(keys)
			for _, key := range keys {
				if !strings.HasPrefix(key, prefix) || len(key) > 100 || strings.ContainsAny(key, "\x00 @") {
					t.Errorf("key %.200q", key)
				}
				if ttl, err := c.PTTL(ctx, key).Result(); err != nil || ttl == -1 {
					t.Errorf("key %s never expires (%v)", key, err)
				}
			}
		}
		if total < 100 {
			t.Errorf("%d keys", total)
		}
	})
}

// Both stores decide alike on random schedules, and report the same changes.
func TestModel(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			r := rand.New(rand.NewPCG(seed, 0))
			opts := *unhurried
			opts.Prefix = fmt.Sprintf("model%d:", i)
			model, store := jwtauth.NewMemoryStore(), open(t, server.Client(t), &opts)
			want, got := record(model), record(store)
			var history []string
			end := time.Now() // of what is short-lived
			for n := range 2000 {
				if time.Until(end) < margin {
					<-time.After(time.Until(end) + 5*time.Millisecond)
					end = time.Now().Add(margin + 30*time.Millisecond)
				}
				what := step(t, r, model, store, end)
				if !time.Now().Before(end) {
					t.Logf("seed %d: step %d of 2000 took longer than %v", seed, n, margin)
					break // one store may have decided before the end, the other after it
				}
				if history = append(history, what); !strings.HasSuffix(what, "alike") {
					t.Fatalf("seed %d, step %d:\n%s", seed, n, strings.Join(about(history), "\n"))
				}
			}
			siotest.Eventually(t, "the changes come", func() bool { return len(got()) >= len(want()) })
			if a, b := want(), got(); !slices.Equal(a, b) {
				t.Errorf("seed %d: changes\n%q, want\n%q", seed, b, a)
			}
		})
	}
}

// about returns what in history is about the subject of its last entry.
func about(history []string) []string {
	subject := func(s string) string { return s[:strings.Index(s, ":")] }
	last := subject(history[len(history)-1])
	return slices.DeleteFunc(slices.Clone(history), func(s string) bool { return subject(s) != last })
}

// record returns a function that returns the changes that s has told.
func record(s jwtauth.Store) func() []string {
	var mu sync.Mutex
	var all []string
	s.Watch(func(c jwtauth.Change) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, fmt.Sprintf("%+v", c))
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// epoch is what times of issue count from in the model test.
var epoch = time.Unix(time.Now().Unix(), 0)

// margin is how long a step of the model test may take.
const margin = 100 * time.Millisecond

// step does one random thing to both stores. There are few users and names, so
// that what is done meets what was done before. What is short lasts until end.
func step(t *testing.T, r *rand.Rand, model, store jwtauth.Store, end time.Time) string {
	t.Helper()
	pick := func(of string) string { return string(of[r.IntN(len(of))]) }
	until := epoch.Add(time.Hour + time.Duration(r.IntN(5))*time.Minute)
	switch r.IntN(8) {
	case 0:
		until = epoch.Add(-time.Minute) // as good as over
	case 1, 2, 3:
		until = end.Round(0) // without the monotonic clock, which other nodes are not told
	}
	user := pick("xyz")
	if r.IntN(6) == 0 {
		rev := jwtauth.ByID(user + pick("abcdefgh") + pick("123456789"))
		if r.IntN(3) == 0 {
			rev = jwtauth.IssuedBefore(user, epoch.Add(time.Duration(r.IntN(12)-4)*500*time.Millisecond))
		}
		rev.Until = until
		a, b := model.Revoke(t.Context(), rev), store.Revoke(t.Context(), rev)
		return fmt.Sprintf("%s:%s revoked before %d until %d: %v, %v, %s", user, rev.ID, at(rev.Before), at(rev.Until), a, b, alike(a == nil && b == nil))
	}
	name := pick("abcdefgh")
	l := jwtauth.Login{
		ID:       user + name + pick("123456789"),
		Issuer:   pick("ij"),
		Subject:  user,
		Name:     name,
		IssuedAt: epoch.Add(time.Duration(r.IntN(8)) * time.Second),
		Until:    until,
		Policy:   policies[r.IntN(3)],
	}
	// Two users have one policy each, mostly: a login of theirs gets many names.
	if user != "z" && r.IntN(20) > 0 {
		l.Policy = map[string]jwtauth.LoginPolicy{"x": jwtauth.NewestLogin, "y": jwtauth.OldestLogin}[user]
	}
	if r.IntN(10) == 0 {
		l.IssuedAt = time.Time{}
	}
	if r.IntN(2) == 0 {
		l.Replaces = pick("abcdefgh")
	}
	a, err := model.Admit(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	b, err := store.Admit(t.Context(), l)
	return fmt.Sprintf("%s:%s %s %s replaces %q issued %d until %d policy %d: %d, %d, %v, %s", user, l.Issuer, l.ID, l.Name, l.Replaces, at(l.IssuedAt), at(l.Until), l.Policy, a, b, err, alike(a == b && err == nil))
}

// at is a time that is short to read.
func at(t time.Time) time.Duration { return t.Sub(epoch).Round(time.Millisecond) / 1e6 }

func alike(is bool) string {
	if is {
		return "alike"
	}
	return "different"
}

func TestNew(t *testing.T) {
	t.Parallel()
	redistest.New(t, redisstore.New, []redistest.Options[*redisstore.Options]{
		{Name: "no unit", Of: &redisstore.Options{Timeout: 5}, Want: []string{"unit missing"}},
		{Name: "braces", Of: &redisstore.Options{Prefix: "a{b}:"}, Want: []string{"braces"}},
		{
			Name: "all", Of: &redisstore.Options{Prefix: "{", Timeout: -1}, None: true,
			Want: []string{"no client", "braces", "negative"},
		},
	}...)
}

func TestPrefix(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := open(t, server.Client(t), &redisstore.Options{Prefix: "a:", Timeout: unhurried.Timeout})
	b := open(t, server.Client(t), &redisstore.Options{Prefix: "b:", Timeout: unhurried.Timeout})
	l := login(jwtauth.ManyLogins, "user", "a", 0)
	if err := a.Revoke(t.Context(), jwtauth.ByID(l.ID)); err != nil {
		t.Fatal(err)
	}
	if x, y := admitted(t, a, l), admitted(t, b, l); x != jwtauth.Revoked || y != jwtauth.Admitted {
		t.Errorf("prefixes are not apart: %d, %d", x, y)
	}
}
