package e2e

import (
	"reflect"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/socket.io/v2/socket"
)

// brief is the lifetime of tokens that are meant to expire. A client must have connected
// by then, even on a busy machine.
const brief = 8 * time.Second

// briefly issues a token that expires soon, and then others that do not.
func briefly(t *testing.T) *issuer {
	return issue(t, func(call int, _ bool) any {
		if call == 1 {
			return sign("ada", brief)
		}
		return sign("ada", time.Hour)
	})
}

// wantAda checks who the client is for the server.
func wantAda(t *testing.T, c *client) {
	t.Helper()
	if got := c.call(t, "whoami"); got[0] != "ada" {
		t.Errorf("whoami: %v", got)
	}
}

// TestJWTExpiry: what the clients see when their tokens expire, under each policy. They
// wait for that together.
func TestJWTExpiry(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		start := func(o jwtOptions, required bool) *client {
			a := newAuth(t, o)
			s := serveAuth(t, a, func(io *socket.Server) {
				if required {
					io.Use(a.Require(nil))
				}
			})
			return connect(t, v, s, briefly(t).from(v))
		}
		out := start(jwtOptions{}, false)
		guest := start(jwtOptions{OnExpiry: jwtauth.Downgrade, Warning: -1}, false)
		member := start(jwtOptions{OnExpiry: jwtauth.Downgrade, Warning: -1}, true)
		wantExpiry(t, out)
		wantDowngrade(t, guest)
		wantKicked(t, member, "token_expired") // a guest could not have joined
	})
}

// wantExpiry: the client is warned, told and disconnected, and does not come back
// before the application has a new token.
func wantExpiry(t *testing.T, c *client) {
	t.Helper()
	warned := c.await(t, 1, "event")[0]
	data, _ := warned.Args[0].(object)
	if ttl, _ := data["ttlMs"].(float64); warned.Event != "auth:expiring" || len(data) != 1 || ttl <= 0 || ttl > float64(brief.Milliseconds()) {
		t.Errorf("first event: %s", warned.raw)
	}
	wantKicked(t, c, "token_expired")
	c.do(t, action{Do: "renew"})
	c.await(t, 2, "connect", on("/"))
	wantAda(t, c)
}

// wantDowngrade: a guest from expiry until a refresh, on one connection.
func wantDowngrade(t *testing.T, c *client) {
	t.Helper()
	if got := c.await(t, 1, "event")[0]; got.Event != "auth:expired" || !reflect.DeepEqual(got.Args, []any{told("token_expired")}) {
		t.Errorf("event: %s", got.raw)
	}
	if got := c.call(t, "whoami"); !reflect.DeepEqual(got, []any{nil}) {
		t.Errorf("whoami after expiry: %v", got)
	}
	c.call(t, "auth:refresh", object{"token": sign("ada", time.Hour)})
	wantAda(t, c)
	wantOneConnection(t, c)
}

// wantOneConnection checks that the socket of the client has been connected once.
func wantOneConnection(t *testing.T, c *client) {
	t.Helper()
	if len(c.all("connect", on("/"))) != 1 || len(c.all("disconnect")) != 0 {
		t.Errorf("not one connection; %s", c.history())
	}
}

// TestJWTRefresh: a new token on the same connection, and what is refused.
func TestJWTRefresh(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		store := newFlaky()
		s := serveAuth(t, newAuth(t, jwtOptions{Store: store}), nil)
		c := connect(t, v, s, with(v, sign("ada", time.Hour)))
		c.await(t, 1, "connect", on("/"))
		before := c.call(t, "whoami")
		if got := c.call(t, "auth:refresh", sign("bob", 2*time.Hour)); !reflect.DeepEqual(got, []any{told("forbidden")}) {
			t.Errorf("another user: %v", got)
		}
		store.down.Store(true)
		if got := c.call(t, "auth:refresh", sign("ada", 2*time.Hour)); !reflect.DeepEqual(got, []any{told("unavailable")}) {
			t.Errorf("store down: %v", got)
		}
		store.down.Store(false)
		if got := c.call(t, "whoami"); !reflect.DeepEqual(got, before) {
			t.Errorf("whoami after refusals: %v, before %v", got, before)
		}
		data, _ := c.call(t, "auth:refresh", sign("ada", 2*time.Hour, object{"jti": "new"}))[0].(object)
		if ttl, _ := data["ttlMs"].(float64); len(data) != 1 || ttl < 7e6 || ttl > 7.2e6 {
			t.Errorf("ack: %v", data)
		}
		if got := c.call(t, "whoami"); !reflect.DeepEqual(got, []any{"ada", "new"}) {
			t.Errorf("whoami: %v", got)
		}
		var limited []any
		for range 20 {
			if limited = c.call(t, "auth:refresh", "garbage"); codeOf(limited) != "token_invalid" {
				break
			}
		}
		data, _ = limited[0].(object)
		if ms, _ := data["retryAfterMs"].(float64); ms <= 0 || ms > 5000 || data["code"] != "rate_limited" || data["retryable"] != true {
			t.Errorf("many refreshes: %v", data)
		}
		wantOneConnection(t, c)
	})
}

// TestJWTRevoke: a revocation disconnects the client, and keeps it out.
func TestJWTRevoke(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		a := newAuth(t, jwtOptions{})
		s := serveAuth(t, a, nil)
		c := connect(t, v, s, with(v, sign("ada", time.Hour)))
		c.await(t, 1, "connect", on("/"))
		c.settle()
		if n, err := a.Revoke(t.Context(), jwtauth.BySubject("ada")); n != 1 || err != nil {
			t.Errorf("Revoke = %d, %v", n, err)
		}
		wantKicked(t, c, "token_revoked")
		c.do(t, action{Do: "connect"})
		wantRefusal(t, v, c.await(t, 1, v.refusal(), on("/"))[0], told("token_revoked"))
	})
}

// TestJWTNewestLogin: a second client replaces the first, which stays out.
func TestJWTNewestLogin(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		s := serveAuth(t, newAuth(t, jwtOptions{Logins: jwtauth.NewestLogin}), nil)
		first := connect(t, v, s, with(v, sign("ada", time.Hour, object{"iat": time.Now().Unix() - 10})))
		first.await(t, 1, "connect", on("/"))
		first.settle()
		second := connect(t, v, s, with(v, sign("ada", time.Hour)))
		second.await(t, 1, "connect", on("/"))
		wantKicked(t, first, "replaced")
		first.do(t, action{Do: "connect"})
		wantRefusal(t, v, first.await(t, 1, v.refusal(), on("/"))[0], told("replaced"))
		wantAda(t, second)
		if len(second.all("disconnect")) != 0 {
			t.Errorf("the second too; %s", second.history())
		}
	})
}

// hangUp ends all connections, as a proxy may at any time: those of a client that
// upgrades only after the host has upgraded them too, since before that it waits up to 30
// seconds for a poll that does not come.
func (s *server) hangUp(t *testing.T, v variant) {
	t.Helper()
	s.sessions.Range(func(k, _ any) bool {
		session := k.(engine.Socket)
		siotest.Eventually(t, "the upgrade", func() bool {
			return !v.upgrades() || session.Transport().Name() == "websocket"
		})
		session.Close(true)
		return true
	})
}

// TestJWTAuthFunction: socket.auth as a function fetches a token for each attempt,
// also when the client reconnects by itself.
func TestJWTAuthFunction(t *testing.T) {
	eachOf(t, []int{4}, func(t *testing.T, v variant) {
		i := issue(t, func(call int, _ bool) any {
			if call == 1 {
				return sign("ada", -time.Second)
			}
			return sign("ada", time.Hour, object{"jti": []string{"", "", "second", "third"}[min(call, 3)]})
		})
		s := serveAuth(t, newAuth(t, jwtOptions{}), nil)
		c := connect(t, v, s, i.from(v))
		wantRefusal(t, v, c.await(t, 1, "connect_error")[0], told("token_expired"))
		c.settle()
		c.do(t, action{Do: "connect"})
		c.await(t, 1, "connect", on("/"))
		if got := c.call(t, "whoami"); !reflect.DeepEqual(got, []any{"ada", "second"}) {
			t.Errorf("whoami: %v", got)
		}
		s.hangUp(t, v)
		c.await(t, 2, "connect", on("/"))
		if got := c.call(t, "whoami"); !reflect.DeepEqual(got, []any{"ada", "third"}) {
			t.Errorf("whoami: %v", got)
		}
		if got := len(i.asked()); got != 3 {
			t.Errorf("%d tokens fetched; %s", got, c.history())
		}
	})
}
