package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"time"

	"github.com/sioware/sioware/wrap"
)

// endpoint answers a request, or returns a refusal: the page knows its format from the
// socket.
type endpoint func(http.ResponseWriter, *http.Request) *wrap.Error

func (f endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := f(w, r); err != nil {
		err.ServeHTTP(w, r)
	}
}

// read decodes the JSON body of a request, which must be small.
func read(w http.ResponseWriter, r *http.Request, into any) *wrap.Error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && kind != "application/json" {
		err = errors.New("not JSON")
	}
	if err == nil {
		err = json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(into)
	}
	if err != nil {
		return &wrap.Error{Code: "http_400", Err: err}
	}
	return nil
}

// answer sends v as JSON.
func answer(w http.ResponseWriter, v any) *wrap.Error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v) // fails only if the client has left
	return nil
}

// loginCookie names the cookie that holds a login.
const loginCookie = "chat-login"

// cookie returns the login of a browser, or "".
func cookie(r *http.Request) string {
	c, err := r.Cookie(loginCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie stores a login in a browser, where no script can read it and no other site
// can use it. A negative lifetime removes it.
func setCookie(w http.ResponseWriter, r *http.Request, login string, lifetime time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: loginCookie, Value: login, Path: "/", MaxAge: int(lifetime / time.Second),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	})
}

// same compares in constant time, whatever the lengths.
func same(got, want string) bool {
	g, w := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(g[:], w[:]) == 1
}
