package e2e

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestEventAtOnce: an event that a client sends in its "connect" listener finds its
// handler, even if that is added after the event has arrived.
func TestEventAtOnce(t *testing.T) {
	const clients = 50
	each(t, func(t *testing.T, v variant) {
		var arrivals sync.Map // session id to a channel, closed when its event has arrived
		s := serve(t, nil, func(io *socket.Server) {
			io.Use(wrap.Func(func(_ context.Context, s *socket.Socket) error {
				arrived := make(chan struct{})
				arrivals.Store(s.Conn().Id(), arrived)
				var once sync.Once
				_ = s.Conn().On("packet", func(args ...any) {
					if args[0].(*packet.Packet).Type == packet.MESSAGE {
						once.Do(func() { close(arrived) })
					}
				})
				return nil
			}))
			onConnection(io.Sockets(), func(s *socket.Socket) {
				arrived, _ := arrivals.Load(s.Conn().Id())
				select {
				case <-arrived.(chan struct{}):
				case <-wrap.Context(s).Done():
				case <-time.After(bound):
				}
				echo(s)
			})
		})
		c := connect(t, v, s, func(sc *scenario) {
			sc.OnConnect = []action{{Do: "emit", Event: "echo", Args: []any{"at once"}, Ack: true}}
		})
		for n := range clients - 1 {
			if v.upgrades() {
				// One after the other: a client has its ack before the timer of its
				// upgrade fires (see server.torn).
				c.await(t, n+1, "ack")
			}
			c.do(t, action{Do: "open"})
		}
		acked := make(map[int]bool)
		for _, ack := range c.await(t, clients, "ack") {
			acked[ack.Conn] = true
		}
		if len(acked) != clients {
			t.Errorf("%d of %d clients got their ack", len(acked), clients)
		}
		if s.torn.Load() > 0 {
			return
		}
		if lost := c.all("disconnect"); len(lost) > 0 {
			t.Errorf("%d clients lost their connection, the first: %s", len(lost), lost[0].raw)
		}
	})
}
