package jwtauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestSources: a token in each place, over each transport and protocol.
func TestSources(t *testing.T) {
	t.Parallel()
	tok := func(t *testing.T) string { return token(t, "ada", time.Hour, object{"role": "admin"}) }
	for name, tt := range map[string]struct {
		source jwtauth.Source
		dial   func(d *siotest.Dial, token string)
		eio4   bool // only there
		ws     bool
	}{
		"auth": {jwtauth.AuthField("token"), func(d *siotest.Dial, token string) {
			d.Auth = object{"token": token}
		}, true, false},
		"auth with scheme": {jwtauth.AuthField("token"), func(d *siotest.Dial, token string) {
			d.Auth = object{"token": "bearer " + token}
		}, true, false},
		"bearer": {jwtauth.Bearer(), func(d *siotest.Dial, token string) {
			d.Header = http.Header{"Authorization": {"bEARER  " + token}}
		}, false, false},
		"header": {jwtauth.Header("token"), func(d *siotest.Dial, token string) {
			d.Header = http.Header{"Token": {token}}
		}, false, false},
		"cookie": {jwtauth.Cookie("jwt"), func(d *siotest.Dial, token string) {
			d.Header = http.Header{"Cookie": {"a=b; jwt=" + token + "; c=d"}}
		}, false, false},
		"query": {jwtauth.Query("token"), func(d *siotest.Dial, token string) {
			d.Query = url.Values{"token": {token}}
		}, false, false},
		"subprotocol": {jwtauth.Subprotocol(), func(d *siotest.Dial, token string) {
			d.Header = http.Header{"Sec-Websocket-Protocol": {"socket.io, bearer." + token}}
		}, false, true},
	} {
		for _, early := range []bool{false, true} {
			for _, d := range []siotest.Dial{{}, {Polling: true}, {EIO: 3}, {EIO: 3, Polling: true}} {
				if tt.eio4 && d.EIO == 3 || tt.ws && d.Polling {
					continue
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					a := newAuth(t, &jwtauth.Options[claims]{Sources: []jwtauth.Source{tt.source}})
					var mws []wrap.Middleware
					if early {
						mws = append(mws, a.Handler)
					}
					s, sockets := authenticated(t, a, mws...)
					tt.dial(&d, tok(t))
					c := s.Dial(t, d)
					c.Connected(t)
					so := <-sockets
					if got, ok := a.From(so); !ok || got.Subject != "ada" || got.Role != "admin" {
						t.Errorf("From = %+v, %v", got, ok)
					}
					if sub, ok := a.Subject(so); !ok || sub != "ada" {
						t.Errorf("Subject = %q, %v", sub, ok)
					}
					id, ok := a.Identity(so)
					if !ok || id.Source != tt.source.String() || id.Login != id.ID || id.ExpiresAt.IsZero() {
						t.Errorf("Identity = %+v, %v", id, ok)
					}
				})
			}
		}
	}
}

// TestAnotherScheme: what docs/from-passport-jwt.md shows for clients that do not say
// Bearer. Behind it the token is removed as always.
func TestAnotherScheme(t *testing.T) {
	t.Parallel()
	for _, early := range []bool{false, true} {
		a := newAuth(t, nil)
		s, sockets := authenticated(t, a, append([]wrap.Middleware{jwtScheme}, handlers(a, early)...)...)
		good := token(t, "ada", time.Hour)
		s.Dial(t, siotest.Dial{Header: http.Header{"Authorization": {"jwt " + good}}}).Connected(t)
		so := <-sockets
		if sub, _ := a.Subject(so); sub != "ada" {
			t.Errorf("Subject = %q", sub)
		}
		if text := fmt.Sprint(so.Handshake().Headers, wrap.Request(so).Header); strings.Contains(text, good) {
			t.Errorf("early %v: left %s", early, text)
		}
		if !early {
			refused(t, s, siotest.Dial{Header: http.Header{"Authorization": {"JWT " + good, "Basic YTpi"}}}, "token_invalid")
		}
	}
}

// TestCodes: what a client is told, for each thing that can be wrong.
func TestCodes(t *testing.T) {
	t.Parallel()
	expired := token(t, "ada", -time.Second)
	type options = jwtauth.Options[claims]
	fails := func(err error) *options {
		return &options{Verify: func(context.Context, *jwtauth.Identity[claims]) error { return err }}
	}
	good := token(t, "ada", time.Hour)
	for name, tt := range map[string]struct {
		opts *options
		auth any
		want string
	}{
		"none":         {nil, nil, "token_missing"},
		"empty":        {nil, object{"token": ""}, "token_missing"},
		"null":         {nil, object{"token": nil}, "token_missing"},
		"number":       {nil, object{"token": 1}, "token_invalid"},
		"list":         {nil, object{"token": []string{good}}, "token_invalid"},
		"garbage":      {nil, object{"token": "x"}, "token_invalid"},
		"guest, bad":   {&options{Guests: true}, object{"token": "x"}, "token_invalid"},
		"expired":      {nil, object{"token": expired}, "token_expired"},
		"disabled":     {fails(jwtauth.ErrDisabled), object{"token": good}, "user_disabled"},
		"disabled too": {fails(errors.Join(errors.New("user 1"), jwtauth.ErrDisabled)), object{"token": good}, "user_disabled"},
		"own code":     {fails(&wrap.Error{Code: "forbidden", Message: "no"}), object{"token": good}, "forbidden"},
		"fault":        {fails(errors.New("secret cause")), object{"token": good}, "internal"},
		"deadline":     {fails(context.DeadlineExceeded), object{"token": good}, "unavailable"},
		"panics": {&options{Verify: func(context.Context, *jwtauth.Identity[claims]) error { panic("secret cause") }},
			object{"token": good}, "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := authenticated(t, newAuth(t, tt.opts))
			refused(t, s, siotest.Dial{Auth: tt.auth}, tt.want)
			refused(t, s, siotest.Dial{Auth: tt.auth, Polling: true}, tt.want)
		})
	}
}

func TestGuest(t *testing.T) {
	t.Parallel()
	a := newAuth(t, &jwtauth.Options[claims]{Guests: true})
	s, sockets := authenticated(t, a, a.Handler)
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	so := <-sockets
	if got, ok := a.From(so); ok || got.Subject != "" {
		t.Errorf("From = %+v, %v", got, ok)
	}
	if id, ok := a.Identity(so); ok || id != nil {
		t.Errorf("Identity = %+v, %v", id, ok)
	}
	if got := c.EmitAck(t, "auth:refresh", token(t, "ada", time.Hour)).Args(); code(got[0]) != "forbidden" {
		t.Errorf("refresh of a guest: %v", got)
	}
}

// TestEveryNamespace: one middleware for all namespaces, used twice for one.
func TestEveryNamespace(t *testing.T) {
	t.Parallel()
	a := newAuth(t, nil)
	s := serve(t, func(io *socket.Server) {
		wrap.UseAll(io, a.Middleware())
		io.Use(a.Middleware())
		io.Of("/admin", nil)
	})
	good := token(t, "ada", time.Hour)
	c := s.Dial(t, with(good))
	c.Connected(t)
	c.Connect("/admin", nil)
	if got := code(c.ConnectError(t).Data); got != "token_missing" {
		t.Errorf("code %q", got)
	}
	c.Connect("/admin", object{"token": good})
	c.Connected(t)
}

// TestNobody: a token without a subject has claims, but belongs to no user.
func TestNobody(t *testing.T) {
	t.Parallel()
	for _, sub := range []any{nil, ""} {
		a := newAuth(t, nil)
		s, sockets := authenticated(t, a)
		s.Dial(t, with(token(t, "", time.Hour, object{"sub": sub, "role": "admin"}))).Connected(t)
		so := <-sockets
		if got, ok := a.Subject(so); ok || got != "" {
			t.Errorf("Subject = %q, %v", got, ok)
		}
		if got, ok := a.From(so); !ok || got.Role != "admin" {
			t.Errorf("From = %v, %v", got, ok)
		}
	}
}

// TestFaultMakesNoGuest: a token that could not be verified does not count as no
// token, whatever the error wraps.
func TestFaultMakesNoGuest(t *testing.T) {
	t.Parallel()
	keys := jwtauth.KeyFunc(func(context.Context, jwtauth.Unverified) ([]any, error) {
		return nil, fmt.Errorf("tenant: %w", jwtauth.ErrMissing)
	})
	a, err := jwtauth.New(keys, &jwtauth.Options[claims]{Guests: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close(context.Background()) })
	s, _ := authenticated(t, a)
	refused(t, s, with(token(t, "ada", time.Hour)), "unavailable")
}

// TestAuthenticateErrors: each is a *wrap.Error and wraps its cause.
func TestAuthenticateErrors(t *testing.T) {
	t.Parallel()
	cause := errors.New("no database")
	a := newAuth(t, &jwtauth.Options[claims]{Verify: func(context.Context, *jwtauth.Identity[claims]) error { return cause }})
	for tok, want := range map[string]error{
		"": jwtauth.ErrMissing, "x": jwtauth.ErrInvalid, token(t, "ada", time.Hour): cause, token(t, "ada", -time.Hour): jwtauth.ErrExpired,
	} {
		id, err := a.Authenticate(t.Context(), tok)
		if e := (*wrap.Error)(nil); id != nil || !errors.As(err, &e) || !errors.Is(err, want) {
			t.Errorf("%v, %T: %v; want %v", id, err, err, want)
		}
	}
}
