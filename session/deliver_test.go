package session_test

import (
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io-go-redis/adapter"
	"github.com/zishang520/socket.io-go-redis/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestDelivery: another node ends a session, and a listener of "disconnect" of one of its
// sockets takes its time. The node of that socket still receives what the other one sends:
// the host's adapters deliver one message after the other.
func TestDelivery(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	redis.NeedReal(t) // sharded channels
	for name, builder := range map[string]func(*types.RedisClient) socket.AdapterConstructor{
		"classic": func(c *types.RedisClient) socket.AdapterConstructor { return &adapter.RedisAdapterBuilder{Redis: c} },
		"sharded": func(c *types.RedisClient) socket.AdapterConstructor {
			return &adapter.ShardedRedisAdapterBuilder{Redis: c}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newMemory()
			node := func() *server {
				o := socket.DefaultServerOptions()
				o.SetAdapter(builder(types.NewRedisClient(t.Context(), redistest.Client(t, redis.Addr))))
				m := newManager(t, store, &session.Options{Check: time.Hour, Timeout: time.Minute, Logger: quiet})
				return setup{options: wrap.Harden(o)}.serve(t, m)
			}
			a, b := node(), node()
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
}
