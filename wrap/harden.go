package wrap

import (
	"math"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// noCompression is a PerMessageDeflate threshold that no message reaches. Handler refuses
// the extension altogether when it finds this value: compressed messages from a client
// are inflated whatever the threshold, and the read limit counts compressed bytes.
const noCompression = math.MaxInt

// upgradeTimeout is how long an upgrade from long-polling may take: longer than one or two
// middlewares, since a client completes it only after its CONNECT has been answered. The
// host's 10 seconds end it just when [Func] gives up, and a client whose upgrade fails then
// polls no more: it hears nothing until its ping timeout.
const upgradeTimeout = 3 * defaultTimeout

// Harden makes server options safe to serve with and returns them. It changes o in place,
// so the result may be ignored; nil means socket.DefaultServerOptions(). Pass the result
// to socket.NewServer. Calling Harden twice is harmless, calling it after NewServer has
// no effect.
//
//	io := socket.NewServer(nil, wrap.Harden(nil))
//
// It sets, each because of a fault of v2.5.0:
//
//   - Parser, to [Parser] around the one that was set: a client that sends "42" ends the
//     process (socket/socket.go:554).
//   - PerMessageDeflate, if it was not set, to a threshold that never compresses: without
//     the option the WebSocket transport drops all packets of a batch behind the first
//     pre-encoded one (transports/websocket.go:146 and :170, upstream issue #101), so
//     broadcasts in quick succession get lost. The option also makes the engine offer the
//     permessage-deflate extension (engine/server.go:116), under which a megabyte from a
//     client inflates to a gigabyte: serve through [Handler], which then refuses the
//     extension. Set PerMessageDeflate yourself only if you trust your clients.
//   - SkipMiddlewares of ConnectionStateRecovery, if recovery is on and this was not set,
//     to false: the host's default of true (socket/server.go:158) admits a recovered
//     socket without running any middleware (socket/namespace.go:270), so a revoked or
//     expired client gets back in.
//   - UpgradeTimeout, if it was not set, to 30 seconds: the host answers the request that
//     carries a CONNECT only when the middlewares have decided, and the client completes
//     its upgrade after that. A client that still waits when the host's 10 seconds are
//     over never hears the answer.
//
// Everything else is left alone. Harden must not run concurrently with other uses of o.
func Harden(o *socket.ServerOptions) *socket.ServerOptions {
	if o == nil {
		o = socket.DefaultServerOptions()
	}
	o.SetParser(Parser(o.Parser()))
	if o.GetRawPerMessageDeflate() == nil {
		o.SetPerMessageDeflate(&types.PerMessageDeflate{Threshold: noCompression})
	}
	if r := o.GetRawConnectionStateRecovery(); r != nil && r.GetRawSkipMiddlewares() == nil {
		r.SetSkipMiddlewares(false)
	}
	if o.GetRawUpgradeTimeout() == nil {
		o.SetUpgradeTimeout(upgradeTimeout)
	}
	return o
}
