package jwtauth_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/jwks"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// The functions below are what docs/from-passport-jwt.md shows; a test compares
// them.

type user struct{ Name string }

var users interface {
	Find(ctx context.Context, id string) (user, error)
}

func migratePassport() error {
	type Claims struct {
		jwtauth.Claims
		User user `json:"-"` // what Verify has looked up; req.user in Node
	}
	auth, err := jwtauth.New(jwtauth.HMAC([]byte(os.Getenv("JWT_SECRET"))), &jwtauth.Options[Claims]{
		Sources:   []jwtauth.Source{jwtauth.Bearer()},
		Issuers:   []string{"accounts.example.com"},
		Audiences: []string{"example.com"},
		Verify: func(ctx context.Context, id *jwtauth.Identity[Claims]) error {
			u, err := users.Find(ctx, id.Subject)
			if errors.Is(err, sql.ErrNoRows) {
				return jwtauth.ErrDisabled // done(null, false)
			}
			id.Claims.User = u
			return err // done(err): the client is told "internal", the log the rest
		},
	})
	if err != nil {
		return err // every fault of the configuration, JWT_SECRET="" among them
	}

	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io, auth.Middleware())
	_ = io.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		claims, _ := auth.From(s)
		s.Join(socket.Room("user:" + claims.Subject))
	})
	http.Handle("/socket.io/", wrap.Handler(io.ServeHandler(nil), auth.Handler))
	http.Handle("/me", auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := auth.FromContext(r.Context())
		_, _ = w.Write([]byte(id.Claims.User.Name))
	})))
	return nil
}

// jwtScheme takes "Authorization: JWT ..." for Bearer.
func jwtScheme(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v := r.Header["Authorization"]; len(v) == 1 { // two are refused behind it
			if scheme, token, _ := strings.Cut(v[0], " "); strings.EqualFold(scheme, "JWT") {
				r = r.Clone(r.Context())
				r.Header.Set("Authorization", "Bearer "+token)
			}
		}
		next.ServeHTTP(w, r)
	})
}

func migrateSocketIOJWT(secret []byte) error {
	auth, err := jwtauth.New[jwtauth.Claims](jwtauth.HMAC(secret), nil)
	if err != nil {
		return err
	}
	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io, auth.Middleware()) // io.Use would leave other namespaces open
	return nil
}

func migrateJWKS() error {
	keys, err := jwks.New("https://example.auth0.com/.well-known/jwks.json", nil)
	if err != nil {
		return err
	}
	auth, err := jwtauth.New(keys, &jwtauth.Options[jwtauth.Claims]{
		Issuers:   []string{"https://example.auth0.com/"},
		Audiences: []string{"https://chat.example.com"},
	})
	_ = auth
	return err
}

func migrateSign(secret []byte, login string) (string, error) {
	now := time.Now()
	return jwt.NewWithClaims(jwt.SigningMethodHS256, jwtauth.Claims{
		Subject: login, ID: "one for each token",
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(10 * time.Minute)),
	}).SignedString(secret)
}

var _ = []any{migratePassport, migrateSocketIOJWT, migrateJWKS, migrateSign}
