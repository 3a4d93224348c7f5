package presence

import (
	"sync"
	"sync/atomic"

	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// doubted is how many sockets without a user are asked about again.
const doubted = 64

// order finds out whether Middleware stands in front of what authenticates: then nobody
// would be online, and nothing else would say so.
type order struct {
	guests atomic.Int64
	once   sync.Once
}

// doubt looks at s, which had no user in Middleware, again when it is connected.
func (o *order) doubt(t *Tracker, s *socket.Socket) {
	if o.guests.Add(1) > doubted {
		return
	}
	wrap.Watch(s, wrap.Hooks{Connected: func() {
		if _, ok := t.user(s); ok {
			o.once.Do(func() {
				t.opts.Logger.Warn("presence: a socket has got its user after Middleware, and does not count; "+
					"Middleware belongs behind what authenticates", "namespace", s.Nsp().Name())
			})
		}
	}})
}
