package wrap

import (
	"context"
	"log/slog"
	"slices"

	"github.com/sioware/sioware/internal/sidecar"
	"github.com/zishang520/socket.io/v2/socket"
)

// UseAll adds mws to every namespace of io: those that exist, those to come, and the
// children of dynamic namespaces, whether these are defined by a regular expression or by
// a function. io.Use covers only "/", so one forgotten namespace is an open door.
//
// What [Func] says about refused clients, early events and plain middlewares that panic
// holds for all of mws, whatever they are made of. Only the first call of next by each
// counts, and refusal data that cannot be marshaled is left out, as with [Guard]. The
// host runs the rest of the chain inside next; here it runs when the middleware has
// returned, or inside next if that is called later.
//
// The host creates the child of a dynamic namespace before mws run, and keeps it even if
// they refuse its only client, unless ServerOptions.SetCleanupEmptyChildNamespaces is
// set.
//
// In an existing namespace mws run after the middlewares that it has; in a later one they
// run first. Call UseAll before the server serves, and after io.SetAdapter if that is
// used: UseAll wraps the adapter's constructor, through which it learns of all namespaces
// that the host creates. Start whatever sends through io only after that: the host's
// SetAdapter takes no lock.
//
// UseAll panics if io or one of mws is nil. The first call for io logs a warning to the
// default slog logger if the options of io have not been through [Harden].
func UseAll(io *socket.Server, mws ...socket.NamespaceMiddleware) {
	demand(io != nil, "UseAll: nil server")
	for i, mw := range mws {
		demand(mw != nil, "UseAll: middleware %d is nil", i+1)
	}
	g, first := serverChains.LoadOrStore(io, new(serverChain))
	if first {
		if p := io.Opts().Parser(); p == nil || Parser(p) != p {
			slog.Warn("wrap: the options of this server have not been through Harden: a client can end the process; " +
				"call socket.NewServer(nil, wrap.Harden(opts))")
		}
		mws = append([]socket.NamespaceMiddleware{Func(g.enter)}, mws...)
		_ = io.On("new_namespace", func(args ...any) {
			if nsp, ok := args[0].(socket.Namespace); ok {
				nsp.Fns().Unshift(slices.Clone(g.mws)...)
			}
		})
	}
	add := sequence(slices.Clone(mws))
	g.mws = append(g.mws, add)

	b := &builder{AdapterConstructor: io.Adapter(), global: g, exist: true, add: add}
	if old, ok := b.AdapterConstructor.(*builder); ok {
		b.AdapterConstructor = old.AdapterConstructor
	}
	io.SetAdapter(b) // calls New for each namespace
	b.exist, b.add = false, nil
}

// serverChains holds the middlewares that UseAll was given, by server.
var serverChains sidecar.Map[socket.Server, serverChain]

type serverChain struct {
	mws []socket.NamespaceMiddleware // one for each call of UseAll
}

// enter records that s passes the middlewares.
func (g *serverChain) enter(_ context.Context, s *socket.Socket) error {
	stateOf(s).pass(g)
	return nil
}

// builder makes adapters, which is how it learns of namespaces: the host calls New while
// it creates a namespace (socket/namespace.go:161), before a client can reach it.
type builder struct {
	socket.AdapterConstructor
	global *serverChain
	exist  bool // New is called for namespaces that have an adapter; it only uses add
	add    socket.NamespaceMiddleware
}

// New implements socket.AdapterConstructor.
func (b *builder) New(nsp socket.Namespace) socket.Adapter {
	if b.exist {
		nsp.Use(b.add)
		return nsp.Adapter()
	}
	// A namespace can be reached a moment before "new_namespace" is emitted for it
	// (socket/parent-namespace.go:98), and a child's middlewares are replaced by those of
	// its parent after this (socket/parent-namespace.go:81). A socket that slips through
	// this gap is disconnected.
	_ = nsp.On("connect", func(args ...any) {
		s, ok := args[0].(*socket.Socket)
		if ok && !skips(s) && !stateOf(s).hasPassed(b.global) {
			s.Disconnect(true)
		}
	})
	return b.AdapterConstructor.New(nsp)
}

// skips reports whether the host was configured to run no middleware for s
// (socket/namespace.go:270).
func skips(s *socket.Socket) bool {
	r := s.Nsp().Server().Opts().ConnectionStateRecovery()
	return s.Recovered() && r != nil && r.SkipMiddlewares()
}
