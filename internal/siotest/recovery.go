package siotest

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zishang520/socket.io/v2/socket"
)

// Recovery makes adapters in memory that keep the states of sockets, by their pid, and
// restore them. The host's own panics in NewServer from Go 1.26 on (utils/timer.go:26 of
// engine.io). The zero value is ready for use.
type Recovery struct {
	States sync.Map
	Missed []any // packets that each returning client has missed
}

// New implements [socket.AdapterConstructor].
func (r *Recovery) New(nsp socket.Namespace) socket.Adapter {
	return &recovering{(&socket.AdapterBuilder{}).New(nsp), r}
}

type recovering struct {
	socket.Adapter
	*Recovery
}

func (r *recovering) PersistSession(s *socket.SessionToPersist) { r.States.Store(s.Pid, s) }

func (r *recovering) RestoreSession(pid socket.PrivateSessionId, _ string) (*socket.Session, error) {
	if s, ok := r.States.Load(pid); ok {
		return &socket.Session{SessionToPersist: s.(*socket.SessionToPersist), MissedPackets: r.Missed}, nil
	}
	return nil, nil
}

// Lose closes c, whose socket in "/" has the private ID pid, and waits until the socket
// has left: the host keeps its state before it removes it from its rooms
// (socket/socket.go:629), and the restored one has its ID. No real client comes back so
// soon.
func (r *Recovery) Lose(tb testing.TB, s *Server, c *Client, pid string) {
	tb.Helper()
	var left atomic.Bool
	s.IO.Sockets().Sockets().Range(func(_ socket.SocketId, so *socket.Socket) bool {
		_ = so.On("disconnect", func(...any) { left.Store(true) })
		return true
	})
	c.Close()
	Eventually(tb, "the state is kept, and the socket has left", func() bool {
		_, kept := r.States.Load(socket.PrivateSessionId(pid))
		return kept && left.Load()
	})
}
