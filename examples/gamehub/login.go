package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
)

// claims are the claims of a token: who, and until when.
type claims struct {
	jwtauth.Claims
	OpenID string `json:"openid"`
}

// login issues tokens, and auth verifies them.
type login struct {
	auth     *jwtauth.Auth[claims]
	secret   []byte
	lifetime time.Duration
}

// newLogin returns a login whose tokens are valid as long as the process runs.
func newLogin(lifetime time.Duration, log *slog.Logger) (*login, error) {
	if lifetime < time.Second {
		return nil, errors.New("tokens must live for a second at least")
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	auth, err := jwtauth.New(jwtauth.HMAC(secret), &jwtauth.Options[claims]{
		// The client uses io(url + "/user?token=..."), as version 2 has nothing better.
		// URLs end up in the log of every proxy, so jwtauth does not look there unless
		// told to. The token in auth, of version 4, comes first.
		Sources:     []jwtauth.Source{jwtauth.AuthField("token"), jwtauth.Query("token")},
		MaxLifetime: lifetime + time.Second, // as exp is in whole seconds
		Verify:      verify,
		Logger:      log,
	})
	return &login{auth, secret, lifetime}, err
}

// verify sets whose token it is, once its signature has been verified. This is the place
// to look the user up.
func verify(_ context.Context, id *jwtauth.Identity[claims]) error {
	if id.Claims.OpenID == "" {
		return &wrap.Error{Code: "token_invalid", Err: errors.New("no openid")}
	}
	id.Subject = id.Claims.OpenID // for everything that asks auth.Subject: the limits, the log, presence
	return nil
}

var names = regexp.MustCompile(`^[a-z0-9]{1,20}$`)

// code2session stands in for WeChat's: it returns who has called wx.login. There codes
// are random and valid once; here they are the player's name.
func code2session(_ context.Context, code string) (openid string, err error) {
	if !names.MatchString(code) {
		return "", &wrap.Error{Code: "code_invalid", Message: "The code is not good"}
	}
	return "openid-" + code, nil
}

// ServeHTTP serves POST /login: it exchanges {code} for {openid, token, expiresInMs}.
func (l *login) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var form struct{ Code string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&form); err != nil {
		(&wrap.Error{Code: "http_400", Err: err}).ServeHTTP(w, r)
		return
	}
	openid, err := code2session(r.Context(), form.Code)
	token, exp := "", time.Now().Add(l.lifetime)
	if err == nil {
		token, err = jwt.NewWithClaims(jwt.SigningMethodHS256, claims{OpenID: openid, Claims: jwtauth.Claims{
			IssuedAt: jwt.NewNumericDate(time.Now()), ExpiresAt: jwt.NewNumericDate(exp),
		}}).SignedString(l.secret)
	}
	var refusal *wrap.Error
	switch {
	case errors.As(err, &refusal):
		refusal.ServeHTTP(w, r)
	case err != nil:
		(&wrap.Error{Err: err}).ServeHTTP(w, r)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(map[string]any{ // fails only if the client has left
			"openid": openid, "token": token, "expiresInMs": l.lifetime.Milliseconds(),
		})
	}
}
