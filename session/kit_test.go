package session_test

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// quiet is for tests whose stores fail on purpose.
var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// plain does what an HTTP handler does that knows only the store. It returns
// the cookie that the browser has then. Without change it saves nothing.
func plain(t testing.TB, store sessions.Store, cookie string, change func(values map[any]any)) (*sessions.Session, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://host.example/plain", nil)
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	s, err := store.New(r, "sid")
	if change == nil {
		if s == nil {
			t.Fatal(err)
		}
		return s, cookie
	}
	if err != nil {
		t.Fatal(err)
	}
	change(s.Values)
	w := httptest.NewRecorder()
	if err := store.Save(r, w, s); err != nil {
		t.Fatal(err)
	}
	for _, c := range w.Result().Cookies() {
		cookie = c.Name + "=" + c.Value
	}
	return s, cookie
}

// post runs f for a POST with this cookie.
func post(cookie, body string, f func(w http.ResponseWriter, r *http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "http://host.example/x", strings.NewReader(body))
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	w := httptest.NewRecorder()
	f(w, r)
	return w
}

// destroy logs out over HTTP.
func destroy(t testing.TB, m *session.Manager, cookie string) (n int, w *httptest.ResponseRecorder, err error) {
	t.Helper()
	w = post(cookie, "", func(w http.ResponseWriter, r *http.Request) { n, err = m.Destroy(t.Context(), w, r) })
	return n, w, err
}

// renew signs in over HTTP.
func renew(t testing.TB, m *session.Manager, cookie string, change func(map[any]any) error) (*httptest.ResponseRecorder, error) {
	t.Helper()
	var err error
	w := post(cookie, "", func(w http.ResponseWriter, r *http.Request) { err = m.Renew(t.Context(), w, r, change) })
	return w, err
}

// given returns what a browser sends after the handshake of c.
func given(t testing.TB, c *siotest.Client) string {
	t.Helper()
	cookies := c.Handshake.Cookies()
	if len(cookies) != 1 || cookies[0].Name != "sid" || cookies[0].Value == "" {
		t.Fatalf("cookies %v", cookies)
	}
	return "sid=" + cookies[0].Value
}

// turned checks that a handshake is refused.
func turned(t testing.TB, s *siotest.Server, d siotest.Dial, status int, want string) {
	t.Helper()
	c, err := s.Open(t, d)
	if err == nil {
		c.Close()
		t.Errorf("the handshake was accepted, want %q", want)
		return
	}
	var e *siotest.RefusedError
	if !errors.As(err, &e) {
		t.Error(err)
		return
	}
	told(t, e.Status, []byte(e.Body), status, want)
}

// told checks what an HTTP client is told.
func told(t testing.TB, status int, body []byte, wantStatus int, want string) {
	t.Helper()
	var data object
	_ = json.Unmarshal(body, &data)
	if status != wantStatus || code(data) != want {
		t.Errorf("got %d %s, want %d %q", status, body, wantStatus, want)
	}
	secretless(t, data)
}

// secretless checks that a client is told only what it is supposed to know.
func secretless(t testing.TB, data object) {
	t.Helper()
	if inner, ok := data["data"].(object); ok {
		secretless(t, inner)
	}
	for k, v := range data {
		text, isText := v.(string)
		if !slices.Contains([]string{"code", "status", "message", "retryable", "retryAfterMs", "data"}, k) ||
			isText && (strings.Contains(text, "store") || strings.Contains(text, "session:") || strings.Contains(text, "secret")) {
			t.Errorf("a client is told %s: %v", k, v)
		}
	}
}

// refused checks that a CONNECT is refused.
func refused(t testing.TB, s *siotest.Server, d siotest.Dial, want string) {
	t.Helper()
	c := s.Dial(t, d)
	defer c.Close()
	rejected(t, c, want)
}

func rejected(t testing.TB, c *siotest.Client, want string) {
	t.Helper()
	p := c.ConnectError(t)
	if got := code(p.Data); got != want {
		t.Errorf("code %q, want %q: %v", got, want, p.Data)
	}
	data, _ := p.Data.(object)
	secretless(t, data)
}

// setup is how a server of a test differs.
type setup struct {
	options *socket.ServerOptions
	bare    bool                    // without Manager.Handler
	before  func(io *socket.Server) // in front of the Manager's middleware
	also    func(io *socket.Server)
}

func (c setup) serve(t testing.TB, m *session.Manager) *server {
	t.Helper()
	o := c.options
	if o == nil {
		o = socket.DefaultServerOptions()
	}
	o.SetAllowEIO3(true)
	s := &server{m: m, sockets: make(chan *socket.Socket, 5000)}
	s.Server = siotest.Config{
		Options: wrap.Harden(o),
		Handler: func(h http.Handler) http.Handler {
			if c.bare {
				return wrap.Handler(h)
			}
			return wrap.Handler(h, m.Handler)
		},
	}.NewServer(t, func(io *socket.Server) {
		if c.before != nil {
			c.before(io)
		}
		wrap.UseAll(io, m.Middleware())
		for _, nsp := range []socket.Namespace{io.Sockets(), io.Of("/other", nil)} {
			_ = nsp.On("connection", func(args ...any) { s.sockets <- args[0].(*socket.Socket) })
		}
		if c.also != nil {
			c.also(io)
		}
	})
	return s
}

// adapters makes a function an adapter constructor.
type adapters func(socket.Namespace) socket.Adapter

func (f adapters) New(nsp socket.Namespace) socket.Adapter { return f(nsp) }

// bus joins servers into a cluster. What they tell each other passes through JSON, as
// it would through Redis.
type bus struct {
	mu      sync.Mutex
	nodes   []*node
	held    bool
	waiting []func()
}

type node struct {
	socket.Adapter
	bus *bus
}

func (b *bus) New(nsp socket.Namespace) socket.Adapter {
	n := &node{(&socket.AdapterBuilder{}).New(nsp), b}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nodes = append(b.nodes, n)
	return n
}

func (b *bus) options() *socket.ServerOptions {
	o := socket.DefaultServerOptions()
	o.SetAdapter(b)
	return o
}

// hold keeps back what servers tell each other, until release.
func (b *bus) hold() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = true
}

func (b *bus) release() {
	b.mu.Lock()
	waiting := b.waiting
	b.held, b.waiting = false, nil
	b.mu.Unlock()
	for _, f := range waiting {
		f()
	}
}

func (n *node) ServerSideEmit(packet []any) error {
	data, err := json.Marshal(packet)
	if err != nil {
		return err
	}
	n.bus.mu.Lock()
	defer n.bus.mu.Unlock()
	for _, other := range n.bus.nodes {
		if other == n || other.Nsp().Name() != n.Nsp().Name() {
			continue
		}
		var args []any
		if err := json.Unmarshal(data, &args); err != nil {
			return err
		}
		deliver := func() { other.Nsp().OnServerSideEmit(args) }
		if n.bus.held {
			n.bus.waiting = append(n.bus.waiting, deliver)
		} else {
			go deliver()
		}
	}
	return nil
}
