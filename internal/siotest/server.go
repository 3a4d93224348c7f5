package siotest

import (
	"crypto/tls"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/transports"
	"github.com/zishang520/socket.io/v2/socket"
)

// Path is where the server answers.
const Path = "/socket.io/"

// Config shapes a server. The zero value is a plain server with the defaults
// of the host.
type Config struct {
	// Options are the options of the host; nil means its defaults.
	Options *socket.ServerOptions
	// Handler wraps the handler of the host, as middleware of net/http does.
	Handler func(h http.Handler) http.Handler
	// Engine is called before the server listens, when middleware of the
	// engine can still be added.
	Engine func(e engine.BaseServer)
	// TLS serves https, long-polling over HTTP/2.
	TLS bool

	// closeBound replaces the time given to a closing server, for the kit's
	// own tests.
	closeBound time.Duration
}

// Server is a real server on loopback.
type Server struct {
	// IO is the host's server; nil for the server of a [Child].
	IO *socket.Server
	// HTTP is the server in front of it; nil for the server of a [Child].
	HTTP *httptest.Server
	// URL is http://127.0.0.1:port, or https, without a path.
	URL string

	errorLog   buffer
	closeBound time.Duration
	ready      sync.Map // engine ids whose listeners are in place
	greeted    sync.Map // ids of sockets whose "connection" listeners have run
	namespaces sync.Map // name to socket.Namespace
	mu         sync.Mutex
	owners     map[testing.TB]*clientSet
	vanished   []transports.Transport
}

// NewServer starts a server with the default [Config].
func NewServer(tb testing.TB, setup func(io *socket.Server)) *Server {
	tb.Helper()
	return Config{}.NewServer(tb, setup)
}

// NewServer starts a server that lives until the test ends. setup, which may
// be nil, runs before the server listens.
//
// At the end of the test the clients opened for it are closed first, then the
// host's server, then the HTTP server. The test fails when connections or
// sockets remain.
func (c Config) NewServer(tb testing.TB, setup func(io *socket.Server)) *Server {
	tb.Helper()
	s := c.start(setup)
	tb.Cleanup(func() {
		tb.Helper()
		s.close(tb)
	})
	return s
}

// Serve starts a server without a test and returns its URL. It lives until
// the process ends, which makes it the server for a child process.
func (c Config) Serve(setup func(io *socket.Server)) (url string) {
	return c.start(setup).URL
}

func (c Config) start(setup func(io *socket.Server)) *Server {
	options := c.Options
	if options == nil {
		options = socket.DefaultServerOptions()
	}
	s := &Server{
		IO:         socket.NewServer(nil, options),
		closeBound: c.closeBound,
		owners:     make(map[testing.TB]*clientSet),
	}
	if s.closeBound == 0 {
		s.closeBound = waitBound
	}
	s.namespaces.Store("/", s.IO.Sockets())
	started := false // setup must not leave goroutines that create namespaces
	_ = s.IO.On("new_namespace", func(args ...any) {
		nsp, ok := args[0].(socket.Namespace)
		if !ok {
			return
		}
		s.namespaces.Store(nsp.Name(), nsp)
		if started {
			_ = nsp.On("connection", s.greet)
		}
	})
	if setup != nil {
		setup(s.IO)
	}
	// After setup, so that this listener runs after those of setup.
	s.namespaces.Range(func(_, v any) bool {
		_ = v.(socket.Namespace).On("connection", s.greet)
		return true
	})
	started = true
	handler := s.IO.ServeHandler(nil)
	_ = s.IO.Engine().On("connection", s.watch)
	if c.Engine != nil {
		c.Engine(s.IO.Engine())
	}
	if c.Handler != nil {
		handler = c.Handler(handler)
	}
	mux := http.NewServeMux()
	mux.Handle(Path, handler)
	s.HTTP = httptest.NewUnstartedServer(mux)
	s.HTTP.Config.ErrorLog = log.New(&s.errorLog, "", 0)
	if c.TLS {
		s.HTTP.EnableHTTP2 = true
		s.HTTP.StartTLS()
	} else {
		s.HTTP.Start()
	}
	s.URL = s.HTTP.URL
	return s
}

// tls is how clients trust the server; nil without TLS.
func (s *Server) tls() *tls.Config {
	if s.HTTP == nil || s.HTTP.TLS == nil {
		return nil
	}
	// Without the protocols of that client: a WebSocket needs HTTP/1.1.
	return &tls.Config{RootCAs: s.HTTP.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
}

// greet is the last listener of "connection".
func (s *Server) greet(args ...any) {
	if sock, ok := args[0].(*socket.Socket); ok {
		s.greeted.Store(string(sock.Id()), nil)
	}
}

// watch runs after the host has registered its own listeners on a session.
func (s *Server) watch(args ...any) {
	conn, ok := args[0].(engine.Socket)
	if !ok {
		return
	}
	s.ready.Store(conn.Id(), nil)
	var once sync.Once
	over := func(reason any) {
		once.Do(func() { s.over(conn, reason) })
	}
	_ = conn.On("close", func(args ...any) {
		var reason any
		if len(args) > 0 {
			reason = args[0]
		}
		over(reason)
	})
	if conn.ReadyState() == "closed" {
		over(nil)
	}
}

// over forgets a session and remembers its transport when it may keep a
// goroutine of the host alive. An orderly close never does.
func (s *Server) over(conn engine.Socket, reason any) {
	// Last, because the closing server takes it as the end of the session.
	defer s.ready.Delete(conn.Id())
	transport := conn.Transport()
	if transport.Name() != transports.POLLING || reason == "transport close" || reason == "forced close" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.vanished = append(s.vanished, transport)
}

// release ends what polling clients that vanished have left behind. The host
// waits 30 seconds for their next request before it closes the transport. That
// request cannot come, the session is gone, but the goroutine would count as a
// leak. Any packet takes the place of the request.
func (s *Server) release() {
	s.mu.Lock()
	vanished := s.vanished
	s.vanished = nil
	s.mu.Unlock()
	for _, transport := range vanished {
		transport.Send([]*packet.Packet{{Type: packet.NOOP}})
	}
}

// ErrorLog returns what net/http has logged so far.
func (s *Server) ErrorLog() string {
	return s.errorLog.String()
}

// close ends clients and server and reports what remains.
func (s *Server) close(tb testing.TB) {
	tb.Helper()
	// New clients can connect to the host after its Close, therefore the door
	// is shut first and requests already inside are waited for.
	_ = s.HTTP.Listener.Close()
	s.closeClients()
	s.IO.Close(nil)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.HTTP.Close()
	}()
	bound := time.NewTimer(s.closeBound)
	defer bound.Stop()
	select {
	case <-closed:
	case <-bound.C:
		tb.Errorf("siotest: HTTP requests still run %v after closing the server; its log: %s", s.closeBound, s.ErrorLog())
		return
	}
	if s.IO.Engine().ClientsCount() != 0 {
		s.IO.Close(nil)
	}
	if !until(s.closeBound, func() bool { return s.leftovers() == "" }) {
		tb.Errorf("siotest: after closing the server: %s", s.leftovers())
	}
	s.release()
}

// leftovers names the connections and sockets that are still alive.
func (s *Server) leftovers() string {
	var found []string
	if n := s.IO.Engine().ClientsCount(); n != 0 {
		found = append(found, fmt.Sprintf("%d engine clients remain", n))
	}
	s.ready.Range(func(id, _ any) bool {
		found = append(found, fmt.Sprintf("session %v has not ended", id))
		return len(found) < 5
	})
	s.namespaces.Range(func(_, v any) bool {
		nsp := v.(socket.Namespace)
		if n := nsp.Sockets().Len(); n != 0 {
			found = append(found, fmt.Sprintf("%d sockets remain in namespace %s", n, nsp.Name()))
		}
		return true
	})
	return strings.Join(found, ", ")
}

// buffer is a strings.Builder for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
