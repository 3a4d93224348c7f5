package presence_test

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// object is a JSON object that a client received.
type object = map[string]any

// query is the user that a client says to be.
func query(s *socket.Socket) (string, bool) {
	q := s.Request().Request().URL.Query()
	return q.Get("user"), q.Has("user")
}

// newTracker returns a Tracker that is closed with the test.
func newTracker(t testing.TB, o *presence.Options) *presence.Tracker {
	t.Helper()
	return trackerOf(t, query, o)
}

func trackerOf(t testing.TB, user func(*socket.Socket) (string, bool), o *presence.Options) *presence.Tracker {
	t.Helper()
	p, err := presence.New(user, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// server is a server whose users are known.
type server struct {
	*siotest.Server
	p       *presence.Tracker
	sockets chan *socket.Socket // those that have connected
}

// serve starts a server all of whose namespaces know their users.
func serve(t testing.TB, p *presence.Tracker, setup ...func(io *socket.Server)) *server {
	t.Helper()
	o := socket.DefaultServerOptions()
	o.SetAllowEIO3(true)
	return serveWith(t, o, p, setup...)
}

func serveWith(t testing.TB, o *socket.ServerOptions, p *presence.Tracker, setup ...func(io *socket.Server)) *server {
	t.Helper()
	s := &server{p: p, sockets: make(chan *socket.Socket, 2000)}
	s.Server = siotest.Config{
		Options: wrap.Harden(o),
		Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) },
	}.NewServer(t, func(io *socket.Server) {
		wrap.UseAll(io, p.Middleware())
		for _, nsp := range []socket.Namespace{io.Sockets(), io.Of("/other", nil)} {
			_ = nsp.On("connection", func(args ...any) { s.sockets <- args[0].(*socket.Socket) })
		}
		for _, f := range setup {
			f(io)
		}
	})
	return s
}

// as is a client of a user.
func as(user string) siotest.Dial { return siotest.Dial{Query: url.Values{"user": {user}}} }

// join connects a client, and returns its socket too.
func (s *server) join(t testing.TB, d siotest.Dial) (*siotest.Client, *socket.Socket) {
	t.Helper()
	c := s.Dial(t, d)
	c.Connected(t)
	return c, <-s.sockets
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
		t.Fatalf("kicked %v, want %q", args, want)
	}
	for {
		if p := c.Next(t); p.Type == siotest.TypeDisconnect {
			data, _ := args[0].(object)
			return data
		}
	}
}

// rejected checks that a CONNECT is refused.
func rejected(t testing.TB, c *siotest.Client, want string) {
	t.Helper()
	if p := c.ConnectError(t); code(p.Data) != want {
		t.Errorf("code %q, want %q: %v", code(p.Data), want, p.Data)
	}
}

// log collects changes.
type log struct {
	mu      sync.Mutex
	changes []presence.Change
}

// watch returns what p reports from now on, checked for its order.
func watch(t testing.TB, p *presence.Tracker) *log {
	t.Helper()
	l := new(log)
	t.Cleanup(p.Watch(func(c presence.Change) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.changes = append(l.changes, c)
	}))
	t.Cleanup(func() { l.check(t) })
	return l
}

func (l *log) all() []presence.Change {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]presence.Change(nil), l.changes...)
}

// of returns the changes of a kind, of one user if that is not "".
func (l *log) of(kind presence.Kind, user string) (some []presence.Change) {
	for _, c := range l.all() {
		if c.Kind == kind && (user == "" || c.User == user) {
			some = append(some, c)
		}
	}
	return some
}

// await waits until there are n changes of a kind of a user, and returns the last.
func (l *log) await(t testing.TB, kind presence.Kind, user string, n int) presence.Change {
	t.Helper()
	siotest.Eventually(t, "a change", func() bool { return len(l.of(kind, user)) >= n })
	some := l.of(kind, user)
	if len(some) != n {
		t.Errorf("%d changes %v of %q, want %d: %+v", len(some), kind, user, n, some)
	}
	return some[len(some)-1]
}

// check checks that versions grow, and that those who come were not there.
func (l *log) check(t testing.TB) {
	t.Helper()
	type key struct{ room, user string }
	versions, there := make(map[key]uint64), make(map[key]bool)
	for _, c := range l.all() {
		k := key{c.Room, c.User}
		if c.Version <= versions[k] {
			t.Errorf("version %d after %d: %+v", c.Version, versions[k], c)
		}
		versions[k] = c.Version
		comes := c.Kind == presence.Online || c.Kind == presence.Joined
		goes := c.Kind == presence.Offline || c.Kind == presence.Left
		if (comes || goes) && there[k] == comes {
			t.Errorf("told twice: %+v", c)
		}
		if comes || goes {
			there[k] = comes
		}
	}
}

// status returns what p says of a user.
func status(t testing.TB, p *presence.Tracker, user string) presence.Status {
	t.Helper()
	all, err := p.Status(t.Context(), user)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	return all[0]
}

// members returns the users in a room.
func members(t testing.TB, p *presence.Tracker, room string) map[string]presence.Member {
	t.Helper()
	all := make(map[string]presence.Member)
	for m, err := range p.Members(t.Context(), room) {
		if err != nil {
			t.Fatal(err)
		}
		all[m.User] = m
	}
	return all
}

const short = 100 * time.Millisecond
