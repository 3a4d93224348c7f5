package compat_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/go-chi/jwtauth/v5"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// login puts a user into a session that has none.
func login(m *scs.SessionManager) wrap.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !m.Exists(r.Context(), "user") {
				m.Put(r.Context(), "user", "ada")
			}
			next.ServeHTTP(w, r)
		})
	}
}

// sessionCookie returns the header that sends the only cookie of h back.
func sessionCookie(t *testing.T, h http.Header) http.Header {
	t.Helper()
	cookies := (&http.Response{Header: h}).Cookies()
	if len(cookies) != 1 || cookies[0].Name != "session" || !cookies[0].HttpOnly {
		t.Fatalf("cookies %v", cookies)
	}
	return http.Header{"Cookie": {"session=" + cookies[0].Value}}
}

func TestSessions(t *testing.T) {
	run(t, []row{
		// scs sets its cookie in WriteHeader: late, and over WebSocket only if the
		// middleware sees the 101.
		{name: "scs", at: requests, test: func(t *testing.T, e env) {
			m := scs.New()
			s := e.serve(t, m.LoadAndSave, login(m))
			v := s.admit(t, nil)
			cookie := sessionCookie(t, v.header)
			if !slices.Contains(v.header.Values("Vary"), "Cookie") {
				t.Errorf("Vary: %q", v.header.Values("Vary"))
			}
			ctx := wrap.Context(v.socket)
			if user := m.GetString(ctx, "user"); user != "ada" {
				t.Errorf("user %q", user)
			}
			m.Put(ctx, "room", "blue") // while connected
			if _, _, err := m.Commit(ctx); err != nil {
				t.Fatal(err)
			}

			v = s.admit(t, cookie)
			equal(t, v.header, "Set-Cookie") // nothing new
			ctx = wrap.Context(v.socket)
			if user, room := m.GetString(ctx, "user"), m.GetString(ctx, "room"); user != "ada" || room != "blue" {
				t.Errorf("user %q, room %q", user, room)
			}
		}},
		// Along with a cookie of the engine, which it sends only over long-polling.
		{name: "scs/engine cookie", at: requests, test: func(t *testing.T, e env) {
			m := scs.New()
			options := socket.DefaultServerOptions()
			options.SetCookie(&http.Cookie{Name: "io", Path: "/"})
			v := e.serveWith(t, options, m.LoadAndSave, login(m)).admit(t, nil)
			names := map[string]bool{}
			for _, c := range v.Handshake.Cookies() {
				names[c.Name] = true
			}
			if !names["session"] || names["io"] != (e.mode != webSocket) {
				t.Errorf("cookies %q", v.header.Values("Set-Cookie"))
			}
		}},
		{name: "scs/refused", at: requests, refuses: true, test: func(t *testing.T, e env) {
			m := scs.New()
			s := e.serve(t, m.LoadAndSave, login(m), answer(http.StatusForbidden, "not you"))
			got := s.refuse(t, nil)
			got.want(t, http.StatusForbidden, "not you")
			sessionCookie(t, got.header)
		}},
		{name: "scs/renewed and destroyed", at: requests, test: func(t *testing.T, e env) {
			m := scs.New()
			s := e.serve(t, m.LoadAndSave, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if m.Exists(r.Context(), "user") && r.URL.Query().Get("sid") == "" {
						if err := m.Destroy(r.Context()); err != nil {
							t.Error(err)
						}
					}
					next.ServeHTTP(w, r)
				})
			})
			token := stored(t, m)
			v := s.admit(t, http.Header{"Cookie": {"session=" + token}})
			cookies := v.Handshake.Cookies()
			if len(cookies) != 1 || cookies[0].Value != "" || cookies[0].MaxAge >= 0 {
				t.Errorf("cookies %v", cookies)
			}
		}},
		// A namespace can read a session, and has no response to set a cookie in.
		{name: "scs/read", at: anywhere, test: func(t *testing.T, e env) {
			m := scs.New()
			v := e.serve(t, m.LoadAndSave).admit(t, http.Header{"Cookie": {"session=" + stored(t, m)}})
			if user := m.GetString(wrap.Context(v.socket), "user"); user != "ada" {
				t.Errorf("user %q", user)
			}
		}},
		{name: "jwtauth", at: anywhere, test: func(t *testing.T, e env) {
			auth := jwtauth.New("HS256", []byte("secret"), nil)
			_, token, err := auth.Encode(map[string]any{"sub": "ada", "exp": time.Now().Add(time.Hour).Unix()})
			if err != nil {
				t.Fatal(err)
			}
			_, old, err := auth.Encode(map[string]any{"sub": "ada", "exp": time.Now().Add(-time.Hour).Unix()})
			if err != nil {
				t.Fatal(err)
			}
			s := e.serve(t, jwtauth.Verifier(auth), jwtauth.Authenticator(auth))
			for _, h := range []http.Header{{"Authorization": {"Bearer " + token}}, {"Cookie": {"jwt=" + token}}} {
				_, claims, err := jwtauth.FromContext(wrap.Context(s.admit(t, h).socket))
				if err != nil || claims["sub"] != "ada" {
					t.Errorf("claims %v, %v", claims, err)
				}
			}
			s.refuse(t, nil).want(t, http.StatusUnauthorized, "no token found")
			s.refuse(t, http.Header{"Authorization": {"Bearer " + old}}).want(t, http.StatusUnauthorized, "token is expired")
			s.refuse(t, http.Header{"Authorization": {"Bearer x.y.z"}}).want(t, http.StatusUnauthorized, "token is unauthorized")
		}},
	})
}

// stored returns the token of a session with a user.
func stored(t *testing.T, m *scs.SessionManager) string {
	t.Helper()
	ctx, err := m.Load(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	m.Put(ctx, "user", "ada")
	token, _, err := m.Commit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// answer refuses everything.
func answer(status int, body string) wrap.Middleware {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, body, status) })
	}
}
