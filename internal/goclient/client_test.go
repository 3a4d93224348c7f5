package goclient_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io-client-go/transports"
	"github.com/zishang520/engine.io/v2/types"
	client "github.com/zishang520/socket.io-client-go/socket"
	"github.com/zishang520/socket.io/v2/socket"
)

const bound = 10 * time.Second

var secret = []byte("0123456789abcdef0123456789abcdef")

// object is a JSON object.
type object = map[string]any

type claims = jwt.RegisteredClaims

// token is one of ann.
func token(t *testing.T, lifetime time.Duration) string {
	t.Helper()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		Subject:   "ann",
		ID:        "id",
		ExpiresAt: jwt.NewNumericDate(time.Now().Add(lifetime)),
	}).SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// server is one with tokens and a limit of five events.
type server struct {
	*siotest.Server
	auth    *jwtauth.Auth[claims]
	sockets chan *socket.Socket // the connected ones
}

func serve(t *testing.T, mws ...wrap.Middleware) *server {
	t.Helper()
	auth, err1 := jwtauth.New[claims](jwtauth.HMAC(secret), nil)
	limit, err2 := ratelimit.New(ratelimit.PerMinute(100), &ratelimit.Options{Events: ratelimit.PerHour(5).Burst(5)})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the server
		if err := auth.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s := &server{auth: auth, sockets: make(chan *socket.Socket, 8)}
	s.Server = siotest.Config{
		Options: wrap.Harden(nil),
		Handler: func(h http.Handler) http.Handler { return wrap.Handler(h, mws...) },
	}.NewServer(t, func(io *socket.Server) {
		wrap.UseAll(io, limit.Middleware(), auth.Middleware())
		_ = io.On("connection", func(args ...any) {
			so := args[0].(*socket.Socket)
			_ = so.On("echo", func(args ...any) {
				last := len(args) - 1
				args[last].(socket.Ack)(args[:last], nil)
			})
			s.sockets <- so
		})
	})
	return s
}

// each runs f with each transport, and with an upgrade.
func each(t *testing.T, f func(t *testing.T, opts *client.Options)) {
	for name, set := range map[string]*types.Set[transports.TransportCtor]{
		"polling":   types.NewSet(transports.Polling),
		"websocket": types.NewSet(transports.WebSocket),
		"upgrade":   types.NewSet(transports.Polling, transports.WebSocket),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := client.DefaultOptions()
			opts.SetTransports(set)
			opts.SetReconnection(false)
			f(t, opts)
		})
	}
}

// tab is a client, and what it has heard.
type tab struct {
	*client.Socket
	heard map[string]chan []any
}

// open connects with a token of that lifetime, or none if it is zero, and waits for the
// answer. Under the race detector the client sometimes misses the beginning of a session,
// and would wait forever; so it gets more than one try.
func open(t *testing.T, s *server, opts *client.Options, lifetime time.Duration) *tab {
	t.Helper()
	opts.SetAutoConnect(false) // or Connect may send CONNECT a second time
	for range 5 {
		if lifetime > 0 {
			opts.SetAuth(object{"token": token(t, lifetime)})
		}
		tb := &tab{client.NewManager(s.URL, opts).Socket("/", opts), map[string]chan []any{}}
		answered := make(chan struct{}, 8)
		for _, event := range []string{"auth:expiring", "connect", "connect_error", "disconnect"} {
			heard := make(chan []any, 8)
			tb.heard[event] = heard
			_ = tb.On(types.EventName(event), func(args ...any) {
				heard <- args
				if event == "connect" || event == "connect_error" {
					answered <- struct{}{}
				}
			})
		}
		t.Cleanup(func() { tb.Disconnect() }) // before the server
		tb.Connect()
		select {
		case <-answered:
			return tb
		case <-time.After(bound / 3):
			tb.Disconnect()
		}
		for len(s.sockets) > 0 {
			<-s.sockets
		}
	}
	t.Fatal("no answer")
	return nil
}

// hear waits for an event, and returns its arguments.
func (tb *tab) hear(t *testing.T, event string) []any {
	t.Helper()
	return receive(t, event, tb.heard[event])
}

// ask emits an event, and returns the arguments of its ack.
func (tb *tab) ask(t *testing.T, event string, args ...any) []any {
	t.Helper()
	answer := make(chan []any, 1)
	ack := func(args []any, err error) {
		if err != nil {
			args = []any{err}
		}
		answer <- args
	}
	if err := tb.Emit(event, append(args, ack)...); err != nil {
		t.Fatal(err)
	}
	return receive(t, "the ack of "+event, answer)
}

func receive[T any](t *testing.T, what string, from chan T) T {
	t.Helper()
	select {
	case got := <-from:
		return got
	case <-time.After(bound):
		t.Fatalf("no %s", what)
		panic("unreachable")
	}
}

// refusal is the data of a connect_error.
func refusal(t *testing.T, args []any) object {
	t.Helper()
	var refused *client.ExtendedError
	if err, _ := args[0].(error); !errors.As(err, &refused) {
		t.Fatalf("connect_error with %T: %v", args[0], args[0])
	}
	data, _ := refused.Data.(map[string]any)
	return data
}

func TestConnect(t *testing.T) {
	each(t, func(t *testing.T, opts *client.Options) {
		s := serve(t)
		opts.SetExtraHeaders(http.Header{"X-Trace": {"1"}})
		opts.SetQuery(url.Values{"room": {"one two"}})
		c := open(t, s, opts, time.Hour)
		c.hear(t, "connect")
		so := receive(t, "socket", s.sockets)
		if got, _ := s.auth.Subject(so); got != "ann" {
			t.Errorf("subject %q", got)
		}
		if r := wrap.Request(so); r.Header.Get("X-Trace") != "1" || r.URL.Query().Get("room") != "one two" {
			t.Errorf("header %v, URL %v", r.Header, r.URL)
		}
		text := strings.Repeat("é", 20_000)
		got := c.ask(t, "echo", text, types.NewBytesBuffer([]byte{0, 255}))
		if len(got) != 2 || got[0] != text {
			t.Fatalf("echo %.100q", got)
		}
		if b, ok := got[1].(types.BufferInterface); !ok || !bytes.Equal(b.Bytes(), []byte{0, 255}) {
			t.Errorf("bytes %v", got[1])
		}
	})
}

func TestRefused(t *testing.T) {
	each(t, func(t *testing.T, opts *client.Options) {
		c := open(t, serve(t), opts, 0)
		want := object{"code": "token_missing", "message": "Authentication required", "retryable": false}
		if got := refusal(t, c.hear(t, "connect_error")); !reflect.DeepEqual(got, want) {
			t.Errorf("data %v, want %v", got, want)
		}
	})
}

// TestHandshakeRefused: over WebSocket the client reports nothing.
func TestHandshakeRefused(t *testing.T) {
	s := serve(t, func(http.Handler) http.Handler { return http.NotFoundHandler() })
	opts := client.DefaultOptions()
	opts.SetTransports(types.NewSet(transports.Polling))
	opts.SetReconnection(false)
	open(t, s, opts, 0).hear(t, "connect_error")
}

func TestEventRefused(t *testing.T) {
	each(t, func(t *testing.T, opts *client.Options) {
		s := serve(t)
		c := open(t, s, opts, time.Hour)
		c.hear(t, "connect")
		for n := range 6 {
			got := c.ask(t, "echo", "x")
			data, refused := got[0].(map[string]any)
			if refused != (n == 5) || refused && (data["code"] != "rate_limited" || data["policy"] != "events") {
				t.Errorf("answer %d: %v", n, got)
			}
		}
	})
}

// TestExpiry: the client is warned, refreshes its token, and is disconnected when that is
// revoked. It may miss "kicked", but is told the reason if it connects again.
func TestExpiry(t *testing.T) {
	each(t, func(t *testing.T, opts *client.Options) {
		s := serve(t)
		c := open(t, s, opts, 4*time.Second)
		c.hear(t, "connect")
		c.hear(t, "auth:expiring")
		if got := c.ask(t, "auth:refresh", token(t, time.Hour)); len(got) != 1 || got[0].(object)["ttlMs"] == nil {
			t.Errorf("refresh: %v", got)
		}
		so := receive(t, "socket", s.sockets)
		if id, ok := s.auth.Identity(so); !ok || time.Until(id.ExpiresAt) < time.Minute {
			t.Errorf("identity %+v", id)
		}
		if n, err := s.auth.Revoke(t.Context(), jwtauth.ByID("id")); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if got := c.hear(t, "disconnect"); got[0] != "io server disconnect" {
			t.Errorf("reason %v", got)
		}
		if got := refusal(t, open(t, s, opts, time.Hour).hear(t, "connect_error")); got["code"] != "token_revoked" {
			t.Errorf("data %v", got)
		}
	})
}
