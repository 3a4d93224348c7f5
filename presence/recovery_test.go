package presence_test

import (
	"sync"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/zishang520/socket.io/v2/socket"
)

// adapters makes a function an adapter's constructor.
type adapters func(nsp socket.Namespace) socket.Adapter

func (f adapters) New(nsp socket.Namespace) socket.Adapter { return f(nsp) }

// remembering is an adapter that restores sessions. The host's own panics in
// NewServer from Go 1.26 on (utils/timer.go:26 of engine.io).
type remembering struct {
	socket.Adapter
	states *sync.Map
}

func (a *remembering) PersistSession(s *socket.SessionToPersist) { a.states.Store(s.Pid, s) }

func (a *remembering) RestoreSession(pid socket.PrivateSessionId, _ string) (*socket.Session, error) {
	if s, ok := a.states.Load(pid); ok {
		return &socket.Session{SessionToPersist: s.(*socket.SessionToPersist)}, nil
	}
	return nil, nil
}

// TestRecovery: a socket that comes back with the state of another user is refused; one
// that comes back with its own joins again, and was never away. Where the host was told
// to skip middlewares nobody comes in.
func TestRecovery(t *testing.T) {
	t.Parallel()
	for _, skip := range []bool{false, true} {
		states := new(sync.Map)
		o := socket.DefaultServerOptions()
		r := &socket.ConnectionStateRecovery{}
		r.SetSkipMiddlewares(skip)
		o.SetConnectionStateRecovery(r)
		o.SetAdapter(adapters(func(nsp socket.Namespace) socket.Adapter {
			return &remembering{(&socket.AdapterBuilder{}).New(nsp), states}
		}))
		p := newTracker(t, nil)
		l := watch(t, p)
		s := serveWith(t, o, p)
		if skip {
			rejected(t, s.Dial(t, as("alice")), "internal")
			continue
		}
		c, so := s.join(t, as("alice"))
		if err := p.Join(t.Context(), so, "lobby", "m"); err != nil {
			t.Fatal(err)
		}
		c.Close()
		var pid any
		siotest.Eventually(t, "the state is persisted", func() bool {
			states.Range(func(key, _ any) bool { pid = key; return false })
			return pid != nil
		})
		back := func(d siotest.Dial) siotest.Dial {
			d.Auth = object{"pid": pid, "offset": "0"}
			return d
		}
		rejected(t, s.Dial(t, back(as("bob"))), "forbidden")
		rejected(t, s.Dial(t, back(siotest.Dial{})), "forbidden")
		siotest.Eventually(t, "grace", func() bool { return len(members(t, p, "lobby")["alice"].Devices) == 0 })
		_, so = s.join(t, back(as("alice")))
		if !so.Recovered() || !so.Rooms().Has("lobby") || !so.Rooms().Has(p.Room("alice")) {
			t.Errorf("recovered %v, in %v", so.Recovered(), so.Rooms().Keys())
		}
		if m := members(t, p, "lobby")["alice"]; len(m.Devices) != 0 {
			t.Errorf("joined by itself: %+v", m)
		}
		if err := p.Join(t.Context(), so, "lobby", "m"); err != nil {
			t.Error(err)
		}
		if all := l.all(); len(all) != 2 {
			t.Errorf("%+v", all)
		}
	}
}
