package redisstore_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/jwtauth"
)

// A login has as many names in Redis as it has tokens that last, and the key lives
// as long as the last of them, also where a short one comes later.
func TestNames(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, c := open(t, server.Client(t), unhurried), server.Client(t)
	last := login(jwtauth.NewestLogin, "user", "first", 0)
	key := s.Keys(last)[3]
	admitted(t, s, last)
	end := time.Now().Add(time.Second)
	const n = 20
	for i := range n {
		next := login(jwtauth.NewestLogin, "user", fmt.Sprint(i), 0)
		next.Until, next.Replaces = end, last.Name
		admitted(t, s, next)
	}
	if got := c.ZCard(t.Context(), key).Val(); got != n+1 && time.Now().Before(end) {
		t.Errorf("%d names, want %d", got, n+1)
	}
	if ttl := c.PTTL(t.Context(), key).Val(); ttl < time.Until(last.Until)-5*time.Second {
		t.Errorf("the key lives for %v, its first name for %v", ttl, time.Until(last.Until))
	}
	<-time.After(time.Until(end) + 10*time.Millisecond)
	next := login(jwtauth.NewestLogin, "user", "next", 0)
	next.Replaces = last.Name
	admitted(t, s, next)
	if got := c.ZCard(t.Context(), key).Val(); got != 2 {
		t.Errorf("%d names when all but two have ended", got)
	}
	other := login(jwtauth.NewestLogin, "user", "other", -1)
	admitted(t, s, other)
	if got := c.ZCard(t.Context(), key).Val(); got != 1 {
		t.Errorf("%d names of a login that took over", got)
	}
}

// trips counts round trips.
type trips struct{ n atomic.Int32 }

func (c *trips) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (c *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { c.n.Add(1); return next(ctx, cmd) }
}

func (c *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { c.n.Add(1); return next(ctx, cmds) }
}

// As doc.go says.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client, count := server.Client(t), &trips{}
	s := open(t, client, unhurried)
	for _, p := range policies[1:] {
		admitted(t, s, login(p, fmt.Sprint("warm", p), "a", 0)) // the script, a connection
	}
	client.AddHook(count)
	oldest := jwtauth.OldestLogin
	for _, p := range policies[1:] {
		user := fmt.Sprint("user", p)
		first, second, third := login(p, user, "a", 9), login(p, user, "b", 5), login(p, user, "c", 7)
		second.Replaces, third.Replaces = first.Name, first.Name
		for _, step := range []struct {
			what           string
			l              jwtauth.Login
			newest, oldest int32
		}{
			{"the first token", first, 2, 2},
			{"again", first, 1, 1},
			{"its refresh", second, 2, 2},
			{"again", second, 1, 1},
			{"the old token", first, 1, 2},
			{"another refresh of it, to one issued before", third, 2, 3},
			{"again", third, 1, 2},
		} {
			count.n.Store(0)
			if v := admitted(t, s, step.l); v != jwtauth.Admitted {
				t.Errorf("policy %d, %s: %d", p, step.what, v)
			}
			want := step.newest
			if p == oldest {
				want = step.oldest
			}
			if got := count.n.Load(); got != want {
				t.Errorf("policy %d, %s: %d round trips, want %d", p, step.what, got, want)
			}
		}
	}
}
