package wrap

import (
	"context"
	"time"

	"github.com/zishang520/socket.io/v2/socket"
)

// FuncWithin is Func with another deadline.
func FuncWithin(d time.Duration, f func(context.Context, *socket.Socket) error) socket.NamespaceMiddleware {
	return within(d, "test", f)
}

// Refusals is the limit on refused CONNECTs of one connection.
const Refusals = maxRefusals

func init() { unusedAfter = UnusedAfter }

// UnusedAfter is how long a connection of the tests stays without a namespace
// after a kick.
const UnusedAfter = time.Second

// EndRefused ends the context of s as a refusal does.
func EndRefused(s *socket.Socket) {
	stateOf(s).end(&refusedCause{Disconnected: Disconnected{Reason: reasonRefused}})
}
