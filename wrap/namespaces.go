package wrap

import (
	"sync"

	"github.com/sioware/sioware/internal/sidecar"
	"github.com/zishang520/engine.io/v2/events"
	"github.com/zishang520/socket.io/v2/socket"
)

// observers holds one observer per namespace, by its emitter: the namespace
// itself is an interface.
var observers sidecar.Map[socket.StrictEventEmitter, observer]

// observer follows the sockets that a namespace connects.
type observer struct {
	mu    sync.Mutex
	count int // "connection" listeners when ours was put last
}

// observe starts following nsp. Its "connect" listener precedes every
// "connection" listener (socket/namespace.go:362), and exists before any socket
// that a middleware of ours has seen can connect.
func observe(nsp socket.Namespace) {
	emitter := nsp.EventEmitter()
	if observers.Load(emitter) != nil {
		return
	}
	o := new(observer)
	if _, stored := observers.LoadOrStore(emitter, o); !stored {
		return
	}
	_ = nsp.On("connect", func(args ...any) {
		s, ok := args[0].(*socket.Socket)
		if !ok {
			return
		}
		o.connected(s)
	})
}

// connected runs when the host has connected s, before the handlers do.
func (o *observer) connected(s *socket.Socket) {
	st := states.Load(s)
	if st == nil {
		return
	}
	st.conn.connected(s.Nsp().Name(), st)
	switch {
	case s.Conn().ReadyState() != "open":
		// A ghost: it was stored after its transport closed, and the host would
		// keep it, its rooms and its "connected" for ever (about 2 in 10,000).
		s.Disconnect(false)
		return
	case st.ended():
		// A middleware has called next(error) and then next(nil): the host has
		// told the client that it is refused, and connects it all the same.
		s.Disconnect(true)
		return
	}
	o.last(s.Nsp().EventEmitter())
}

// last makes ours the last "connection" listener, so that it runs when all
// others have returned. RemoveListener finds the first one of the same code
// (types/events.go:235), which is the older.
func (o *observer) last(e *socket.StrictEventEmitter) {
	const event = events.EventName("connection")
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.count > 0 && e.ListenerCount(event) == o.count {
		return
	}
	_ = e.EventEmitter.On(event, handlersDone)
	if o.count > 0 {
		e.RemoveListener(event, handlersDone)
	}
	o.count = e.ListenerCount(event)
}

// handlersDone releases the events that came before the handlers were ready.
func handlersDone(args ...any) {
	if s, ok := args[0].(*socket.Socket); ok {
		if st := states.Load(s); st != nil {
			st.release()
		}
	}
}
