package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/sessions"
	"github.com/sioware/sioware/session"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

const (
	visits = session.Key[int]("visits")
	user   = session.Key[string]("user")
)

// siteOptions are the options of a site.
type siteOptions struct {
	session.Options
	alone bool // no Handler
	lobby bool // "/lobby" needs no session
	setup func(m *session.Manager, io *socket.Server)
}

// site is a server whose sockets have sessions, shared with its pages.
type site struct {
	*server
	m     *session.Manager
	store *outage
	pages *httptest.Server
	hold  chan struct{} // if not nil, the answer to a ticket is delayed until it is closed
}

// outage is a store that can be down.
type outage struct {
	*sessions.FilesystemStore
	dir  string
	down atomic.Bool
}

func (o *outage) New(r *http.Request, name string) (*sessions.Session, error) {
	if o.down.Load() {
		return nil, errors.New("connection to 10.0.0.1 refused")
	}
	return o.FilesystemStore.New(r, name)
}

func serveSite(t *testing.T, o siteOptions) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{store: &outage{
		FilesystemStore: sessions.NewFilesystemStore(dir, []byte("0123456789abcdef0123456789abcdef")), dir: dir,
	}}
	o.Logger = slog.New(slog.DiscardHandler)
	m, err := session.New(s.store, "sid", &o.Options)
	if err != nil {
		t.Fatal(err)
	}
	s.m = m
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	chain := []wrap.Middleware{m.Handler}
	if o.alone {
		chain = nil
	}
	s.server = serve(t, nil, func(io *socket.Server) {
		lobby(io)
		if o.lobby {
			io.Use(m.Middleware())
		} else {
			wrap.UseAll(io, m.Middleware())
		}
		if o.setup != nil {
			o.setup(m, io)
		}
		onConnection(io.Sockets(), s.handle)
	}, chain...)
	s.pages = httptest.NewServer(s.routes())
	t.Cleanup(s.pages.Close)
	return s
}

func visit(values map[any]any) error {
	visits.Set(values, visits.In(values)+1)
	return nil
}

func logIn(values map[any]any) error {
	user.Set(values, "ada")
	return nil
}

// seen returns what clients are shown of a session.
func seen(mine *session.Session) object {
	n, _ := visits.Get(mine)
	name, _ := user.Get(mine)
	return object{"room": string(mine.Room()), "visits": n, "user": name}
}

// handle answers events.
func (s *site) handle(so *socket.Socket) {
	echo(so)
	answer := func(event string, f func(mine *session.Session) (any, error)) {
		_ = so.On(event, func(args ...any) {
			var v any
			if mine, ok := s.m.From(so); ok {
				var err error
				if v, err = f(mine); err != nil {
					v = err.Error()
				}
			}
			args[len(args)-1].(socket.Ack)([]any{v}, nil)
		})
	}
	answer("who", func(mine *session.Session) (any, error) { return seen(mine), nil })
	answer("visit", func(mine *session.Session) (any, error) {
		err := mine.Update(context.Background(), visit)
		return seen(mine), err
	})
	answer("reload", func(mine *session.Session) (any, error) {
		err := mine.Reload(context.Background())
		return seen(mine), err
	})
	answer("login", func(mine *session.Session) (any, error) { return mine.Renew(logIn) })
}

// routes returns the pages.
func (s *site) routes() http.Handler {
	mux := http.NewServeMux()
	route := func(pattern string, f func(w http.ResponseWriter, r *http.Request) (any, error)) {
		mux.Handle(pattern, s.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			v, err := f(w, r)
			if err != nil {
				v = err.Error()
			}
			_ = json.NewEncoder(w).Encode(v)
		})))
	}
	route("GET /who", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		if mine, ok := s.m.FromContext(r.Context()); ok {
			return seen(mine), nil
		}
		return nil, nil
	})
	route("POST /visit", func(_ http.ResponseWriter, r *http.Request) (any, error) {
		mine, ok := s.m.FromContext(r.Context())
		if !ok {
			return nil, session.ErrMissing
		}
		err := mine.Update(r.Context(), visit)
		return seen(mine), err
	})
	route("POST /gorilla", func(w http.ResponseWriter, r *http.Request) (any, error) {
		mine, err := s.store.Get(r, "sid")
		if err != nil {
			return nil, err
		}
		_ = visit(mine.Values)
		return nil, mine.Save(r, w)
	})
	route("POST /login", func(w http.ResponseWriter, r *http.Request) (any, error) {
		return nil, s.m.Renew(r.Context(), w, r, logIn)
	})
	route("POST /logout", func(w http.ResponseWriter, r *http.Request) (any, error) {
		return s.m.Destroy(r.Context(), w, r)
	})
	mux.HandleFunc("POST /session", func(w http.ResponseWriter, r *http.Request) {
		s.m.Claim(w, r)
		if s.hold != nil {
			<-s.hold // nothing has been sent so far
		}
	})
	return mux
}

// browse connects a browser, which keeps cookies.
func (s *site) browse(t *testing.T, v variant, edit ...func(*scenario)) *client {
	t.Helper()
	return connect(t, v, s.server, func(sc *scenario) {
		sc.Pages = s.pages.URL
		sc.Responses = true
		sc.Listen = []string{"kicked"}
		for _, f := range edit {
			f(sc)
		}
	})
}

// visitor connects a client that sends a fixed cookie, whatever it is told.
func (s *site) visitor(t *testing.T, v variant, cookie string, edit ...func(*scenario)) *client {
	t.Helper()
	return s.browse(t, v, append(edit, func(sc *scenario) {
		sc.Pages = ""
		sc.Options["extraHeaders"] = object{"Cookie": cookie}
	})...)
}

// signedIn returns the cookie of a session.
func (s *site) signedIn(t *testing.T) string {
	t.Helper()
	w := httptest.NewRecorder()
	if err := s.m.Renew(t.Context(), w, httptest.NewRequest(http.MethodPost, "/login", nil), logIn); err != nil {
		t.Fatal(err)
	}
	cookie, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
	return cookie
}

// fetch makes the browser request a page.
func (c *client) fetch(t *testing.T, method, path, body string) record {
	t.Helper()
	n := len(c.all("fetched"))
	c.do(t, action{Do: "fetch", Method: method, Path: path, Body: body})
	return c.await(t, n+1, "fetched")[n]
}

// steady waits until all connections have been upgraded, if they will be: from then on
// they may end (see skipTorn).
func (c *client) steady(t *testing.T) {
	t.Helper()
	if c.kind.upgrades() {
		c.await(t, len(c.all("open")), "upgrade")
	}
}

// given returns the cookie that r sets, as a client sends it, or "".
func given(r record) string {
	for _, line := range r.Headers["set-cookie"] {
		if cookie, _, _ := strings.Cut(line, ";"); strings.HasPrefix(cookie, "sid=") {
			return cookie
		}
	}
	return ""
}

// tab limits await and all to one connection.
func tab(conn int) func(record) bool {
	return func(r record) bool { return r.Conn == conn }
}

// wantSeen checks what a client was shown of its session, and returns its room.
func wantSeen(t *testing.T, got any, n int, name string) (room string) {
	t.Helper()
	data, _ := got.(object)
	room, _ = data["room"].(string)
	if room == "" || data["visits"] != float64(n) || data["user"] != name {
		t.Errorf("got %v, want %d visits of %q", got, n, name)
	}
	return room
}

// parsed returns the decoded JSON of a page.
func parsed(t *testing.T, r record) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.Body), &v); err != nil || r.Status != http.StatusOK {
		t.Fatalf("%v: %s", err, r.raw)
	}
	return v
}

// wantOut waits until a connection of the client has been ended because its session has
// ended, or has a new ID.
func wantOut(t *testing.T, c *client, conn int, renewed bool) {
	t.Helper()
	gone := c.await(t, 1, "disconnect", tab(conn))[0]
	if gone.Reason != "io server disconnect" || gone.Connected {
		t.Errorf("disconnected by %s", gone.raw)
	}
	why := &wrap.Error{Code: "session_expired"}
	if renewed {
		why.RetryAfter = time.Second
	}
	kicked := c.all("event", named("kicked"), tab(conn))
	if len(kicked) != 1 || jsonOf(kicked[0].Args) != jsonOf([]any{why.ClientData()}) {
		t.Errorf("kicked: %v, want %v; %s", kicked, why.ClientData(), c.history())
	}
}

// wantAway checks that a client which was kicked does not come back by itself.
func wantAway(t *testing.T, c *client) {
	t.Helper()
	connects := len(c.all("connect"))
	c.idle(t)
	if len(c.all("reconnect_attempt")) != 0 || len(c.all("connect")) != connects || len(c.all(c.kind.refusal())) != 0 {
		t.Errorf("the client came back; %s", c.history())
	}
}

// lose removes all sessions from the store.
func (s *site) lose(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.store.dir, "session_*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v: %v", files, err)
	}
	for _, name := range files {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}
