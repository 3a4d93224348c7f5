package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/socket.io/v2/socket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// Timers of the host may outlive their session: one that fires while it is
	// being stopped is never stopped (utils/timer.go:62), and Refresh after Stop
	// starts it again (utils/timer.go:15).
	const timers = "github.com/zishang520/engine.io/v2/utils."
	siotest.Main(m, nil, goleak.IgnoreAnyFunction(timers+"SetInterval.func1"), goleak.IgnoreAnyFunction(timers+"SetTimeout.func1"))
}

// findNode returns the program that runs driver.mjs. It reads the files so that go test
// runs again when one of them has changed: it cannot know what another process reads.
var findNode = sync.OnceValues(func() (string, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return "", fmt.Errorf("no Node.js: %w", err)
	}
	for _, name := range []string{"driver.mjs", "recipe_auth.mjs", "recipe_limit.mjs", "recipe_session.mjs", "package-lock.json"} {
		if _, err := os.Stat(name); err != nil {
			return "", err
		}
	}
	for _, name := range []string{"client2", "client4"} {
		if _, err := os.Stat("node_modules/" + name + "/package.json"); errors.Is(err, os.ErrNotExist) {
			return "", errors.New("the clients are not installed: run npm ci in internal/e2e")
		} else if err != nil {
			return "", err
		}
	}
	return node, nil
})

// needNode skips the test if it cannot run, which CI does not allow.
func needNode(t *testing.T) string {
	t.Helper()
	node, err := findNode()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
	return node
}

// variant is one kind of client.
type variant struct {
	client     int // 4 or 2
	transports []string
}

func (v variant) String() string {
	return fmt.Sprintf("v%d/%s", v.client, strings.Join(v.transports, "+"))
}

// polls reports whether the client's handshake is over long-polling.
func (v variant) polls() bool { return v.transports[0] == "polling" }

// upgrades reports whether the client moves to WebSocket later.
func (v variant) upgrades() bool { return len(v.transports) > 1 }

// refusal is the record of a client whose CONNECT was refused.
func (v variant) refusal() string {
	if v.client == 2 {
		return "error"
	}
	return "connect_error"
}

// each runs a test for all clients and transports.
func each(t *testing.T, f func(t *testing.T, v variant)) {
	t.Helper()
	eachOf(t, []int{4, 2}, f)
}

// eachOf runs a test for some clients and all transports.
func eachOf(t *testing.T, clients []int, f func(t *testing.T, v variant)) {
	t.Helper()
	needNode(t)
	t.Parallel()
	for _, client := range clients {
		for _, transports := range [][]string{{"polling"}, {"websocket"}, {"polling", "websocket"}} {
			v := variant{client, transports}
			t.Run(v.String(), func(t *testing.T) {
				t.Parallel()
				f(t, v)
			})
		}
	}
}

// server is a server that knows about a fault of the host.
type server struct {
	*siotest.Server
	// torn counts the sessions that died of two writes to one poll: during an
	// upgrade the host writes from a timer (engine/socket.go:349) without the
	// lock of all other writes (engine/socket.go:509).
	torn     atomic.Int32
	sessions sync.Map // engine.Socket
}

// options are those of a hardened server that takes both protocols.
func options() *socket.ServerOptions {
	o := wrap.Harden(nil)
	o.SetAllowEIO3(true)
	return o
}

// serve starts a server; nil means options(). Its namespaces are guarded, or a first event
// that follows CONNECT at once could close the connection.
func serve(t *testing.T, o *socket.ServerOptions, setup func(io *socket.Server), mws ...wrap.Middleware) *server {
	t.Helper()
	if o == nil {
		o = options()
	}
	s := new(server)
	s.Server = siotest.Config{
		Options: o,
		Engine:  s.watch,
		Handler: func(h http.Handler) http.Handler { return wrap.Handler(h, mws...) },
	}.NewServer(t, func(io *socket.Server) {
		wrap.UseAll(io, wrap.Func(func(context.Context, *socket.Socket) error { return nil }))
		if setup != nil {
			setup(io)
		}
	})
	t.Cleanup(s.release) // after the clients, before the server
	return s
}

// watch runs before the server listens.
func (s *server) watch(e engine.BaseServer) {
	_ = e.On("connection", func(args ...any) {
		session := args[0].(engine.Socket)
		s.sessions.Store(session, nil)
		_ = session.On("close", func(args ...any) {
			s.sessions.Delete(session)
			if len(args) > 1 && strings.Contains(fmt.Sprint(args[1]), "polling write error") {
				s.torn.Add(1)
			}
		})
	})
}

// release ends sessions that the server is closing over long-polling: the host waits 30
// seconds for another poll, but the client is gone. A packet replaces the poll.
func (s *server) release() {
	s.sessions.Range(func(k, _ any) bool {
		session := k.(engine.Socket)
		if transport := session.Transport(); session.ReadyState() == "closing" && transport.Name() == "polling" {
			transport.Send([]*packet.Packet{{Type: packet.NOOP}})
		}
		return true
	})
}

// excuse skips a test that cannot succeed.
func (s *server) excuse(t *testing.T) {
	t.Helper()
	if n := s.torn.Load(); n > 0 {
		t.Skipf("the host broke %d sessions during their upgrade", n)
	}
}

// onConnection runs f for each socket that has joined "/".
func onConnection(io socket.Namespace, f func(s *socket.Socket)) {
	_ = io.On("connection", func(args ...any) { f(args[0].(*socket.Socket)) })
}

// echo answers the event "echo" with its arguments.
func echo(s *socket.Socket) {
	_ = s.On("echo", func(args ...any) {
		if ack, ok := args[len(args)-1].(socket.Ack); ok {
			ack(args[:len(args)-1], nil)
		}
	})
}
