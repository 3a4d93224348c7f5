package e2e

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestJWTHandshakeRefused: Handler refuses the HTTP request of the handshake, and clients
// report that. Without reconnection, or they would go on for ever.
func TestJWTHandshakeRefused(t *testing.T) {
	const challenge = `Bearer error="invalid_token"`
	down := newFlaky()
	down.down.Store(true)
	tests := map[string]struct {
		opts      jwtOptions
		token     string
		code      string
		status    int
		challenge string
	}{
		"missing": {jwtOptions{}, "", "token_missing", 401, "Bearer"},
		"invalid": {jwtOptions{}, "garbage", "token_invalid", 401, challenge},
		"expired": {jwtOptions{}, sign("ada", -time.Second), "token_expired", 401, challenge},
		"disabled": {jwtOptions{Verify: func(context.Context, *jwtauth.Identity[jwtauth.Claims]) error {
			return jwtauth.ErrDisabled
		}}, sign("ada", time.Hour), "user_disabled", 403, ""},
		"store_down": {jwtOptions{Store: down}, sign("ada", time.Hour), "unavailable", 503, ""},
	}
	each(t, func(t *testing.T, v variant) {
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				tt.opts.Sources = []jwtauth.Source{jwtauth.Bearer()}
				a := newAuth(t, tt.opts)
				s := serveAuth(t, a, nil, a.Handler)
				c := connect(t, v, s, func(sc *scenario) {
					sc.Responses = true
					sc.Options["reconnection"] = false
					if tt.token != "" {
						sc.Options["extraHeaders"] = object{"Authorization": "Bearer " + tt.token}
					}
				})
				err := c.await(t, 1, "connect_error")[0]
				message, description := "xhr poll error", any(float64(tt.status))
				if !v.polls() {
					message, description = "websocket error", "Unexpected server response: "+jsonOf(tt.status)
				}
				if err.Message != message || err.Description != description || err.Data != nil {
					t.Errorf("connect_error: %s", err.raw)
				}
				if v.client == 4 && v.polls() && (err.Status != tt.status || err.Body != jsonOf(told(tt.code))) {
					t.Errorf("err.context: %s", err.raw)
				}
				r := c.await(t, 1, "response")[0]
				want := map[string]string{
					"content-type": "application/json", "cache-control": "no-store", "www-authenticate": tt.challenge,
				}
				for name, value := range want {
					if got := strings.Join(r.Headers[name], "; "); got != value {
						t.Errorf("%s: %q, want %q", name, got, value)
					}
				}
				if r.Status != tt.status {
					t.Errorf("response: %s", r.raw)
				}
				c.idle(t)
				if len(c.all("connect")) != 0 || len(c.all("connect_error")) != 1 {
					t.Error(c.history())
				}
			})
		}
	})
}

func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestJWTHandshake: a token in the HTTP request, behind Handler: the client gets in, and
// nothing that the host keeps contains the token.
func TestJWTHandshake(t *testing.T) {
	places := map[string]struct {
		source jwtauth.Source
		put    func(sc *scenario, token string)
		ws     bool // only there
	}{
		"header": {jwtauth.Bearer(), func(sc *scenario, token string) {
			sc.Options["extraHeaders"] = object{"Authorization": "Bearer " + token}
		}, false},
		"query": {jwtauth.Query("token"), func(sc *scenario, token string) {
			sc.Options["query"] = object{"token": token, "room": "1"}
		}, false},
		"cookie": {jwtauth.Cookie("jwt"), func(sc *scenario, token string) {
			sc.Options["extraHeaders"] = object{"Cookie": "a=b; jwt=" + token}
		}, false},
		"subprotocol": {jwtauth.Subprotocol(), func(sc *scenario, token string) {
			offer := []string{"socket.io", "bearer." + token}
			if sc.Client == 2 {
				sc.Options["transportOptions"] = object{"websocket": object{"protocols": offer}}
			} else {
				sc.Options["protocols"] = offer
			}
		}, true},
	}
	each(t, func(t *testing.T, v variant) {
		for name, tt := range places {
			if tt.ws && v.polls() {
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				a := newAuth(t, jwtOptions{Sources: []jwtauth.Source{tt.source}})
				kept := make(chan string, 1)
				s := serveAuth(t, a, func(io *socket.Server) {
					onConnection(io.Sockets(), func(s *socket.Socket) {
						first := s.Conn().Request().Request()
						kept <- jsonOf([]any{
							s.Handshake(), wrap.Request(s).URL.String(), wrap.Request(s).Header,
							first.URL.String(), first.RequestURI, first.Header, s.Conn().Request().Query(),
						})
					})
				}, a.Handler)
				token := sign("ada", time.Hour)
				c := connect(t, v, s, func(sc *scenario) {
					sc.Responses = true
					tt.put(sc, token)
				})
				c.await(t, 1, "connect")
				wantAda(t, c)
				if got := receive(t, "the socket connects", kept); strings.Contains(got, token) {
					t.Errorf("the host keeps the token: %s", got)
				}
				if v.upgrades() {
					c.await(t, 1, "upgrade")
					wantAda(t, c)
				}
				if got := c.all("response")[0].Headers["sec-websocket-protocol"]; tt.ws && !reflect.DeepEqual(got, []string{"socket.io"}) {
					t.Errorf("subprotocol %q", got)
				}
			})
		}
	})
}

// TestJWTSubprotocolUnanswered: without Handler nobody answers the offer, and the
// client fails the connection.
func TestJWTSubprotocolUnanswered(t *testing.T) {
	needNode(t)
	t.Parallel()
	v := variant{4, []string{"websocket"}}
	s := serveAuth(t, newAuth(t, jwtOptions{Sources: []jwtauth.Source{jwtauth.Subprotocol()}}), nil)
	c := connect(t, v, s, func(sc *scenario) {
		sc.Options["reconnection"] = false
		sc.Options["protocols"] = []string{"socket.io", "bearer." + sign("ada", time.Hour)}
	})
	if got := c.await(t, 1, "connect_error")[0]; got.Description != "Server sent no subprotocol" {
		t.Errorf("connect_error: %s", got.raw)
	}
}

// TestJWTLate: with an AuthField among the sources a handshake without token
// passes Handler, and the token comes with CONNECT.
func TestJWTLate(t *testing.T) {
	eachOf(t, []int{4}, func(t *testing.T, v variant) {
		a := newAuth(t, jwtOptions{Sources: []jwtauth.Source{jwtauth.AuthField("token"), jwtauth.Bearer()}})
		s := serveAuth(t, a, nil, a.Handler)
		c := connect(t, v, s, with(v, sign("ada", time.Hour)))
		c.await(t, 1, "connect", on("/"))
		wantAda(t, c)
		d := connect(t, v, s, with(v, ""))
		wantRefusal(t, v, d.await(t, 1, "connect_error")[0], told("token_missing"))
		wantNoRetry(t, v, d)
	})
}
