package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestMain(m *testing.M) { siotest.Main(m, nil, siotest.IgnoreHostTimers()...) }

// secret signs the cookies of the tests.
var secret = []byte("0123456789abcdef0123456789abcdef")

// object is a JSON object that a client received.
type object = map[string]any

func files(t testing.TB) sessions.Store {
	t.Helper()
	return sessions.NewFilesystemStore(t.TempDir(), secret)
}

// newManager returns a Manager that is closed with the test.
func newManager(t testing.TB, store sessions.Store, o *session.Options) *session.Manager {
	t.Helper()
	m, err := session.New(store, "sid", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return m
}

// server is a server whose sockets have sessions.
type server struct {
	*siotest.Server
	m       *session.Manager
	sockets chan *socket.Socket // those that have connected
}

// serve starts a server whose namespaces all have sessions.
func serve(t testing.TB, m *session.Manager, setup ...func(io *socket.Server)) *server {
	t.Helper()
	o := socket.DefaultServerOptions()
	o.SetAllowEIO3(true)
	s := &server{m: m, sockets: make(chan *socket.Socket, 2000)}
	s.Server = siotest.Config{
		Options: wrap.Harden(o),
		Handler: func(h http.Handler) http.Handler { return wrap.Handler(h, m.Handler) },
	}.NewServer(t, func(io *socket.Server) {
		wrap.UseAll(io, m.Middleware())
		for _, nsp := range []socket.Namespace{io.Sockets(), io.Of("/other", nil)} {
			_ = nsp.On("connection", func(args ...any) { s.sockets <- args[0].(*socket.Socket) })
		}
		for _, f := range setup {
			f(io)
		}
	})
	return s
}

// visit makes a session as a browser would have it, and returns its Cookie header.
func (s *server) visit(t testing.TB) string {
	t.Helper()
	return visit(t, s.m)
}

func visit(t testing.TB, m *session.Manager) string {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "http://host.example/login", nil)
	if err := m.Renew(t.Context(), w, r, nil); err != nil {
		t.Fatal(err)
	}
	return cookie(t, w)
}

// request runs f behind m.Handler on a route of its own.
func request(m *session.Manager, cookie string, f http.HandlerFunc) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "http://host.example/page", nil)
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	w := httptest.NewRecorder()
	m.Handler(f).ServeHTTP(w, r)
	return w
}

// cookie returns what a browser sends after w.
func cookie(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	for _, c := range w.Result().Cookies() {
		if c.Name == "sid" {
			return c.Name + "=" + c.Value
		}
	}
	t.Fatalf("no cookie in %v", w.Result().Header)
	return ""
}

// with is a client that has a cookie.
func with(cookie string) siotest.Dial {
	if cookie == "" {
		return siotest.Dial{}
	}
	return siotest.Dial{Header: http.Header{"Cookie": {cookie}}}
}

// join connects a client, and returns its session too.
func (s *server) join(t testing.TB, d siotest.Dial) (*siotest.Client, *session.Session) {
	t.Helper()
	c := s.Dial(t, d)
	c.Connected(t)
	so := <-s.sockets
	sess, ok := s.m.From(so)
	if !ok {
		t.Fatal("no session")
	}
	return c, sess
}

// code returns what a client was told.
func code(data any) string {
	m, _ := data.(object)
	if inner, ok := m["data"].(object); ok {
		m = inner
	}
	c, _ := m["code"].(string)
	return c
}

// kicked checks that a client is told why, and disconnected.
func kicked(t testing.TB, c *siotest.Client, want string) object {
	t.Helper()
	args := c.NextEvent(t, "kicked").Args()
	if len(args) != 1 || code(args[0]) != want {
		t.Errorf("kicked %v, want %q", args, want)
	}
	for {
		if p := c.Next(t); p.Type == siotest.TypeDisconnect {
			data, _ := args[0].(object)
			return data
		}
	}
}

// count is the value that the tests change.
const count = session.Key[int]("count")

func add(values map[any]any) error {
	count.Set(values, count.In(values)+1)
	return nil
}

// TestUpdateAtOnce: no change is lost, whoever makes it.
func TestUpdateAtOnce(t *testing.T) {
	for _, polling := range []bool{false, true} {
		s := serve(t, newManager(t, files(t), nil))
		cookie := s.visit(t)
		d := with(cookie)
		d.Polling = polling
		c, one := s.join(t, d)
		c.Connect("/other", nil)
		c.Connected(t)
		two, _ := s.m.From(<-s.sockets)
		if one != two {
			t.Error("two namespaces of one connection have two sessions")
		}
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				update := one.Update
				if i%2 == 0 {
					request(s.m, cookie, func(_ http.ResponseWriter, r *http.Request) {
						here, ok := s.m.FromContext(r.Context())
						if !ok {
							t.Error("no session")
							return
						}
						update = here.Update
					})
				}
				if err := update(t.Context(), add); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if err := one.Reload(t.Context()); err != nil {
			t.Error(err)
		}
		if n, ok := count.Get(one); n != 100 || !ok {
			t.Errorf("100 increments end at %d", n)
		}
	}
}

// TestDestroy: a client that logs out is out everywhere, and stays out.
func TestDestroy(t *testing.T) {
	s := serve(t, newManager(t, files(t), nil))
	cookie := s.visit(t)
	c, mine := s.join(t, with(cookie))
	other, _ := s.join(t, with(cookie))
	r := httptest.NewRequest(http.MethodPost, "http://host.example/logout", nil)
	r.Header.Set("Cookie", cookie)
	w := httptest.NewRecorder()
	n, err := s.m.Destroy(t.Context(), w, r)
	if n != 2 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if set := w.Header().Values("Set-Cookie"); len(set) != 1 || !strings.Contains(set[0], "Max-Age=0") {
		t.Errorf("Set-Cookie: %q", set)
	}
	kicked(t, c, "session_expired")
	kicked(t, other, "session_expired")
	if err := mine.Update(t.Context(), add); !errors.Is(err, session.ErrGone) {
		t.Errorf("Update: %v", err)
	}
	if again, _ := s.join(t, with(cookie)); again == nil { // it gets a new one
		t.Error("no session")
	}
}
