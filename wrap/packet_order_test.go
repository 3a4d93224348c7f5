package wrap_test

import (
	"context"
	"slices"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestPacketOrder: our packet middlewares run in the order in which they were installed,
// by Packet or UsePacket, also later; each sees what the previous one has made of the
// event; one that deals with it, or refuses it, is the last.
func TestPacketOrder(t *testing.T) {
	t.Parallel()
	note := func(name string) func(context.Context, *socket.Socket, *wrap.Event) error {
		return func(_ context.Context, _ *socket.Socket, e *wrap.Event) error {
			list, _ := e.Args[0].([]any)
			e.Args[0] = append(slices.Clip(list), name)
			switch {
			case e.Name == "stop" && name == "second":
				return &wrap.Error{Code: "forbidden"}
			case e.Name == "handle" && name == "second":
				e.Ack([]any{e.Args[0]}, nil)
				return wrap.ErrHandled
			}
			return nil
		}
	}
	s := serve(t, func(io *socket.Server) {
		io.Use(wrap.Packet(note("first")))
		io.Use(wrap.Func(func(_ context.Context, s *socket.Socket) error {
			wrap.UsePacket(s, note("second"))
			return nil
		}))
		io.Use(wrap.Packet(note("third")))
		_ = io.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			wrap.UsePacket(s, note("late"))
			for _, event := range []string{"echo", "stop", "handle"} {
				_ = s.On(event, func(args ...any) { args[len(args)-1].(socket.Ack)([]any{args[0]}, nil) })
			}
		})
		// Nothing of ours guards this one.
		_ = io.Of("/plain", nil).On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			wrap.UsePacket(s, note("alone"))
			_ = s.On("echo", func(args ...any) { args[len(args)-1].(socket.Ack)([]any{args[0]}, nil) })
		})
	})
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for event, want := range map[string][]any{
		"echo":   {"first", "second", "third", "late"},
		"handle": {"first", "second"},
	} {
		got, _ := c.EmitAck(t, event, []any{}).Args()[0].([]any)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", event, got, want)
		}
	}
	if got, _ := c.EmitAck(t, "stop", []any{}).Args()[0].(map[string]any); got["code"] != "forbidden" {
		t.Errorf("stop: %v", got)
	}
	plain := s.Dial(t, siotest.Dial{Namespace: "/plain"})
	plain.Connected(t)
	if got, _ := plain.EmitAck(t, "echo", []any{}).Args()[0].([]any); !slices.Equal(got, []any{"alone"}) {
		t.Errorf("plain: %v", got)
	}
}
