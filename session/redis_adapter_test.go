package session_test

import (
	"sync"
	"testing"
	"time"

	"github.com/boj/redistore"
	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io-go-redis/adapter"
	"github.com/zishang520/socket.io-go-redis/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// eachAdapter calls f for each of the host's adapters for Redis. node returns a server that
// has it, with a Manager.
func eachAdapter(t *testing.T, f func(t *testing.T, redis string, node func(sessions.Store, *session.Options) *server)) {
	t.Helper()
	redis := redistest.Start(t)
	redis.NeedReal(t) // sharded channels
	for name, builder := range map[string]func(*types.RedisClient) socket.AdapterConstructor{
		"classic": func(c *types.RedisClient) socket.AdapterConstructor { return &adapter.RedisAdapterBuilder{Redis: c} },
		"sharded": func(c *types.RedisClient) socket.AdapterConstructor {
			return &adapter.ShardedRedisAdapterBuilder{Redis: c}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f(t, redis.Addr, func(store sessions.Store, opts *session.Options) *server {
				o := socket.DefaultServerOptions()
				o.SetAdapter(builder(types.NewRedisClient(t.Context(), redistest.Client(t, redis.Addr))))
				return setup{options: wrap.Harden(o)}.serve(t, newManager(t, store, opts))
			})
		})
	}
}

// TestRedisAdapter: the nodes of a cluster whose servers have the host's adapter for Redis
// hear at once of sessions that have ended.
func TestRedisAdapter(t *testing.T) {
	eachAdapter(t, func(t *testing.T, redis string, node func(sessions.Store, *session.Options) *server) {
		one := func() *server {
			store := openRedis(t, redis, redistore.GobSerializer{}, maxAge)
			return node(store, &session.Options{Check: time.Hour, Logger: quiet})
		}
		a, b := one(), one()
		first, _ := a.join(t, siotest.Dial{})
		b.join(t, siotest.Dial{})
		browser := given(t, first)
		there, _ := b.join(t, with(browser))
		there.Connect("/other", nil)
		there.Connected(t)
		<-b.sockets
		w, err := renew(t, a.m, browser, login)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if data, _ := there.NextEvent(t, "kicked").Args()[0].(object); code(data) != "session_expired" || data["retryAfterMs"] != 1000.0 {
				t.Errorf("kicked with %v", data)
			}
		}
		browser = cookie(t, w)
		there, _ = b.join(t, with(browser))
		if n, _, err := destroy(t, a.m, browser); n != 0 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		kicked(t, there, "session_expired")
	})
}

// TestDelivery: another node ends a session, and a listener of "disconnect" of one of its
// sockets takes its time. The node of that socket still receives what the other one sends:
// the host's adapters deliver one message after the other.
func TestDelivery(t *testing.T) {
	t.Parallel()
	eachAdapter(t, func(t *testing.T, _ string, node func(sessions.Store, *session.Options) *server) {
		store, opts := newMemory(), &session.Options{Check: time.Hour, Timeout: time.Minute, Logger: quiet}
		a, b := node(store, opts), node(store, opts)
		first, _ := a.join(t, siotest.Dial{})
		browser := given(t, first)
		there, _ := b.join(t, with(browser))
		// The adapters do not say when they have subscribed.
		heard := make(chan struct{}, 1000)
		_ = b.IO.On("news", func(...any) { heard <- struct{}{} })
		siotest.Eventually(t, "B hears A", func() bool {
			_ = a.IO.ServerSideEmit("news")
			return len(heard) > 0
		})

		hold := make(chan struct{})
		release := sync.OnceFunc(func() { close(hold) })
		t.Cleanup(release)
		b.IO.Sockets().Sockets().Range(func(_ socket.SocketId, so *socket.Socket) bool {
			_ = so.On("disconnect", func(...any) { <-hold })
			return true
		})
		if _, _, err := destroy(t, a.m, browser); err != nil {
			t.Fatal(err)
		}
		kicked(t, there, "session_expired")
		for len(heard) > 0 {
			<-heard
		}
		siotest.Eventually(t, "B hears A while its listener is busy", func() bool {
			_ = a.IO.ServerSideEmit("news")
			return len(heard) > 0
		})
		release()
	})
}
