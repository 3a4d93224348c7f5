package wrap

import (
	"reflect"
	"sync"

	"github.com/sioware/sioware/internal/rooms"
	"github.com/sioware/sioware/internal/sidecar"
	"github.com/zishang520/socket.io/v2/socket"
)

// observers holds one observer per namespace, keyed by its emitter: the namespace itself
// is an interface.
var observers sidecar.Map[socket.StrictEventEmitter, observer]

// observer follows the sockets that a namespace connects.
type observer struct {
	once sync.Once // adds the "connect" listener
	mu   sync.Mutex
}

// observe starts following nsp. Its "connect" listener runs before every "connection"
// listener (socket/namespace.go:362), and exists before any socket that a middleware of
// ours has seen can connect.
func observe(nsp socket.Namespace) {
	emitter := nsp.EventEmitter()
	o := observers.Load(emitter)
	if o == nil {
		o, _ = observers.LoadOrStore(emitter, new(observer))
	}
	o.once.Do(func() {
		_ = nsp.On("connect", func(args ...any) {
			if s, ok := args[0].(*socket.Socket); ok {
				o.connected(s)
			}
		})
	})
}

// connected runs when the host has connected s, before the handlers do.
func (o *observer) connected(s *socket.Socket) {
	st := states.Load(s)
	if st == nil {
		return
	}
	st.conn.connected(s.Nsp().Name(), st)
	kick, ended := st.appear()
	switch {
	case ended && !s.Connected():
		// It left before the host added it to the room of its ID (socket/socket.go:514),
		// and was removed only from the rooms that it was in by then.
		st.conn.clearRooms(st.nsp, rooms.LeavingOf(s))
		return
	case s.Conn().ReadyState() != "open":
		// A ghost: it was stored after its transport closed, and the host would keep it,
		// its rooms and its "connected" for ever (about 2 in 10,000).
		s.Disconnect(false)
		return
	case kick != nil:
		st.putOut(s, kick)
		return
	case ended:
		// A middleware has called next(error) and then next(nil): the host has told the
		// client that it was refused, and connects it all the same.
		s.Disconnect(true)
		return
	}
	st.connected(s)
	o.last(s.Nsp().EventEmitter())
}

// last makes ours the last "connection" listener, so that it runs when all others have
// returned. RemoveListener removes the first listener with the same code
// (types/events.go:236), which is the older one.
func (o *observer) last(e *socket.StrictEventEmitter) {
	const event = "connection"
	o.mu.Lock()
	defer o.mu.Unlock()
	ours := reflect.ValueOf(handlersDone).Pointer()
	at := -1
	listeners := e.Listeners(event)
	for i, l := range listeners {
		if reflect.ValueOf(l).Pointer() == ours {
			at = i
		}
	}
	if at >= 0 && at == len(listeners)-1 {
		return
	}
	_ = e.On(event, handlersDone)
	if at >= 0 {
		e.RemoveListener(event, handlersDone)
	}
}

// handlersDone releases the events that arrived before the handlers were ready.
func handlersDone(args ...any) {
	if s, ok := args[0].(*socket.Socket); ok {
		if st := states.Load(s); st != nil {
			st.release()
		}
	}
}
