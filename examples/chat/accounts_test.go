package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
)

// browserLogin is how one browser is signed in.
type browserLogin struct {
	cookie *http.Cookie
	token  any // the first one
}

// signIn signs in, in a browser of its own.
func (p *program) signIn(t *testing.T, user string) browserLogin {
	t.Helper()
	res, answer := p.post(t, "/login", nil, map[string]string{"user": user, "password": passwords[user]})
	cookies := res.Cookies()
	if res.StatusCode != http.StatusOK || len(cookies) != 1 {
		t.Fatalf("got %d, %v, cookies %v", res.StatusCode, answer, cookies)
	}
	return browserLogin{cookies[0], answer["token"]}
}

// enter connects another socket of a login, with a token of its own.
func (p *program) enter(t *testing.T, l browserLogin) *siotest.Client {
	t.Helper()
	res, answer := p.post(t, "/token", l.cookie, nil)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("got %d, %v", res.StatusCode, answer)
	}
	c := p.Dial(t, siotest.Dial{Auth: map[string]any{"token": answer["token"]}})
	c.Connected(t)
	if got := field(t, c.NextEvent(t, "welcome"), "nickname"); got != answer["user"] {
		t.Fatalf("got the nickname %v, want %v", got, answer["user"])
	}
	return c
}

// refused returns the code with which a token is refused.
func (p *program) refused(t *testing.T, token any) any {
	t.Helper()
	c := p.Dial(t, siotest.Dial{Auth: map[string]any{"token": token}})
	data, _ := c.ConnectError(t).Data.(map[string]any)
	data, _ = data["data"].(map[string]any)
	c.Close()
	return data["code"]
}

func kicked(t *testing.T, c *siotest.Client, code string) {
	t.Helper()
	if got := field(t, c.NextEvent(t, "kicked"), "code"); got != code {
		t.Errorf("kicked: got %v, want %s", got, code)
	}
}

func TestSignIn(t *testing.T) {
	srv := newServer(t, quiet, time.Minute)
	res, answer := srv.post(t, "/login", nil, map[string]string{"user": " Ada ", "password": "engine"})
	if ms, ok := answer["expiresInMs"].(float64); !ok || ms < 60_000 || ms > 61_000 || answer["user"] != "ada" {
		t.Errorf("got %v", answer)
	}
	if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("got header %v", res.Header)
	}
	c := res.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.MaxAge != 8*60*60 || c.Value == answer["token"] {
		t.Errorf("got cookie %v", c)
	}
	client := srv.Dial(t, siotest.Dial{Auth: map[string]any{"token": answer["token"], "nickname": "Cleo"}})
	client.Connected(t)
	welcome := client.NextEvent(t, "welcome")
	if got := fmt.Sprint(field(t, welcome, "nickname"), " ", field(t, welcome, "guest")); got != "ada false" {
		t.Errorf("welcome: got %s", got)
	}
}

func TestSignInRefused(t *testing.T) {
	srv := newServer(t, quiet, time.Minute)
	const good = `{"user": "ada", "password": "engine"}`
	for _, test := range []struct {
		name, body, header, value string
		status                    int
		code                      string
	}{
		{"wrong password", `{"user": "ada", "password": "ladder"}`, "", "", 403, "login_failed"},
		{"no password", `{"user": "ada"}`, "", "", 403, "login_failed"},
		{"unknown", `{"user": "eve", "password": ""}`, "", "", 403, "login_failed"},
		{"no JSON", `user=ada`, "", "", 400, "http_400"},
		{"a form", good, "Content-Type", "text/plain", 400, "http_400"},
		{"no type", good, "Content-Type", "", 400, "http_400"},
		{"too long", strings.Repeat(" ", 2000) + good, "", "", 400, "http_400"},
		{"foreign page", good, "Origin", "https://evil.example", 403, "origin_denied"},
		{"foreign form", good, "Sec-Fetch-Site", "cross-site", 403, "origin_denied"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader(test.body))
			r.Header.Set("Content-Type", "application/json")
			if test.header != "" {
				r.Header.Set(test.header, test.value)
			}
			res, answer := srv.do(t, r)
			if res.StatusCode != test.status || answer["code"] != test.code || len(res.Cookies()) != 0 {
				t.Errorf("got %d, %v, want %d, %s", res.StatusCode, answer, test.status, test.code)
			}
		})
	}
}

func TestNoLogin(t *testing.T) {
	srv := newServer(t, quiet, time.Minute)
	out := srv.signIn(t, "ada")
	if res, answer := srv.post(t, "/logout", out.cookie, struct{}{}); res.StatusCode != http.StatusOK || res.Cookies()[0].MaxAge >= 0 {
		t.Errorf("logout: got %d, %v, %v", res.StatusCode, answer, res.Cookies())
	}
	a := srv.accounts
	old, err := sign(a.loginKey, "x", "ada", time.Now().Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	token := fmt.Sprint(srv.signIn(t, "ada").token) // signed with another key
	for name, cookie := range map[string]*http.Cookie{
		"none": nil, "unknown": {Name: loginCookie, Value: "x"}, "signed out": out.cookie,
		"too old": {Name: loginCookie, Value: old}, "a token": {Name: loginCookie, Value: token},
	} {
		for _, path := range []string{"/token", "/logout"} {
			res, answer := srv.post(t, path, cookie, struct{}{})
			if res.StatusCode != http.StatusUnauthorized || answer["code"] != "session_missing" || answer["token"] != nil {
				t.Errorf("%s, login %s: got %d, %v", path, name, res.StatusCode, answer)
			}
		}
	}
}

func TestSignOut(t *testing.T) {
	srv := newServer(t, quiet, time.Minute)
	phone, desk, bob := srv.signIn(t, "ada"), srv.signIn(t, "ada"), srv.signIn(t, "bob")
	onPhone := []*siotest.Client{srv.enter(t, phone), srv.enter(t, phone)}
	onDesk, bobs := srv.enter(t, desk), srv.enter(t, bob)

	srv.post(t, "/logout", phone.cookie, struct{}{})
	for _, c := range onPhone {
		kicked(t, c, "token_revoked")
	}
	if got := srv.refused(t, phone.token); got != "token_revoked" {
		t.Errorf("the token of the phone: got %v", got)
	}
	if p := onDesk.EmitAck(t, "message", "hi"); len(p.Args()) != 0 {
		t.Errorf("the other login: got %v", p)
	}

	phone = srv.signIn(t, "ada")
	again := srv.enter(t, phone)
	srv.post(t, "/logout", phone.cookie, map[string]bool{"everywhere": true})
	kicked(t, again, "token_revoked")
	kicked(t, onDesk, "token_revoked")
	if res, _ := srv.post(t, "/token", desk.cookie, nil); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("the login of the desk: got %d", res.StatusCode)
	}
	if got := srv.refused(t, desk.token); got != "token_revoked" {
		t.Errorf("the token of the desk: got %v", got)
	}
	srv.enter(t, srv.signIn(t, "ada")) // a login right afterwards works
	if p := bobs.EmitAck(t, "message", "hi"); len(p.Args()) != 0 {
		t.Errorf("the other user: got %v", p)
	}
}

func TestSignInAgain(t *testing.T) {
	srv := newServer(t, quiet, time.Minute)
	ada := srv.signIn(t, "ada")
	c := srv.enter(t, ada)
	res, _ := srv.post(t, "/login", ada.cookie, map[string]string{"user": "bob", "password": "ladder"})
	if res.StatusCode != http.StatusOK || res.Cookies()[0].Value == ada.cookie.Value {
		t.Errorf("got %d, %v", res.StatusCode, res.Cookies())
	}
	kicked(t, c, "token_revoked") // one browser, one login
}

func TestExpiry(t *testing.T) {
	srv := newServer(t, quiet, 2*time.Second)
	cleo, _ := join(t, srv, "Cleo")
	login := srv.signIn(t, "ada")
	stays, goes := srv.enter(t, login), srv.enter(t, login)
	stays.NextEvent(t, "auth:expiring")
	_, answer := srv.post(t, "/token", login.cookie, nil)
	if ttl, ok := field(t, stays.EmitAck(t, "auth:refresh", answer["token"]), "ttlMs").(float64); !ok || ttl <= 0 || ttl > 3000 {
		t.Errorf("auth:refresh: got a ttl of %v ms", ttl)
	}
	kicked(t, goes, "token_expired")
	if got := srv.refused(t, login.token); got != "token_expired" {
		t.Errorf("the old token: got %v", got)
	}
	kicked(t, stays, "token_expired") // at its own expiry
	if n := announced(t, cleo, "leave", "user:ada"); n != 1 {
		t.Errorf("%d are here", n)
	}
	srv.enter(t, login) // the login lasts longer
}
