package jwtauth_test

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// children are the servers that tests run in separate processes, by name.
var children = map[string]func(report func(url string)){}

func TestMain(m *testing.M) {
	flag.Parse()
	// The tests wait for tokens to expire far more than they work.
	if f := flag.Lookup("test.parallel"); f.Value.String() == fmt.Sprint(runtime.GOMAXPROCS(0)) {
		_ = f.Value.Set("16")
	}
	siotest.Main(m, children, siotest.IgnoreHostTimers()...)
}

// secret signs the tokens of the tests.
var secret = []byte("0123456789abcdef0123456789abcdef")

// claims are those of the tests.
type claims struct {
	jwt.RegisteredClaims
	Role string `json:"role,omitempty"`
	Name string `json:"-"` // looked up by Verify
}

// object is a set of claims, or a JSON object that a client received.
type object = map[string]any

// sign returns a token with exactly these claims.
func sign(t testing.TB, c any) string {
	t.Helper()
	m, ok := c.(object)
	if !ok {
		t.Fatalf("claims %T", c)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims(m)).SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// token returns a good token of a user, with further claims; nil ones are left
// out.
func token(t testing.TB, subject string, ttl time.Duration, more ...object) string {
	t.Helper()
	now := time.Now()
	c := object{"sub": subject, "iat": now.Unix(), "exp": now.Add(ttl).Unix(), "jti": rand.Text()}
	for _, m := range more {
		for k, v := range m {
			if c[k] = v; v == nil {
				delete(c, k)
			}
		}
	}
	return sign(t, c)
}

// newAuth returns an Auth that is closed with the test.
func newAuth(t testing.TB, o *jwtauth.Options[claims]) *jwtauth.Auth[claims] {
	t.Helper()
	a, err := jwtauth.New(jwtauth.HMAC(secret), o)
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

// serve starts a hardened server behind wrap.Handler.
func serve(t testing.TB, setup func(io *socket.Server), mws ...wrap.Middleware) *siotest.Server {
	t.Helper()
	o := socket.DefaultServerOptions()
	o.SetAllowEIO3(true)
	return siotest.Config{
		Options: wrap.Harden(o),
		Handler: func(h http.Handler) http.Handler { return wrap.Handler(h, mws...) },
	}.NewServer(t, setup)
}

// authenticated starts a server whose "/" requires a token, and that reports
// the sockets that connect.
func authenticated(t testing.TB, a *jwtauth.Auth[claims], mws ...wrap.Middleware) (*siotest.Server, <-chan *socket.Socket) {
	t.Helper()
	sockets := make(chan *socket.Socket, 100)
	s := serve(t, func(io *socket.Server) {
		io.Use(a.Middleware())
		onConnection(io.Sockets(), func(s *socket.Socket) {
			_ = s.On("whoami", func(args ...any) {
				c, ok := a.From(s)
				args[len(args)-1].(socket.Ack)([]any{c.Subject, c.Role, ok}, nil)
			})
			sockets <- s
		})
	}, mws...)
	return s, sockets
}

func onConnection(nsp socket.Namespace, f func(*socket.Socket)) {
	_ = nsp.On("connection", func(args ...any) { f(args[0].(*socket.Socket)) })
}

// with is a client of "/" that sends a token in its auth payload.
func with(token string) siotest.Dial { return siotest.Dial{Auth: object{"token": token}} }

// code returns what a client was told: the code of a connect_error, of the
// event "kicked", or of an ack.
func code(data any) string {
	m, _ := data.(object)
	if inner, ok := m["data"].(object); ok {
		m = inner
	}
	c, _ := m["code"].(string)
	return c
}

// answer returns the server's answer to CONNECT: "", or the code of its refusal.
func answer(t *testing.T, c *siotest.Client) string {
	t.Helper()
	for {
		switch p := c.Next(t); p.Type {
		case siotest.TypeConnect:
			return ""
		case siotest.TypeConnectError:
			return code(p.Data)
		}
	}
}

// refresh sends auth:refresh, and returns the code of the refusal, or "".
func refresh(t *testing.T, c *siotest.Client, token any) string {
	t.Helper()
	return code(c.EmitAck(t, "auth:refresh", token).Args()[0])
}

// ended waits until s is disconnected, and returns the code that it was told.
func ended(t *testing.T, s *socket.Socket) string {
	t.Helper()
	ctx := wrap.Context(s)
	siotest.Eventually(t, "the socket is put out", func() bool { return ctx.Err() != nil })
	if e := (*wrap.Error)(nil); errors.As(context.Cause(ctx), &e) {
		return e.Code
	}
	return context.Cause(ctx).Error()
}

// passed waits until a time has come.
func passed(t *testing.T, at time.Time) {
	t.Helper()
	siotest.Eventually(t, "the time comes", func() bool { return time.Now().After(at) })
}

// refused checks that a client is refused with a code.
func refused(t *testing.T, s *siotest.Server, d siotest.Dial, want string) object {
	t.Helper()
	c := s.Dial(t, d)
	defer c.Close()
	p := c.ConnectError(t)
	if got := code(p.Data); got != want {
		t.Errorf("code %q, want %q: %v", got, want, p.Data)
	}
	m, _ := p.Data.(object)
	return m
}

// kicked checks that a client is told why, and disconnected.
func kicked(t *testing.T, c *siotest.Client, want string) {
	t.Helper()
	args := c.NextEvent(t, "kicked").Args()
	if len(args) != 1 || code(args[0]) != want {
		t.Errorf("kicked %v, want %q", args, want)
	}
	for {
		if p := c.Next(t); p.Type == siotest.TypeDisconnect {
			return
		}
	}
}
