package e2e

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

var jwtSecret = []byte("0123456789abcdef0123456789abcdef")

type (
	jwtOptions = jwtauth.Options[jwtauth.Claims]
	jwtAuth    = jwtauth.Auth[jwtauth.Claims]
)

// sign returns a token of a user, with further claims.
func sign(subject string, ttl time.Duration, more ...object) string {
	now := time.Now()
	c := jwt.MapClaims{"sub": subject, "iat": now.Unix(), "exp": now.Add(ttl).Unix(), "jti": rand.Text()}
	for _, m := range more {
		for k, v := range m {
			c[k] = v
		}
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(jwtSecret)
	if err != nil {
		panic(err)
	}
	return token
}

// newAuth returns an Auth that is closed after the server of the test. By default it
// finds tokens where both clients can put them for "/": version 2 has no auth.
func newAuth(t *testing.T, o jwtOptions) *jwtAuth {
	t.Helper()
	return newAuthWith(t, jwtauth.HMAC(jwtSecret), o)
}

func newAuthWith(t *testing.T, keys jwtauth.Keys, o jwtOptions) *jwtAuth {
	t.Helper()
	if o.Sources == nil {
		o.Sources = []jwtauth.Source{jwtauth.AuthField("token"), jwtauth.Query("token")}
	}
	o.Logger = slog.New(slog.DiscardHandler)
	a, err := jwtauth.New(keys, &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return a
}

// serveAuth starts a server whose "/" asks for a token, and whose event "whoami"
// answers with the subject and the ID of the token, or with null.
func serveAuth(t *testing.T, a *jwtAuth, setup func(io *socket.Server), mws ...wrap.Middleware) *server {
	t.Helper()
	return serve(t, nil, func(io *socket.Server) {
		lobby(io)
		io.Use(a.Middleware())
		if setup != nil {
			setup(io)
		}
		onConnection(io.Sockets(), func(s *socket.Socket) {
			echo(s)
			whoami(a, s)
		})
	}, mws...)
}

func whoami(a *jwtAuth, s *socket.Socket) {
	_ = s.On("whoami", func(args ...any) {
		answer := []any{nil}
		if id, ok := a.Identity(s); ok {
			answer = []any{id.Subject, id.ID}
		}
		args[len(args)-1].(socket.Ack)(answer, nil)
	})
}

// with gives the client a token where it can send it, and keeps a refused client from
// leaving during an upgrade.
func with(v variant, token string) func(*scenario) {
	return func(sc *scenario) {
		staying(v)(sc)
		sc.Listen = []string{"auth:expiring", "auth:expired", "kicked"}
		switch {
		case token == "":
		case v.client == 2:
			sc.Options["query"] = object{"token": token}
		default:
			sc.Options["auth"] = object{"token": token}
		}
	}
}

// told is what a client learns of a refusal.
func told(code string) object {
	e := &wrap.Error{Code: code}
	return e.ClientData()
}

// wantKicked waits until the client has been kicked, and checks that it knows why and
// stays away.
func wantKicked(t *testing.T, c *client, code string) {
	t.Helper()
	gone := c.await(t, 1, "disconnect", on("/"))[0]
	if gone.Reason != "io server disconnect" || gone.Connected {
		t.Errorf("disconnected by %s", gone.raw)
	}
	kicked := c.all("event", named("kicked"))
	if len(kicked) != 1 || !reflect.DeepEqual(kicked[0].Args, []any{told(code)}) {
		t.Errorf("kicked: %v, want %s; %s", kicked, code, c.history())
	}
	connects := len(c.all("connect", on("/")))
	c.idle(t)
	if len(c.all("reconnect_attempt")) != 0 || len(c.all("connect", on("/"))) != connects || len(c.all(c.kind.refusal())) != 0 {
		t.Errorf("the client came back; %s", c.history())
	}
}

// named limits await and all to one event.
func named(event string) func(record) bool {
	return func(r record) bool { return r.Event == event }
}

// codeOf returns the code in the arguments of an ack or event.
func codeOf(args []any) string {
	if len(args) != 1 {
		return "not one argument"
	}
	data, _ := args[0].(object)
	code, _ := data["code"].(string)
	return code
}

// issuer is the token endpoint of an application.
type issuer struct {
	*httptest.Server
	mu    sync.Mutex
	calls []bool // each with whether a new token was asked for
}

// errNoToken makes an issuer fail.
var errNoToken = errors.New("no token")

// issue starts an issuer. f returns a token, nil for nobody, or an error.
func issue(t *testing.T, f func(call int, renew bool) any) *issuer {
	t.Helper()
	i := new(issuer)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		renew := r.URL.Query().Has("renew")
		i.mu.Lock()
		i.calls = append(i.calls, renew)
		n := len(i.calls)
		i.mu.Unlock()
		token := f(n, renew)
		if _, failed := token.(error); failed {
			http.Error(w, "no", http.StatusServiceUnavailable)
			return
		}
		_ = json.NewEncoder(w).Encode(token)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) asked() []bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.calls)
}

// from makes the client get its tokens from i.
func (i *issuer) from(v variant) func(*scenario) {
	return func(sc *scenario) {
		with(v, "")(sc)
		sc.Tokens = i.URL
	}
}

// flaky is a store that can be down.
type flaky struct {
	jwtauth.Store
	down atomic.Bool
}

func newFlaky() *flaky { return &flaky{Store: jwtauth.NewMemoryStore()} }

func (f *flaky) Admit(ctx context.Context, l jwtauth.Login) (jwtauth.Verdict, error) {
	if f.down.Load() {
		return jwtauth.Admitted, errors.New("connection to 10.0.0.1 refused")
	}
	return f.Store.Admit(ctx, l)
}
