package session_test

import (
	"context"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestAckThenOut: an event that is refused because the session has ended gets its
// ack, and then the sockets of the session are disconnected.
func TestAckThenOut(t *testing.T) {
	t.Parallel()
	for name, polling := range map[string]bool{"polling": true, "websocket": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := newMemory()
			m := newManager(t, store, nil)
			handled := make(chan string, 10)
			s := serve(t, m, func(io *socket.Server) {
				wrap.UseAll(io, wrap.Packet(func(ctx context.Context, so *socket.Socket, _ *wrap.Event) error {
					mine, _ := m.From(so)
					return mine.Reload(ctx)
				}))
				_ = io.On("connection", func(args ...any) {
					_ = args[0].(*socket.Socket).On("hello", func(args ...any) {
						handled <- "hello"
						args[0].(socket.Ack)([]any{"welcome"}, nil)
					})
				})
			})
			browser := s.visit(t)
			c, _ := s.join(t, as(siotest.Dial{Polling: polling}, browser))
			other, _ := s.join(t, as(siotest.Dial{Polling: polling, Namespace: "/other"}, browser))
			stranger, _ := s.join(t, with(s.visit(t)))
			if p := c.EmitAck(t, "hello"); len(p.Args()) != 1 || p.Args()[0] != "welcome" || <-handled != "hello" {
				t.Errorf("the ack is %s", p)
			}
			plainLogout(t, store, browser)
			c.Send(`427["hello"]`)
			p := c.Next(t)
			if p.Type != siotest.TypeAck || p.ID == nil || *p.ID != 7 || len(p.Args()) != 1 || code(p.Args()[0]) != "session_expired" {
				t.Errorf("the answer is %s", p)
			}
			kicked(t, c, "session_expired")
			kicked(t, other, "session_expired")
			stranger.NoPacket(t, 0)
			if len(handled) != 0 {
				t.Error("the event was handled")
			}
		})
	}
}
