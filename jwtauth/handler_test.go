package jwtauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// page answers with the user of the request.
func page(a *jwtauth.Auth[claims]) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, ok := a.FromContext(r.Context())
		if !ok {
			_, _ = io.WriteString(w, "guest")
			return
		}
		_, _ = io.WriteString(w, id.Subject+r.Header.Get("Authorization"))
	})
}

// TestHandlerOnAPage: plain HTTP middleware, and strict: no URL makes it take a
// page for a handshake.
func TestHandlerOnAPage(t *testing.T) {
	t.Parallel()
	a := newAuth(t, &jwtauth.Options[claims]{Verify: func(_ context.Context, id *jwtauth.Identity[claims]) error {
		switch id.Subject {
		case "eve":
			return jwtauth.ErrDisabled
		case "boom":
			return errors.New("secret cause")
		case "later":
			return &wrap.Error{Code: "rate_limited", RetryAfter: 1500 * time.Millisecond}
		}
		return nil
	}})
	h := a.Handler(page(a))
	for name, tt := range map[string]struct {
		header string
		target string
		status int
		body   string
		auth   string
	}{
		"good":        {"Bearer " + token(t, "ada", time.Hour), "/", 200, "ada", ""},
		"none":        {"", "/", 401, "token_missing", "Bearer"},
		"a handshake": {"", "/socket.io/?EIO=4&transport=polling", 401, "token_missing", "Bearer"},
		"Basic":       {"Basic YTpi", "/", 401, "token_missing", "Bearer"},
		"garbage":     {"Bearer x", "/", 401, "token_invalid", `Bearer error="invalid_token"`},
		"expired":     {"Bearer " + token(t, "ada", -time.Hour), "/", 401, "token_expired", `Bearer error="invalid_token"`},
		"disabled":    {"Bearer " + token(t, "eve", time.Hour), "/", 403, "user_disabled", ""},
		"fault":       {"Bearer " + token(t, "boom", time.Hour), "/", 500, "internal", ""},
		"later":       {"Bearer " + token(t, "later", time.Hour), "/", 429, "rate_limited", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, tt.target, nil)
			if tt.header != "" {
				r.Header.Set("Authorization", tt.header)
			}
			before := r.Header.Get("Authorization")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			body := w.Body.String()
			if w.Code != tt.status || !strings.Contains(body, tt.body) || strings.Contains(body, "secret cause") {
				t.Errorf("%d %s", w.Code, body)
			}
			if got := w.Header().Get("WWW-Authenticate"); got != tt.auth {
				t.Errorf("WWW-Authenticate %q, want %q", got, tt.auth)
			}
			if r.Header.Get("Authorization") != before {
				t.Error("the caller's request was changed")
			}
			if tt.status != 200 {
				var data object
				if err := json.Unmarshal(w.Body.Bytes(), &data); err != nil || data["code"] != tt.body {
					t.Errorf("%v, %v", data, err)
				}
			}
			if name == "later" && w.Header().Get("Retry-After") != "2" {
				t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
			}
		})
	}

	guests := newAuth(t, &jwtauth.Options[claims]{Guests: true})
	w := httptest.NewRecorder()
	guests.Handler(page(guests)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Body.String() != "guest" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestHandlerOnTheHandshake: a bad token never makes a session; none may yet come
// with CONNECT, unless there is no source for that.
func TestHandlerOnTheHandshake(t *testing.T) {
	t.Parallel()
	for _, polling := range []bool{false, true} {
		a := newAuth(t, nil)
		s, sockets := authenticated(t, a, a.Handler)
		bad := http.Header{"Authorization": {"Bearer " + token(t, "ada", -time.Hour)}}
		if _, err := s.Open(t, siotest.Dial{Polling: polling, Header: bad}); err == nil {
			t.Error("a session with an expired token")
		} else if e := (*siotest.RefusedError)(nil); !errors.As(err, &e) || e.Status != 401 {
			t.Errorf("refused by %v", err)
		}
		d := with(token(t, "ada", time.Hour))
		d.Polling = polling
		s.Dial(t, d).Connected(t)
		<-sockets

		// In both places: the same token, or none of both.
		good := token(t, "ada", time.Hour)
		d = with(good)
		d.Polling, d.Header = polling, http.Header{"Authorization": {"Bearer " + good}}
		s.Dial(t, d).Connected(t)
		d.Auth = object{"token": token(t, "root", time.Hour)}
		refused(t, s, d, "token_invalid")

		only := newAuth(t, &jwtauth.Options[claims]{Sources: []jwtauth.Source{jwtauth.Bearer()}})
		s, _ = authenticated(t, only, only.Handler)
		if _, err := s.Open(t, siotest.Dial{Polling: polling}); err == nil {
			t.Error("a session without a token")
		}
	}
}

// TestHandlerEarly: what Handler has found good is judged anew at each CONNECT.
func TestHandlerEarly(t *testing.T) {
	t.Parallel()
	a := newAuth(t, &jwtauth.Options[claims]{Sources: []jwtauth.Source{jwtauth.Bearer()}})
	s := serve(t, func(io *socket.Server) { wrap.UseAll(io, a.Middleware()); io.Of("/admin", nil); io.Of("/late", nil) }, a.Handler)
	c := s.Dial(t, siotest.Dial{Header: http.Header{"Authorization": {"Bearer " + token(t, "ada", time.Hour)}}})
	c.Connected(t)
	c.Connect("/admin", nil) // the connection has the token, no longer the request
	c.Connected(t)
	if _, err := a.Revoke(t.Context(), jwtauth.BySubject("ada")); err != nil {
		t.Fatal(err)
	}
	c.NextEvent(t, "kicked")
	c.Connect("/late", nil)
	for {
		if p := c.Next(t); p.Type == siotest.TypeConnectError {
			if code(p.Data) != "token_revoked" {
				t.Errorf("%v", p)
			}
			return
		}
	}
}

// TestCookieNeedsOrigin: a foreign page cannot use its visitor's cookie.
func TestCookieNeedsOrigin(t *testing.T) {
	t.Parallel()
	for _, early := range []bool{false, true} {
		a := newAuth(t, &jwtauth.Options[claims]{
			Sources: []jwtauth.Source{jwtauth.Cookie("jwt")}, Origins: []string{"https://friend.example"},
		})
		var mws []wrap.Middleware
		if early {
			mws = append(mws, a.Handler)
		}
		s, _ := authenticated(t, a, mws...)
		dial := func(origin string) siotest.Dial {
			return siotest.Dial{Header: http.Header{"Origin": {origin}, "Cookie": {"jwt=" + token(t, "ada", time.Hour)}}}
		}
		s.Dial(t, dial(s.URL)).Connected(t)
		s.Dial(t, dial("https://friend.example")).Connected(t)
		for _, foreign := range []string{"https://evil.example", "null"} {
			if early {
				if _, err := s.Open(t, dial(foreign)); err == nil {
					t.Errorf("a session for %s", foreign)
				}
				continue
			}
			refused(t, s, dial(foreign), "origin_denied")
		}
	}
}

// TestSubprotocolIsAnswered: browsers fail a connection whose offer is not, and
// the token is no answer.
func TestSubprotocolIsAnswered(t *testing.T) {
	t.Parallel()
	a := newAuth(t, &jwtauth.Options[claims]{Sources: []jwtauth.Source{jwtauth.Subprotocol()}})
	s, _ := authenticated(t, a, a.Handler)
	d := websocket.Dialer{Subprotocols: []string{"bearer." + token(t, "ada", time.Hour), "socket.io"}}
	url := "ws" + strings.TrimPrefix(s.URL, "http") + siotest.Path + "?EIO=4&transport=websocket"
	c, res, err := d.DialContext(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err, res)
	}
	defer c.Close()
	if got := c.Subprotocol(); got != "socket.io" {
		t.Errorf("subprotocol %q", got)
	}
}
