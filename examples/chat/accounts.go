package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
)

// loginLifetime is how long somebody stays signed in.
const loginLifetime = 8 * time.Hour

// passwords are those of the demo users, and the page shows them. Store a slow hash of
// real ones instead, such as argon2id.
var passwords = map[string]string{"ada": "engine", "bob": "ladder"}

// accounts signs people in. A login is kept in a cookie that no script can read, lasts
// for hours, and is good for nothing but getting tokens. A token is what a socket
// presents, and is too short-lived to be worth storing. Both are signed, each with a key
// of its own, and have the same ID: to revoke the login is to revoke its tokens, on all
// nodes. Only revocations are stored.
type accounts struct {
	auth     *jwtauth.Auth[jwtauth.Claims] // of tokens
	logins   *jwtauth.Auth[jwtauth.Claims]
	log      *slog.Logger
	tokenKey []byte
	loginKey []byte
	lifetime time.Duration // of a token
}

// grant is what a browser gets for a password, or for its login.
type grant struct {
	User        string `json:"user"`
	Token       string `json:"token"`
	ExpiresInMs int64  `json:"expiresInMs"`
}

// newAccounts returns accounts whose tokens live for lifetime. The caller must close
// them.
func newAccounts(lifetime time.Duration, st *stores, log *slog.Logger) (*accounts, error) {
	if lifetime < time.Second {
		return nil, errors.New("tokens must live for a second at least")
	}
	a := &accounts{log: log, tokenKey: st.key("token"), loginKey: st.key("login"), lifetime: lifetime}
	var err error
	a.auth, err = jwtauth.New(jwtauth.HMAC(a.tokenKey), &jwtauth.Options[jwtauth.Claims]{
		Guests:      true,
		MaxLifetime: lifetime + time.Second, // as exp is in whole seconds
		Warning:     lifetime / 2,
		Store:       st.revoked,
		Logger:      log,
	})
	if err != nil {
		return nil, err
	}
	a.logins, err = jwtauth.New(jwtauth.HMAC(a.loginKey), &jwtauth.Options[jwtauth.Claims]{
		MaxLifetime: loginLifetime + time.Second,
		Store:       st.revoked,
		Logger:      log,
	})
	if err != nil {
		return nil, errors.Join(err, a.auth.Close(context.Background()))
	}
	return a, nil
}

func (a *accounts) close() error {
	return errors.Join(a.auth.Close(context.Background()), a.logins.Close(context.Background()))
}

// signIn serves POST /login: it exchanges a password for a login and its first token.
func (a *accounts) signIn(w http.ResponseWriter, r *http.Request) *wrap.Error {
	var form struct{ User, Password string }
	if err := read(w, r, &form); err != nil {
		return err
	}
	user := strings.ToLower(strings.TrimSpace(form.User))
	want, known := passwords[user]
	if !same(form.Password, want) || !known {
		return &wrap.Error{Code: "login_failed", Message: "The user or the password is wrong"}
	}
	if old, err := a.login(r); err == nil { // one browser, one login
		if err := a.revoke(r, byLogin(old)); err != nil {
			return err
		}
	}
	id, ends := rand.Text(), time.Now().Add(loginLifetime)
	login, err := sign(a.loginKey, id, user, ends)
	if err != nil {
		return err
	}
	g, err := a.issue(id, user, ends)
	if err != nil {
		return err
	}
	a.log.Info("signed in", "user", user, "request", requestIDFrom(r.Context()))
	setCookie(w, r, login, loginLifetime)
	return answer(w, g)
}

// token serves POST /token: it issues another token for a login.
func (a *accounts) token(w http.ResponseWriter, r *http.Request) *wrap.Error {
	login, err := a.login(r)
	if err != nil {
		return err
	}
	g, err := a.issue(login.ID, login.Subject, login.ExpiresAt)
	if err != nil {
		return err
	}
	return answer(w, g)
}

// signOut serves POST /logout: it ends the login, or all logins of its user, and with
// them the sockets, in any tab and on any node.
func (a *accounts) signOut(w http.ResponseWriter, r *http.Request) *wrap.Error {
	var form struct{ Everywhere bool }
	if err := read(w, r, &form); err != nil {
		return err
	}
	login, err := a.login(r)
	if err != nil {
		return err
	}
	revocation := byLogin(login)
	if form.Everywhere {
		revocation = jwtauth.BySubject(login.Subject)
		revocation.Until = time.Now().Add(loginLifetime)
	}
	if err := a.revoke(r, revocation); err != nil {
		return err
	}
	if form.Everywhere {
		// Tokens record the time of their issue only to the second: a login made before
		// this second is over would be taken for one of those revoked.
		select {
		case <-time.After(time.Until(revocation.Before)):
		case <-r.Context().Done():
		}
	}
	a.log.Info("signed out", "user", login.Subject, "everywhere", form.Everywhere, "request", requestIDFrom(r.Context()))
	setCookie(w, r, "", -time.Second)
	return answer(w, struct{}{})
}

// login returns the login of the browser that sent a request. A missing, expired or
// revoked cookie are all the same.
func (a *accounts) login(r *http.Request) (*jwtauth.Identity[jwtauth.Claims], *wrap.Error) {
	login, err := a.logins.Authenticate(r.Context(), cookie(r))
	if err == nil {
		return login, nil
	}
	var why *wrap.Error
	if errors.As(err, &why) && strings.HasPrefix(why.Code, "token_") {
		return nil, &wrap.Error{Code: "session_missing", Err: err}
	}
	return nil, &wrap.Error{Code: "unavailable", Err: err}
}

// issue returns a token for a login, which it does not outlive.
func (a *accounts) issue(id, user string, ends time.Time) (grant, *wrap.Error) {
	now := time.Now()
	exp := now.Add(a.lifetime + time.Second - 1).Truncate(time.Second)
	if exp.After(ends) {
		exp = ends
	}
	token, err := sign(a.tokenKey, id, user, exp)
	return grant{user, token, exp.Sub(now).Milliseconds()}, err
}

func sign(key []byte, id, user string, exp time.Time) (string, *wrap.Error) {
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwtauth.Claims{
		ID: id, Subject: user, IssuedAt: jwt.NewNumericDate(time.Now()), ExpiresAt: jwt.NewNumericDate(exp),
	}).SignedString(key)
	if err != nil {
		return "", &wrap.Error{Err: err}
	}
	return token, nil
}

// byLogin revokes a login and its tokens.
func byLogin(login *jwtauth.Identity[jwtauth.Claims]) jwtauth.Revocation {
	revocation := jwtauth.ByID(login.ID)
	revocation.Until = login.ExpiresAt
	return revocation
}

// revoke takes effect even if the browser leaves meanwhile.
func (a *accounts) revoke(r *http.Request, revocation jwtauth.Revocation) *wrap.Error {
	if _, err := a.auth.Revoke(context.WithoutCancel(r.Context()), revocation); err != nil {
		return &wrap.Error{Code: "unavailable", Err: err}
	}
	return nil
}
