package jwtauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// issue signs a token, as the login page of an application does.
func issue(c jwt.Claims) string {
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(secret)
	if err != nil {
		return err.Error()
	}
	return token
}

func in(d time.Duration) *jwt.NumericDate { return jwt.NewNumericDate(time.Now().Add(d)) }

// A server that admits clients with a valid token. What the clients see is
// printed as the raw packets of the protocol.
func Example() {
	auth, err := jwtauth.New[jwtauth.Claims](jwtauth.HMAC(secret), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer auth.Close(context.Background())

	io := socket.NewServer(nil, wrap.Harden(nil))
	io.Use(auth.Middleware())
	greeted := make(chan struct{})
	_ = io.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		claims, _ := auth.From(s)
		fmt.Println("connected:", claims.Subject)
		close(greeted)
	})
	server := httptest.NewServer(wrap.Handler(io.ServeHandler(nil)))
	defer server.Close()
	defer io.Close(nil)

	fmt.Println(connect(server.URL, ""))
	fmt.Println(connect(server.URL, issue(jwtauth.Claims{Subject: "ada", ExpiresAt: in(-time.Minute)})))
	connect(server.URL, issue(jwtauth.Claims{Subject: "ada", ExpiresAt: in(time.Hour)}))
	<-greeted
	// Output:
	// 44{"data":{"code":"token_missing","message":"Authentication required","retryable":false},"message":"Authentication required"}
	// 44{"data":{"code":"token_expired","message":"Token expired","retryable":false},"message":"Token expired"}
	// connected: ada
}

// connect sends CONNECT with a token over WebSocket, and returns the answer.
func connect(url string, token string) string {
	url = "ws" + strings.TrimPrefix(url, "http") + "/socket.io/?EIO=4&transport=websocket"
	c, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_, _, err = c.ReadMessage() // OPEN
	if err == nil {
		err = c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "40{%q:%q}", "token", token))
	}
	_, answer, _ := c.ReadMessage()
	if err != nil {
		return err.Error()
	}
	return string(answer)
}

// Claims of the application's own, completed from its user table.
func ExampleNew() {
	type Claims struct {
		jwtauth.Claims
		OpenID string `json:"openid"`
		Name   string `json:"-"` // not of the token
	}
	users := map[string]string{"wx-1": "Ada"}

	auth, err := jwtauth.New(jwtauth.HMAC(secret), &jwtauth.Options[Claims]{
		Sources: []jwtauth.Source{jwtauth.AuthField("token"), jwtauth.Query("token")},
		Verify: func(_ context.Context, id *jwtauth.Identity[Claims]) error {
			name, ok := users[id.Claims.OpenID]
			if !ok {
				return jwtauth.ErrDisabled
			}
			id.Subject, id.Claims.Name = id.Claims.OpenID, name
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer auth.Close(context.Background())

	for _, openid := range []string{"wx-1", "wx-2"} {
		id, err := auth.Authenticate(context.Background(), issue(Claims{
			Claims: jwtauth.Claims{ExpiresAt: in(time.Hour)}, OpenID: openid,
		}))
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(id.Subject, id.Claims.Name)
	}
	// Output:
	// wx-1 Ada
	// user_disabled: User disabled: jwtauth: user unknown or disabled
}

// All faults of a configuration are reported at once.
func ExampleNew_faults() {
	_, err := jwtauth.New(jwtauth.HMAC([]byte("secret")), &jwtauth.Options[jwtauth.Claims]{
		Audiences: []string{""}, // from an environment variable that is not set
		Leeway:    time.Hour,
	})
	fmt.Println(err)
	// Output:
	// jwtauth: HMAC: key 1: jws: secret of 6 bytes; at least 32 are required
	// jwtauth: Audiences: empty string
	// jwtauth: Leeway: 1h0m0s is not between 0 and 5m0s
}

// Roles decide who joins a namespace, and who may send an event.
func ExampleAuth_Events() {
	type Claims struct {
		jwtauth.Claims
		Role string `json:"role"`
	}
	auth, err := jwtauth.New[Claims](jwtauth.HMAC(secret), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io,
		auth.Middleware(),
		auth.Events(func(c Claims, event string, _ []any) error {
			if c.Role == "visitor" && event == "chat" {
				return &wrap.Error{Code: "forbidden", Message: "Sign up first"}
			}
			return nil
		}),
	)
	io.Of("/admin", nil).Use(auth.Require(func(c Claims) error {
		if c.Role != "admin" {
			return errors.New("not an admin") // for the log
		}
		return nil
	}))
	http.Handle("/socket.io/", wrap.Handler(io.ServeHandler(nil)))
}

// Guests may join "/lobby", and no other namespace, whichever may be added later.
func ExampleAuth_Require() {
	auth, err := jwtauth.New(jwtauth.HMAC(secret), &jwtauth.Options[jwtauth.Claims]{Guests: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	io := socket.NewServer(nil, wrap.Harden(nil))
	member := auth.Require(nil) // refuses guests with token_missing
	wrap.UseAll(io, auth.Middleware(), func(s *socket.Socket, next func(*socket.ExtendedError)) {
		if s.Nsp().Name() == "/lobby" {
			next(nil)
			return
		}
		member(s, next)
	})
	http.Handle("/socket.io/", wrap.Handler(io.ServeHandler(nil)))
}

// A logout takes effect at once, on every node that shares the Store. This one is for a
// single token; BySubject logs out all tabs and devices.
func ExampleAuth_Revoke() {
	auth, err := jwtauth.New[jwtauth.Claims](jwtauth.HMAC(secret), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer auth.Close(context.Background())

	token := issue(jwtauth.Claims{Subject: "ada", ExpiresAt: in(time.Hour)})
	r := httptest.NewRequest(http.MethodPost, "/logout", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	logout := auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := auth.FromContext(r.Context())
		revocation := jwtauth.ByID(id.ID)
		revocation.Until = id.ExpiresAt
		if _, err := auth.Revoke(r.Context(), revocation); err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	}))
	for range 2 {
		w := httptest.NewRecorder()
		logout.ServeHTTP(w, r)
		fmt.Println(strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Body)))
	}
	// Output:
	// 200
	// 401 {"code":"token_revoked","message":"Token revoked","retryable":false}
}
