package main

import (
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
)

// users are those of the demo, which have no passwords: replace login with your own, such
// as that of examples/chat.
var users = []string{"ada", "bob", "cleo", "dan", "eve", "fay"}

// tokenLifetime is how long a socket may stay without a new token.
const tokenLifetime = time.Hour

//go:embed static
var static embed.FS

// handler returns a handler for the page, the sign-in and, below /socket.io/, the
// sockets.
func (n *node) handler() http.Handler {
	site := []wrap.Middleware{n.named, wrap.Origin()}
	mux := http.NewServeMux()
	mux.Handle("POST /login", n.named(wrap.Origin()(endpoint(n.login))))
	for path, file := range map[string]string{"/{$}": "index.html", "/page.js": "page.js", "/socket.io.min.js": "socket.io.min.js"} {
		mux.Handle("GET "+path, n.named(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-cache")
			w.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
			http.ServeFileFS(w, r, static, "static/"+file)
		})))
	}
	mux.Handle("/socket.io/", wrap.Handler(n.io.ServeHandler(nil), site...))
	return mux
}

// named tells anyone watching which node has answered.
func (n *node) named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Node", n.name)
		next.ServeHTTP(w, r)
	})
}

// login serves POST /login: it exchanges a name for a token, which any node accepts.
//
// A socket could also just put its name into auth.user, as in many examples. But auth is
// written by the client: anybody could be anybody, read their private messages and kick
// them. What counts is what the server has verified; a token is how one node tells the
// others.
func (n *node) login(w http.ResponseWriter, r *http.Request) *wrap.Error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && kind != "application/json" {
		err = errors.New("not JSON")
	}
	var form struct{ User string }
	if err == nil {
		err = json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&form)
	}
	if err != nil {
		return &wrap.Error{Code: "http_400", Err: err}
	}
	user := strings.ToLower(strings.TrimSpace(form.User))
	if !slices.Contains(users, user) { // without a password, as this is a demo
		return &wrap.Error{Code: "login_failed", Message: "There is no such user"}
	}
	now := time.Now()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwtauth.Claims{
		ID: rand.Text(), Subject: user, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(tokenLifetime)),
	}).SignedString(n.secret)
	if err != nil {
		return &wrap.Error{Err: err}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]string{"user": user, "token": token}) // fails only if the client has left
	return nil
}

// endpoint answers a request, or returns why not.
type endpoint func(http.ResponseWriter, *http.Request) *wrap.Error

func (f endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := f(w, r); err != nil {
		err.ServeHTTP(w, r)
	}
}
