package siotest

import (
	"sync"

	"github.com/zishang520/socket.io/v2/socket"
)

// Recovery makes adapters in memory that keep the states of sockets, by their pid, and
// restore them. The host's own panics in NewServer from Go 1.26 on (utils/timer.go:26 of
// engine.io). The zero value is ready to use.
type Recovery struct{ States sync.Map }

// New implements [socket.AdapterConstructor].
func (r *Recovery) New(nsp socket.Namespace) socket.Adapter {
	return &recovering{(&socket.AdapterBuilder{}).New(nsp), &r.States}
}

type recovering struct {
	socket.Adapter
	states *sync.Map
}

func (r *recovering) PersistSession(s *socket.SessionToPersist) { r.states.Store(s.Pid, s) }

func (r *recovering) RestoreSession(pid socket.PrivateSessionId, _ string) (*socket.Session, error) {
	if s, ok := r.states.Load(pid); ok {
		return &socket.Session{SessionToPersist: s.(*socket.SessionToPersist)}, nil
	}
	return nil, nil
}
