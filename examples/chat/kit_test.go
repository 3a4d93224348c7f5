package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/presence"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// program is the chat as run starts it. Raw clients connect to its sockets, and post
// everything else.
type program struct {
	*siotest.Server
	accounts *accounts
	metrics  *metrics
	online   *presence.Tracker
	handler  http.Handler
}

// roomy are limits that no test reaches by accident.
func roomy() limits {
	l := usual()
	l.connections, l.logins, l.messages = ratelimit.PerHour(1000), ratelimit.PerHour(1000), ratelimit.PerHour(1000)
	l.signals = ratelimit.PerHour(1000)
	return l
}

func newServer(t *testing.T, log *slog.Logger, lifetime time.Duration) *program {
	t.Helper()
	return newLimited(t, log, lifetime, roomy())
}

func newLimited(t *testing.T, log *slog.Logger, lifetime time.Duration, limits limits) *program {
	t.Helper()
	return newProgram(t, log, config{token: lifetime, limits: limits})
}

func newProgram(t *testing.T, log *slog.Logger, c config) *program {
	t.Helper()
	services, err := newServices(c, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := services.close(); err != nil { // after the server
			t.Error(err)
		}
	})
	p := &program{accounts: services.accounts, metrics: services.metrics, online: services.online}
	p.Server = siotest.Config{
		Options: wrap.Harden(nil),
		Handler: func(http.Handler) http.Handler { return p.handler },
	}.NewServer(t, func(sio *socket.Server) {
		newChat(sio, services)
		p.handler = newHandler(sio, services)
	})
	return p
}

// post sends JSON to an endpoint, with the cookie of a login.
func (p *program) post(t *testing.T, path string, login *http.Cookie, body any) (*http.Response, map[string]any) {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(b))
	r.Header.Set("Content-Type", "application/json")
	if login != nil {
		r.AddCookie(login)
	}
	return p.do(t, r)
}

func (p *program) do(t *testing.T, r *http.Request) (*http.Response, map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%s: %d, %q: %v", r.URL, w.Code, w.Body, err)
	}
	return w.Result(), answer
}

var quiet = slog.New(slog.DiscardHandler)

// journal is a log that may be read while it is being written.
type journal struct {
	mu sync.Mutex
	b  strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func nickname(v any) map[string]any { return map[string]any{"nickname": v} }

// join lets a new client in and returns it with its welcome.
func join(t *testing.T, srv *program, name string) (*siotest.Client, siotest.Packet) {
	t.Helper()
	c := srv.Dial(t, siotest.Dial{Auth: nickname(name)})
	c.Connected(t)
	return c, c.NextEvent(t, "welcome")
}

// announced waits until everyone in the room of a client is told that user has come or
// gone, and returns how many are left.
func announced(t *testing.T, c *siotest.Client, action string, user any) int {
	t.Helper()
	for {
		p := c.NextEvent(t, "online")
		if field(t, p, "action") != action || field(t, p, "user") != user || !ofRoom(t, p) {
			continue
		}
		clients, _ := field(t, p, "clients").([]any)
		if slices.Contains(clients, user) != (action == "join") {
			t.Fatalf("got %v", p)
		}
		return len(clients)
	}
}

// ofRoom reports whether an "online" is about a room of the chat. Guests also get those
// of their badges, at any time after they have connected.
func ofRoom(t *testing.T, p siotest.Packet) bool {
	t.Helper()
	room, _ := field(t, p, "room").(string)
	return strings.HasPrefix(room, place(""))
}

// looks waits until everyone is told that user looks like want.
func looks(t *testing.T, c *siotest.Client, user, want string) {
	t.Helper()
	for {
		p := c.NextEvent(t, "person")
		got := fmt.Sprint(field(t, p, "nickname"))
		for _, mark := range []string{"guest", "away", "typing"} {
			if field(t, p, mark) == true {
				got += " " + mark
			}
		}
		if field(t, p, "user") == user && got == want {
			return
		}
	}
}

func field(t *testing.T, p siotest.Packet, key string) any {
	t.Helper()
	if len(p.Args()) != 1 {
		t.Fatalf("got %v, want one argument", p)
	}
	m, ok := p.Args()[0].(map[string]any)
	if !ok {
		t.Fatalf("got %v, want an object", p)
	}
	return m[key]
}

// devices waits until a user has n devices.
func (p *program) devices(t *testing.T, user string, n int) {
	t.Helper()
	siotest.Eventually(t, fmt.Sprint(n, " devices of ", user), func() bool {
		all, err := p.online.Status(t.Context(), user)
		return err == nil && len(all[0].Devices) == n
	})
}

// silent checks that a client has received none of these events about itself or its room,
// up to what it sends itself.
func silent(t *testing.T, c *siotest.Client, events ...string) {
	t.Helper()
	if why := send(t, c, "anything?"); why != nil {
		t.Fatal(why)
	}
	for {
		p := c.Next(t)
		for _, event := range events {
			if p.Event() == event && (event != "online" || ofRoom(t, p)) {
				t.Errorf("got %v", p)
			}
		}
		if p.Event() == "message" && field(t, p, "text") == "anything?" {
			return
		}
	}
}
