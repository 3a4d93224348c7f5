package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/zishang520/socket.io/v2/socket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// A client that is killed during long-polling leaves a timer of the host behind for
	// up to 30 seconds (transports/polling.go:394).
	siotest.Main(m, nil, goleak.IgnoreTopFunction("github.com/zishang520/engine.io/v2/utils.SetTimeout.func1"))
}

var quiet = slog.New(slog.DiscardHandler)

// usual configures a hub in which nothing happens by itself during a test.
func usual() config {
	return config{addr: "127.0.0.1:0", token: time.Hour, grace: time.Minute, beat: time.Hour}
}

// program is the hub as run starts it.
type program struct {
	*siotest.Server
	*hub
	handler http.Handler
}

func start(t *testing.T, c config) *program {
	t.Helper()
	p := new(program)
	t.Cleanup(func() { // after the server
		if p.hub != nil {
			p.close()
		}
	})
	p.Server = siotest.Config{
		Options: options(),
		Handler: func(http.Handler) http.Handler { return p.handler },
	}.NewServer(t, func(sio *socket.Server) {
		var err error
		if p.hub, err = newHub(sio, c, quiet); err != nil {
			t.Fatal(err)
		}
		p.handler = p.hub.handler(sio)
	})
	return p
}

// post signs in.
func (p *program) post(t *testing.T, body string) (int, map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/login", bytes.NewBufferString(body)))
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%d, %q: %v", w.Code, w.Body, err)
	}
	return w.Code, answer
}

func (p *program) token(t *testing.T, code string) string {
	t.Helper()
	status, answer := p.post(t, `{"code": "`+code+`"}`)
	token, _ := answer["token"].(string)
	if status != http.StatusOK || token == "" {
		t.Fatalf("%d, %v", status, answer)
	}
	return token
}

// sign returns a token of this hub, with any claims.
func (p *program) sign(t *testing.T, c jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(p.login.secret)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// kind is a kind of client.
type kind struct {
	name    string
	eio     int
	polling bool
}

var kinds = []kind{
	{"EIO3 WebSocket", 3, false}, {"EIO3 polling", 3, true},
	{"EIO4 WebSocket", 4, false}, {"EIO4 polling", 4, true},
}

// each runs a test with all kinds of clients.
func each(t *testing.T, f func(t *testing.T, k kind)) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			f(t, k)
		})
	}
}

// dial connects to "/user" with a token in the URL, as the mini program does: version 2
// of the client also puts it in the query of the namespace.
func (p *program) dial(t *testing.T, k kind, token string) *siotest.Client {
	t.Helper()
	d := siotest.Dial{Namespace: "/user", EIO: k.eio, Polling: k.polling}
	if token != "" {
		d.Query = url.Values{"token": {token}}
		if k.eio == 3 {
			d.Auth = d.Query
		}
	}
	return p.Dial(t, d)
}

// enter connects a player, and returns the table in the welcome.
func (p *program) enter(t *testing.T, k kind, code string) (*siotest.Client, *table) {
	t.Helper()
	c := p.dial(t, k, p.token(t, code))
	welcome := read[struct {
		OpenID string
		Table  *table
	}](t, c.NextEvent(t, "welcome").Args())
	if welcome.OpenID != "openid-"+code {
		t.Fatalf("welcome, %q", welcome.OpenID)
	}
	return c, welcome.Table
}

// game seats two players.
func (p *program) game(t *testing.T, k kind) (ada, bob *siotest.Client) {
	t.Helper()
	ada, _ = p.enter(t, k, "ada")
	bob, _ = p.enter(t, k, "bob")
	sees(t, ada, ada.EmitAck(t, "join").Args(), table{Players: []player{{"openid-ada", online}}, Board: "........."})
	want := table{Players: []player{{"openid-ada", online}, {"openid-bob", online}}, Board: ".........", Turn: "openid-ada"}
	sees(t, bob, bob.EmitAck(t, "join").Args(), want)
	shown(t, ada, want)
	return ada, bob
}

// shown waits for the next table, and nothing else may come before it.
func shown(t *testing.T, c *siotest.Client, want table) {
	t.Helper()
	same(t, read[table](t, next(t, c, "table")), want)
}

// sees is shown after the player's own action: the answer says the same.
func sees(t *testing.T, c *siotest.Client, answer []any, want table) {
	t.Helper()
	same(t, read[table](t, answer), want)
	shown(t, c, want)
}

func same(t *testing.T, got, want table) {
	t.Helper()
	got.ID = 0
	g, _ := json.Marshal(got)
	if w, _ := json.Marshal(want); !bytes.Equal(g, w) {
		t.Errorf("got %s, want %s", g, w)
	}
}

// next returns the arguments of the next packet, which must be the named event.
func next(t *testing.T, c *siotest.Client, event string) []any {
	t.Helper()
	p := c.Next(t)
	for p.Type == siotest.TypeConnect {
		p = c.Next(t)
	}
	if p.Event() != event {
		t.Fatalf("got %v, want %s", p, event)
	}
	return p.Args()
}

// read returns the only argument of an event or an answer.
func read[T any](t *testing.T, args []any) (v T) {
	t.Helper()
	b, err := json.Marshal(args)
	if err != nil || len(args) != 1 {
		t.Fatalf("got %v, want one argument", args)
	}
	if err := json.Unmarshal(b, &[]any{&v}); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return v
}

// code returns the code of a refusal, in whichever form the client gets it.
func code(data any) any {
	m, _ := data.(map[string]any)
	if inner, ok := m["data"].(map[string]any); ok {
		m = inner
	}
	return m["code"]
}

func minutes(openid any) jwt.MapClaims {
	return jwt.MapClaims{"openid": openid, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
}
