package compat_test

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/socket.io/v2/socket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The store that scs.New makes has a goroutine that cannot be stopped safely.
	const cleanup = "github.com/alexedwards/scs/v2/memstore.(*MemStore).startCleanup"
	siotest.Main(m, nil, append(siotest.IgnoreHostTimers(), goleak.IgnoreTopFunction(cleanup))...)
}

// place is where a chain is put; a row of a table names several.
type place int

const (
	handler   place = 1 << iota // wrap.Handler
	engineUse                   // wrap.Engine
	every                       // wrap.Every
	namespace                   // wrap.Namespace
	around                      // outside wrap.Handler

	handshake = handler | engineUse
	requests  = handler | engineUse | every
	anywhere  = requests | namespace
)

var places = map[place]string{
	handler: "handler", engineUse: "engine", every: "every", namespace: "namespace", around: "around",
}

// mode is how a client connects.
type mode string

const (
	webSocket mode = "websocket"
	polling   mode = "polling"
	upgraded  mode = "upgrade" // polling first
)

// row is one middleware, and what must be visible of it.
type row struct {
	name string
	at   place
	// refuses says that no session is opened: there is nothing to upgrade.
	refuses bool
	test    func(t *testing.T, e env)
}

// env is one place and one mode.
type env struct {
	at   place
	mode mode
}

// run runs every row at its places in all modes.
func run(t *testing.T, rows []row) {
	t.Parallel()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for at, name := range places {
				if r.at&at == 0 {
					continue
				}
				for _, m := range []mode{webSocket, polling, upgraded} {
					if m == upgraded && r.refuses {
						continue
					}
					t.Run(name+"/"+string(m), func(t *testing.T) {
						t.Parallel()
						r.test(t, env{at, m})
					})
				}
			}
		})
	}
}

// status is the status that a middleware sees for a successful handshake.
func (e env) status() int {
	if e.mode == webSocket && e.at != namespace {
		return http.StatusSwitchingProtocols
	}
	return http.StatusOK
}

// once reports whether the chain runs once per session.
func (e env) once() bool { return e.at&(every|around) == 0 }

// heard reports whether a client sees the response headers of the chain.
func (e env) heard() bool { return e.at != namespace }

// encodings is what a browser sends with a WebSocket handshake. For polling, net/http's
// client adds it by itself, and decodes the answer.
func (e env) encodings() http.Header {
	if e.mode == webSocket {
		return http.Header{"Accept-Encoding": {"gzip"}}
	}
	return nil
}

// site is a server with a chain in one place.
type site struct {
	*siotest.Server
	env
	runs   atomic.Int32 // of the whole chain
	joined sync.Map     // id to *socket.Socket
}

// serve starts a server that runs mws at the place of e.
func (e env) serve(t *testing.T, mws ...wrap.Middleware) *site {
	t.Helper()
	return e.serveWith(t, nil, mws...)
}

// serveWith is serve with options of the host.
func (e env) serveWith(t *testing.T, options *socket.ServerOptions, mws ...wrap.Middleware) *site {
	t.Helper()
	s := &site{env: e}
	mws = append(mws, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.runs.Add(1)
			next.ServeHTTP(w, r)
		})
	})
	config := siotest.Config{Options: options}
	switch e.at {
	case handler:
		config.Handler = func(h http.Handler) http.Handler { return wrap.Handler(h, mws...) }
	case around:
		config.Handler = func(h http.Handler) http.Handler {
			h = wrap.Handler(h)
			for i := len(mws) - 1; i >= 0; i-- {
				h = mws[i](h)
			}
			return h
		}
	case engineUse:
		config.Engine = func(eng engine.BaseServer) { eng.Use(wrap.Engine(mws...)) }
	case every:
		config.Engine = func(eng engine.BaseServer) { eng.Use(wrap.Every(mws...)) }
	case namespace:
		config.Handler = func(h http.Handler) http.Handler { return wrap.Handler(h) }
	}
	// net/http reports what should not happen here: a second status, a write to a
	// connection that is no longer its own, an uncaught panic.
	t.Cleanup(func() {
		if log := s.ErrorLog(); log != "" {
			t.Errorf("net/http logged: %s", log)
		}
	})
	s.Server = config.NewServer(t, func(io *socket.Server) {
		if e.at == namespace {
			io.Use(wrap.Namespace(mws...))
		}
		_ = io.On("connection", func(args ...any) {
			sock := args[0].(*socket.Socket)
			_ = sock.On("echo", func(args ...any) {
				if ack, ok := args[len(args)-1].(socket.Ack); ok {
					ack(args[:len(args)-1], nil)
				}
			})
			s.joined.Store(string(sock.Id()), sock)
		})
	})
	return s
}

// visit is a client that was admitted.
type visit struct {
	*siotest.Client
	socket *socket.Socket
	header http.Header // of the handshake's response
}

// admit opens a session, joins "/", and proves that the connection works. In
// the mode upgraded it then does the same over WebSocket.
func (s *site) admit(t *testing.T, header http.Header) visit {
	t.Helper()
	before := s.runs.Load()
	c := s.Dial(t, siotest.Dial{Header: header, Polling: s.mode != webSocket})
	id, _ := c.Connected(t).Data.(map[string]any)["sid"].(string)
	sock, ok := s.joined.Load(id)
	if !ok {
		t.Fatalf("socket %q is not there", id)
	}
	echo(t, c)
	if s.mode == upgraded {
		c.Upgrade(t)
		echo(t, c)
	}
	if ran := s.runs.Load() - before; s.once() && ran != 1 {
		t.Errorf("the chain ran %d times for one session", ran)
	}
	return visit{c, sock.(*socket.Socket), c.Handshake.Header}
}

var long = strings.Repeat("long ", 1000)

func echo(t *testing.T, c *siotest.Client) {
	t.Helper()
	for _, word := range []string{"hello", long} { // the host compresses a long one itself
		if p := c.EmitAck(t, "echo", word); len(p.Args()) != 1 || p.Args()[0] != word {
			t.Errorf("echo: %.100s", p)
		}
	}
}

// refusal is what a refused client is told.
type refusal struct {
	status int
	body   string
	header http.Header // nil in a namespace
	retry  time.Duration
}

// refuse expects that no session is opened, or that "/" refuses.
func (s *site) refuse(t *testing.T, header http.Header) refusal {
	t.Helper()
	d := siotest.Dial{Header: header, Polling: s.mode != webSocket}
	if s.at == namespace {
		p := s.Dial(t, d).ConnectError(t)
		packet, _ := p.Data.(map[string]any)
		data, _ := packet["data"].(map[string]any)
		status, _ := data["status"].(float64)
		ms, _ := data["retryAfterMs"].(float64)
		if code := "http_" + strconv.Itoa(int(status)); data["code"] != code {
			t.Errorf("code %v, want %s", data["code"], code)
		}
		return refusal{status: int(status), body: p.Message(), retry: time.Duration(ms) * time.Millisecond}
	}
	clients := s.IO.Engine().ClientsCount()
	_, err := s.Open(t, d)
	var refused *siotest.RefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("not refused: %v", err)
	}
	if n := s.IO.Engine().ClientsCount(); n != clients {
		t.Errorf("%d sessions after a refusal, before it %d", n, clients)
	}
	seconds, _ := strconv.Atoi(refused.Header.Get("Retry-After"))
	return refusal{refused.Status, strings.TrimSpace(refused.Body), refused.Header, time.Duration(seconds) * time.Second}
}

// want checks what a client was told.
func (r refusal) want(t *testing.T, status int, body string) {
	t.Helper()
	if r.status != status || r.body != body {
		t.Errorf("refused with %d %q, want %d %q", r.status, r.body, status, body)
	}
}
