package jwtauth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
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
	b := newScripted()
	b.onAdmit(func(_ context.Context, l jwtauth.Login) (jwtauth.Verdict, error) {
		return map[string]jwtauth.Verdict{
			"revoked": jwtauth.Revoked, "replaced": jwtauth.Replaced, "occupied": jwtauth.Occupied,
		}[l.Subject], nil
	})
	a := newAuth(t, &jwtauth.Options[claims]{Store: b, Verify: func(_ context.Context, id *jwtauth.Identity[claims]) error {
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
		"two":         {"Bearer " + token(t, "ada", time.Hour) + "\nBearer x", "/", 401, "token_invalid", `Bearer error="invalid_token"`},
		"and Basic":   {"Bearer " + token(t, "ada", time.Hour) + "\nBasic YTpi", "/", 401, "token_invalid", `Bearer error="invalid_token"`},
		"two Basic":   {"Basic YTpi\nBasic YTpi", "/", 401, "token_invalid", `Bearer error="invalid_token"`},
		"tab":         {"Bearer\t" + token(t, "ada", -time.Hour), "/", 401, "token_expired", `Bearer error="invalid_token"`},
		"revoked":     {"Bearer " + token(t, "revoked", time.Hour), "/", 401, "token_revoked", `Bearer error="invalid_token"`},
		"replaced":    {"Bearer " + token(t, "replaced", time.Hour), "/", 401, "replaced", `Bearer error="invalid_token"`},
		"occupied":    {"Bearer " + token(t, "occupied", time.Hour), "/", 429, "too_many_connections", ""},
		"disabled":    {"Bearer " + token(t, "eve", time.Hour), "/", 403, "user_disabled", ""},
		"fault":       {"Bearer " + token(t, "boom", time.Hour), "/", 500, "internal", ""},
		"later":       {"Bearer " + token(t, "later", time.Hour), "/", 429, "rate_limited", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, tt.target, nil)
			if tt.header != "" {
				r.Header["Authorization"] = strings.Split(tt.header, "\n")
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
}

// TestHandlerAndGuests: a guest is a client without a token. A client that has
// sent one is not a guest, whatever Verify says about it.
func TestHandlerAndGuests(t *testing.T) {
	t.Parallel()
	a := newAuth(t, &jwtauth.Options[claims]{Guests: true, Verify: func(context.Context, *jwtauth.Identity[claims]) error {
		return fmt.Errorf("no row: %w", jwtauth.ErrMissing)
	}})
	for header, want := range map[string]string{
		"": "guest", "Basic YTpi": "guest",
		"Bearer " + token(t, "ada", time.Hour): "token_missing", "Bearer\t" + token(t, "ada", -time.Hour): "token_expired",
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		a.Handler(page(a)).ServeHTTP(w, r)
		if status := map[bool]int{true: 200, false: 401}[want == "guest"]; w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%.10s: %d %s, want %s", header, w.Code, w.Body, want)
		}
	}
}

// TestHandlerOnTheHandshake: a bad token never gets a connection; a missing one
// may still come with CONNECT, unless there is no source for that.
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

// TestCookieNeedsOrigin: a foreign page cannot use its visitor's cookie.
func TestCookieNeedsOrigin(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ early, guests bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		a := newAuth(t, &jwtauth.Options[claims]{
			Sources: []jwtauth.Source{jwtauth.Cookie("jwt")}, Origins: []string{"https://friend.example"}, Guests: tt.guests,
		})
		s, _ := authenticated(t, a, handlers(a, tt.early)...)
		dial := func(origin string) siotest.Dial {
			return siotest.Dial{Header: http.Header{"Origin": {origin}, "Cookie": {"jwt=" + token(t, "ada", time.Hour)}}}
		}
		s.Dial(t, dial(s.URL)).Connected(t)
		s.Dial(t, dial("https://friend.example")).Connected(t)
		for _, foreign := range []string{"https://evil.example", "null"} {
			if tt.early {
				_, err := s.Open(t, dial(foreign))
				if e := (*siotest.RefusedError)(nil); !errors.As(err, &e) || !strings.Contains(e.Body, "origin_denied") {
					t.Errorf("%s: %v", foreign, err)
				}
				continue
			}
			refused(t, s, dial(foreign), "origin_denied")
		}
		// On a page a link on another site is enough.
		for site, status := range map[string]int{"none": 200, "same-origin": 200, "same-site": 403, "cross-site": 403} {
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header = http.Header{"Sec-Fetch-Site": {site}, "Sec-Fetch-Mode": {"navigate"}, "Cookie": {"jwt=" + token(t, "ada", time.Hour)}}
			if a.Handler(page(a)).ServeHTTP(w, r); w.Code != status {
				t.Errorf("%s: %d", site, w.Code)
			}
		}
	}
}

// TestSubprotocolIsAnswered: browsers fail a connection whose offer is not
// answered, and the token must not be the answer.
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

// TestSubprotocolBesideBearer: which of two places the one token is taken from does
// not matter to the answer.
func TestSubprotocolBesideBearer(t *testing.T) {
	t.Parallel()
	good := token(t, "ada", time.Hour)
	for _, tt := range []struct{ offer, want string }{
		{"bearer." + good + ", socket.io", "socket.io"}, {"x, bearer." + good, "x"}, {"socket.io", ""}, {"bearer." + good, ""},
	} {
		a := newAuth(t, &jwtauth.Options[claims]{Sources: []jwtauth.Source{jwtauth.Bearer(), jwtauth.Subprotocol()}})
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header = http.Header{"Authorization": {"Bearer " + good}, "Sec-Websocket-Protocol": {tt.offer}}
		a.Handler(page(a)).ServeHTTP(w, r)
		if got := w.Header().Get("Sec-WebSocket-Protocol"); got != tt.want || w.Code != http.StatusOK {
			t.Errorf("offered %.10s: %q, want %q; %d %s", tt.offer, got, tt.want, w.Code, w.Body)
		}
	}
}

// TestPanicOnAPage: a panic of the application, its keys or its store is internal on a
// page and in Authenticate, as it is for a socket.
func TestPanicOnAPage(t *testing.T) {
	t.Parallel()
	verify := func(context.Context, *jwtauth.Identity[claims]) error { panic("secret cause") }
	fetch := func(context.Context, jwtauth.Unverified) ([]any, error) { panic("secret cause") }
	store := newScripted()
	store.onAdmit(func(context.Context, jwtauth.Login) (jwtauth.Verdict, error) { panic("secret cause") })
	for name, tt := range map[string]struct {
		keys  jwtauth.Keys
		opts  jwtauth.Options[claims]
		where string // in the stack
	}{
		"Verify": {jwtauth.HMAC(secret), jwtauth.Options[claims]{Verify: verify}, "identify"},
		"Keys":   {jwtauth.KeyFunc(fetch), jwtauth.Options[claims]{}, "Find"},
		"Store":  {jwtauth.HMAC(secret), jwtauth.Options[claims]{Store: store}, "admit"},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			tt.opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
			a, err := jwtauth.New(tt.keys, &tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close(context.Background())
			good := token(t, "ada", time.Hour)
			logged := func(by string) {
				t.Helper()
				if s := log.String(); !strings.Contains(s, "level=ERROR") || !strings.Contains(s, "secret cause") || !strings.Contains(s, tt.where) || strings.Contains(s, good) {
					t.Errorf("%s: the log has %s", by, s)
				}
				log.Reset()
			}

			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Authorization", "Bearer "+good)
			a.Handler(page(a)).ServeHTTP(w, r)
			if w.Code != 500 || !strings.Contains(w.Body.String(), `"internal"`) || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			logged("a page")

			_, err = a.Authenticate(context.Background(), good)
			var e *wrap.Error
			var p interface{ Stack() []byte }
			if !errors.As(err, &e) || e.Code != "internal" || !errors.As(err, &p) || !strings.Contains(string(p.Stack()), tt.where) {
				t.Errorf("Authenticate: %v", err)
			} else if data := fmt.Sprint(e.ClientData()); strings.Contains(data, "secret") || !strings.Contains(data, "internal") {
				t.Errorf("Authenticate: a client is told %s", data)
			}
			logged("Authenticate")
		})
	}
}

// TestHandlersShare: what a Handler has found is there for those behind it, all at once.
func TestHandlersShare(t *testing.T) {
	t.Parallel()
	a := newAuth(t, nil)
	inner := a.Handler(page(a))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token(t, "ada", time.Hour))
	a.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				w := httptest.NewRecorder()
				if inner.ServeHTTP(w, r); w.Code != http.StatusOK {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			})
		}
		all.Wait()
	})).ServeHTTP(httptest.NewRecorder(), r)
}

// TestHandlerAlone: Handler lets clients through whose tokens Middleware is to check, and
// says once that there is no Middleware.
func TestHandlerAlone(t *testing.T) {
	t.Parallel()
	for _, guarded := range []bool{false, true} {
		var log bytes.Buffer
		a := newAuth(t, &jwtauth.Options[claims]{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		s := serve(t, func(io *socket.Server) {
			if guarded {
				wrap.UseAll(io, a.Middleware())
			}
		}, a.Handler)
		for range 2 {
			if _, err := s.Open(t, siotest.Dial{}); err != nil {
				t.Fatal(err)
			}
		}
		if n := strings.Count(log.String(), "Handler without Middleware"); n != map[bool]int{false: 1}[guarded] {
			t.Errorf("guarded %v: warned %d times", guarded, n)
		}
	}
}
