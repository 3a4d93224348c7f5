package wrap

import (
	"github.com/zishang520/socket.io/v2/socket"
)

// UseAll uses mws for every namespace of io: those that exist, those to come,
// and the children of dynamic namespaces, whether these are named by a regular
// expression or by a function. io.Use covers "/" alone, so that one forgotten
// namespace is an open door.
//
// In a namespace that exists mws run after the middlewares that it has; in one
// to come they run first. Call it before the server serves, and after
// io.SetAdapter if that is used: UseAll wraps the adapter's constructor, by
// which the host tells of all namespaces that it makes.
func UseAll(io *socket.Server, mws ...socket.NamespaceMiddleware) {
	u := &useAll{adapters: io.Adapter(), existing: true}
	u.mws = append([]socket.NamespaceMiddleware{u.enter}, mws...)
	_ = io.On("new_namespace", func(args ...any) {
		if nsp, ok := args[0].(socket.Namespace); ok {
			nsp.Fns().Unshift(u.mws...)
		}
	})
	io.SetAdapter(u) // calls New for each namespace
	u.existing = false
}

// useAll is one call of UseAll, and the constructor of adapters that tells it of
// namespaces.
type useAll struct {
	adapters socket.AdapterConstructor
	mws      []socket.NamespaceMiddleware
	existing bool // New is called for namespaces that have an adapter already
}

// New implements socket.AdapterConstructor. The host calls it while it makes a
// namespace (socket/namespace.go:150), before a client can reach it.
func (u *useAll) New(nsp socket.Namespace) socket.Adapter {
	if u.existing {
		for _, mw := range u.mws {
			nsp.Use(mw)
		}
		return nsp.Adapter()
	}
	// A namespace can be reached a moment before "new_namespace" tells of it
	// (socket/parent-namespace.go:93), and a child's middlewares are replaced by
	// those of its parent after this (socket/parent-namespace.go:73). Who slips
	// through that gap is put out again.
	_ = nsp.On("connect", func(args ...any) {
		s, ok := args[0].(*socket.Socket)
		if ok && !s.Recovered() && !stateOf(s).hasPassed(u) {
			s.Disconnect(true)
		}
	})
	return u.adapters.New(nsp)
}

// enter notes that s runs through mws.
func (u *useAll) enter(s *socket.Socket, next func(*socket.ExtendedError)) {
	stateOf(s).pass(u)
	next(nil)
}
