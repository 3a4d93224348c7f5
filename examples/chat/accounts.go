package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
)

// Nothing here grows without bound.
const (
	loginLifetime = 8 * time.Hour
	maxLogins     = 10 // of one user; the oldest gives way
	maxTokens     = 50 // of one login, at a time
)

// passwords are those of the demo users, and the page shows them. Who has real
// ones keeps a slow hash of each instead, such as argon2id.
var passwords = map[string]string{"ada": "engine", "bob": "ladder"}

// accounts signs people in. A login lies in a cookie that no script can read,
// lasts hours, and is good for nothing but to get tokens. A token is what a
// socket comes with, and lasts so short that it needs no keeping.
type accounts struct {
	auth     *jwtauth.Auth[jwtauth.Claims]
	log      *slog.Logger
	secret   []byte
	lifetime time.Duration // of a token

	mu     sync.Mutex
	logins map[string]*login    // by the value of the cookie
	since  map[string]time.Time // by user: tokens that were issued before are revoked
}

// login is one browser in which a user is signed in.
type login struct {
	user   string
	ends   time.Time
	tokens map[string]time.Time // by id: when they expire
}

// grant is what a browser gets for a password, or for its login.
type grant struct {
	User        string `json:"user"`
	Token       string `json:"token"`
	ExpiresInMs int64  `json:"expiresInMs"`
}

// newAccounts returns accounts whose tokens live for lifetime, and no longer than
// the process. Its auth is to be closed.
func newAccounts(lifetime time.Duration, log *slog.Logger) (*accounts, error) {
	if lifetime < time.Second {
		return nil, errors.New("tokens must live for a second at least")
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	auth, err := jwtauth.New(jwtauth.HMAC(secret), &jwtauth.Options[jwtauth.Claims]{
		Guests:      true,
		MaxLifetime: lifetime + time.Second, // as exp is in whole seconds
		Warning:     lifetime / 2,
		Logger:      log,
	})
	if err != nil {
		return nil, err
	}
	return &accounts{
		auth: auth, log: log, secret: secret, lifetime: lifetime,
		logins: make(map[string]*login), since: make(map[string]time.Time),
	}, nil
}

// signIn serves POST /login: a password becomes a login and its first token.
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
	if err := a.wait(r.Context(), user); err != nil {
		return err
	}

	id := rand.Text()
	l := &login{user: user, ends: time.Now().Add(loginLifetime), tokens: make(map[string]time.Time)}
	a.mu.Lock()
	revoked := append(a.end(cookie(r)), a.makeRoom(user)...) // one browser, one login
	a.logins[id] = l
	g, err := a.issue(l)
	a.mu.Unlock()
	if err == nil {
		err = a.revoke(r, revoked)
	}
	if err != nil {
		return err
	}
	a.log.Info("signed in", "user", user, "request", requestIDFrom(r.Context()))
	setCookie(w, r, id, loginLifetime)
	return answer(w, g)
}

// token serves POST /token: a login gets another token.
func (a *accounts) token(w http.ResponseWriter, r *http.Request) *wrap.Error {
	a.mu.Lock()
	l := a.find(cookie(r))
	if l == nil {
		a.mu.Unlock()
		return &wrap.Error{Code: "session_missing"}
	}
	g, err := a.issue(l)
	a.mu.Unlock()
	if err != nil {
		return err
	}
	return answer(w, g)
}

// signOut serves POST /logout: the login ends, or all logins of its user, and with
// them the sockets, in whatever tab they are.
func (a *accounts) signOut(w http.ResponseWriter, r *http.Request) *wrap.Error {
	var form struct{ Everywhere bool }
	if err := read(w, r, &form); err != nil {
		return err
	}
	a.mu.Lock()
	l := a.find(cookie(r))
	if l == nil {
		a.mu.Unlock()
		return &wrap.Error{Code: "session_missing"}
	}
	revoked := a.end(cookie(r))
	if form.Everywhere {
		maps.DeleteFunc(a.logins, func(_ string, other *login) bool { return other.user == l.user })
		all := jwtauth.BySubject(l.user)
		a.since[l.user] = all.Before
		revoked = []jwtauth.Revocation{all}
	}
	a.mu.Unlock()
	if err := a.revoke(r, revoked); err != nil {
		return err
	}
	a.log.Info("signed out", "user", l.user, "everywhere", form.Everywhere, "request", requestIDFrom(r.Context()))
	setCookie(w, r, "", -time.Second)
	return answer(w, struct{}{})
}

// issue returns a token for l. a.mu is held, so that none is issued for a login
// that is ending.
func (a *accounts) issue(l *login) (grant, *wrap.Error) {
	now := time.Now()
	maps.DeleteFunc(l.tokens, func(_ string, exp time.Time) bool { return now.After(exp) })
	if len(l.tokens) >= maxTokens {
		return grant{}, &wrap.Error{Code: "rate_limited", RetryAfter: a.lifetime}
	}
	id, exp := rand.Text(), now.Add(a.lifetime+time.Second-1).Truncate(time.Second)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwtauth.Claims{
		ID: id, Subject: l.user, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(exp),
	}).SignedString(a.secret)
	if err != nil {
		return grant{}, &wrap.Error{Err: err}
	}
	l.tokens[id] = exp
	return grant{l.user, token, exp.Sub(now).Milliseconds()}, nil
}

// find returns the login of a cookie, or nil. a.mu is held.
func (a *accounts) find(cookie string) *login {
	if l := a.logins[cookie]; l != nil && time.Now().Before(l.ends) {
		return l
	}
	return nil
}

// end forgets a login and returns what of it is to be revoked. a.mu is held.
func (a *accounts) end(cookie string) (tokens []jwtauth.Revocation) {
	if l := a.logins[cookie]; l != nil {
		delete(a.logins, cookie)
		for id, exp := range l.tokens {
			token := jwtauth.ByID(id)
			token.Until = exp
			tokens = append(tokens, token)
		}
	}
	return tokens
}

// makeRoom is end for the oldest login of a user who has too many. a.mu is held.
func (a *accounts) makeRoom(user string) []jwtauth.Revocation {
	oldest, n := "", 0
	for cookie, l := range a.logins {
		if l.user != user {
			continue
		}
		if n++; oldest == "" || l.ends.Before(a.logins[oldest].ends) {
			oldest = cookie
		}
	}
	if n < maxLogins {
		return nil
	}
	return a.end(oldest)
}

// revoke takes effect also when the browser has gone meanwhile.
func (a *accounts) revoke(r *http.Request, list []jwtauth.Revocation) *wrap.Error {
	ctx := context.WithoutCancel(r.Context())
	for _, revocation := range list {
		if _, err := a.auth.Revoke(ctx, revocation); err != nil {
			return &wrap.Error{Code: "unavailable", Err: err}
		}
	}
	return nil
}

// wait lets the second pass in which the user has signed out everywhere: tokens
// tell the second of their issue and no more, so that a new one would be taken for
// one of those.
func (a *accounts) wait(ctx context.Context, user string) *wrap.Error {
	a.mu.Lock()
	since := a.since[user]
	a.mu.Unlock()
	select {
	case <-time.After(time.Until(since)):
		return nil
	case <-ctx.Done():
		return &wrap.Error{Code: "unavailable", Err: ctx.Err()}
	}
}
