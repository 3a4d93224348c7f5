package session_test

import (
	"testing"
	"time"

	"github.com/boj/redistore"
	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io-go-redis/adapter"
	"github.com/zishang520/socket.io-go-redis/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestRedisAdapter: the nodes of a cluster whose servers have the host's adapter for Redis
// hear at once of sessions that have ended.
func TestRedisAdapter(t *testing.T) {
	redis := redistest.Start(t)
	redis.NeedReal(t) // sharded channels
	for name, builder := range map[string]func(*types.RedisClient) socket.AdapterConstructor{
		"classic": func(c *types.RedisClient) socket.AdapterConstructor { return &adapter.RedisAdapterBuilder{Redis: c} },
		"sharded": func(c *types.RedisClient) socket.AdapterConstructor {
			return &adapter.ShardedRedisAdapterBuilder{Redis: c}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var all []*server
			for range 2 {
				client := redistest.Client(t, redis.Addr)
				o := socket.DefaultServerOptions()
				o.SetAdapter(builder(types.NewRedisClient(t.Context(), client)))
				store := openRedis(t, redis.Addr, redistore.GobSerializer{}, maxAge)
				m := newManager(t, store, &session.Options{Check: time.Hour, Logger: quiet})
				all = append(all, setup{options: wrap.Harden(o)}.serve(t, m))
			}
			a, b := all[0], all[1]
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
}
