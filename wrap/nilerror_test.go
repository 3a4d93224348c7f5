package wrap_test

import (
	"context"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// asError is an error with an As method of its own.
type asError struct{ as func(any) bool }

func (e *asError) Error() string      { return "" }
func (e *asError) As(target any) bool { return e.as(target) }

// TestNilError: a cause that is a nil pointer is a fault, and does not end the process.
func TestNilError(t *testing.T) {
	t.Parallel()
	cause := siotest.NilError()
	for name, err := range map[string]error{
		"error": cause, "cause": &wrap.Error{Code: "forbidden", Err: cause}, "As": (*asError)(nil),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(io *socket.Server) {
				io.Use(wrap.Packet(func(context.Context, *socket.Socket, *wrap.Event) error { return err }))
				io.Of("/x", nil).Use(wrap.Func(func(context.Context, *socket.Socket) error { return err }))
			})
			c := s.Dial(t, siotest.Dial{})
			c.Connected(t)
			if got, _ := c.EmitAck(t, "ping").Args()[0].(map[string]any); got["code"] != "internal" {
				t.Errorf("event: %v", got)
			}
			c.Connect("/x", nil)
			if got := refusalData(t, c.ConnectError(t)); got["code"] != "internal" {
				t.Errorf("connect: %v", got)
			}
			c.EmitAck(t, "ping")
		})
	}
}
