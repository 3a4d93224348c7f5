package e2e

import (
	"net/http"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/zishang520/socket.io/v2/socket"
)

// follow connects a client that recipe_auth.mjs manages, with tokens of i.
func follow(t *testing.T, v variant, s *server, i *issuer) *client {
	t.Helper()
	return connect(t, v, s, func(sc *scenario) {
		i.from(v)(sc)
		sc.Recipe = true
	})
}

// wantSignedIn checks that the recipe has not given up.
func wantSignedIn(t *testing.T, c *client) {
	t.Helper()
	wantAda(t, c)
	if len(c.all("signed_out")) != 0 {
		t.Errorf("signed out; %s", c.history())
	}
}

// wantSignedOut waits until the recipe has given up, and checks that it stays so.
func wantSignedOut(t *testing.T, c *client, code string) {
	t.Helper()
	if got := c.await(t, 1, "signed_out")[0]; got.Reason != code {
		t.Errorf("signed out: %s, want %s", got.raw, code)
	}
	opens := len(c.all("open"))
	c.idle(t)
	if len(c.all("signed_out")) != 1 || len(c.all("open")) != opens {
		t.Errorf("it goes on; %s", c.history())
	}
}

// wantAsked checks which tokens the recipe has asked for: whether new ones.
func wantAsked(t *testing.T, c *client, i *issuer, want ...bool) {
	t.Helper()
	if got := i.asked(); !slices.Equal(got, want) {
		t.Errorf("asked for tokens %v, want %v; %s", got, want, c.history())
	}
}

// TestJWTRecipeRefresh: the only visible effect of an expiry is a single refresh.
func TestJWTRecipeRefresh(t *testing.T) {
	eachOf(t, []int{4}, func(t *testing.T, v variant) {
		s := serveAuth(t, newAuth(t, jwtOptions{}), nil)
		var expiry atomic.Int64
		i := issue(t, func(_ int, renew bool) any {
			if renew {
				return sign("ada", time.Hour, object{"jti": "renewed"})
			}
			expiry.Store(time.Now().Add(brief).UnixMilli())
			return sign("ada", brief)
		})
		c := follow(t, v, s, i)
		c.await(t, 1, "event", named("auth:expiring"))
		// Past the second in which sockets with the first token are disconnected.
		c.do(t, action{Do: "pause", MS: int(expiry.Load()-time.Now().UnixMilli()) + 700})
		c.await(t, 1, "paused")
		if got := c.call(t, "whoami"); !reflect.DeepEqual(got, []any{"ada", "renewed"}) {
			t.Errorf("whoami: %v", got)
		}
		wantOneConnection(t, c)
		wantSignedIn(t, c)
		wantAsked(t, c, i, false, true)
	})
}

// TestJWTRecipeExpiry: a client that could not refresh comes back with a new token, at
// once, when it is disconnected; under Downgrade it refreshes then.
func TestJWTRecipeExpiry(t *testing.T) {
	eachOf(t, []int{4}, func(t *testing.T, v variant) {
		s := serveAuth(t, newAuth(t, jwtOptions{}), nil)
		i := issue(t, func(call int, _ bool) any {
			switch call {
			case 1:
				return sign("ada", brief)
			case 2:
				return errNoToken // when it is warned
			}
			return sign("ada", time.Hour)
		})
		c := follow(t, v, s, i)
		late := serveAuth(t, newAuth(t, jwtOptions{OnExpiry: jwtauth.Downgrade, Warning: -1}), nil)
		j := briefly(t)
		d := follow(t, v, late, j)

		c.await(t, 2, "connect", on("/"))
		wantSignedIn(t, c)
		wantAsked(t, c, i, false, true, true)
		if n := len(c.all("connect_error")); n != 0 {
			t.Errorf("%d attempts failed; %s", n, c.history())
		}

		d.await(t, 1, "event", named("auth:expired"))
		siotest.Eventually(t, "the guest is somebody again", func() bool { return d.call(t, "whoami")[0] == "ada" })
		wantAsked(t, d, j, false, true)
		wantOneConnection(t, d)
		wantSignedIn(t, d)
	})
}

// TestJWTRecipeExpired: the token at hand has expired before the client connects.
func TestJWTRecipeExpired(t *testing.T) {
	eachOf(t, []int{4}, func(t *testing.T, v variant) {
		s := serveAuth(t, newAuth(t, jwtOptions{}), nil)
		i := issue(t, func(_ int, renew bool) any {
			if renew {
				return sign("ada", time.Hour)
			}
			return sign("ada", -time.Second)
		})
		c := follow(t, v, s, i)
		c.await(t, 1, "connect", on("/"))
		wantSignedIn(t, c)
		wantAsked(t, c, i, false, true)

		// An issuer that has no other tokens: one attempt is enough.
		i = issue(t, func(int, bool) any { return sign("ada", -time.Second) })
		c = follow(t, v, s, i)
		wantSignedOut(t, c, "token_expired")
		wantAsked(t, c, i, false, true)
	})
}

// TestJWTRecipeDown: first the server is unreachable, then the store is down, then the
// issuer.
func TestJWTRecipeDown(t *testing.T) {
	eachOf(t, []int{4}, func(t *testing.T, v variant) {
		store := newFlaky()
		store.down.Store(true)
		var handshakes atomic.Int32
		s := serveAuth(t, newAuth(t, jwtOptions{Store: store}), nil, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if handshakes.Add(1) == 1 {
					http.Error(w, "bad gateway", http.StatusBadGateway)
					return
				}
				next.ServeHTTP(w, r)
			})
		})
		var down atomic.Bool
		i := issue(t, func(int, bool) any {
			if down.Load() {
				return errNoToken
			}
			return sign("ada", time.Hour)
		})
		c := follow(t, v, s, i)
		// The first is from the client, which tries again by itself; the rest are ours.
		errs := c.await(t, 2, "connect_error", on("/"))
		wantTried(t, errs[0])
		wantRefusal(t, v, errs[1], told("unavailable"))
		down.Store(true)
		asked := len(i.asked())
		siotest.Eventually(t, "the issuer is asked again", func() bool { return len(i.asked()) > asked })
		store.down.Store(false)
		down.Store(false)
		c.await(t, 1, "connect", on("/"))
		wantSignedIn(t, c)
	})
}

// wantTried checks that a failed attempt is followed by another of the client's own.
func wantTried(t *testing.T, err record) {
	t.Helper()
	if err.Data != nil || err.Active == nil || !*err.Active {
		t.Errorf("%s: %s", err.Type, err.raw)
	}
}

// TestJWTRecipeRevoked: the recipe stops and reports, and works again after the
// user has signed in again.
func TestJWTRecipeRevoked(t *testing.T) {
	eachOf(t, []int{4}, func(t *testing.T, v variant) {
		a := newAuth(t, jwtOptions{})
		s := serveAuth(t, a, nil)
		var session atomic.Value // nil: nobody is signed in
		session.Store(sign("ada", time.Hour, object{"jti": "1"}))
		i := issue(t, func(int, bool) any {
			if token := session.Load(); token != "" {
				return token
			}
			return nil
		})
		c := follow(t, v, s, i)
		c.await(t, 1, "connect", on("/"))
		c.settle()
		if n, err := a.Revoke(t.Context(), jwtauth.ByID("1")); n != 1 || err != nil {
			t.Errorf("Revoke = %d, %v", n, err)
		}
		wantSignedOut(t, c, "token_revoked")
		session.Store("")
		c.do(t, action{Do: "connect"})
		if got := c.await(t, 2, "signed_out")[1]; got.Reason != "token_missing" {
			t.Errorf("nobody is signed in: %s", got.raw)
		}
		session.Store(sign("ada", time.Hour))
		c.do(t, action{Do: "connect"})
		c.await(t, 2, "connect", on("/"))
		wantAda(t, c)
	})
}

// TestJWTRecipeLost: a connection that is lost while a token is being fetched
// leaves no second CONNECT on the next one.
func TestJWTRecipeLost(t *testing.T) {
	eachOf(t, []int{4}, func(t *testing.T, v variant) {
		var connections atomic.Int32
		s := serveAuth(t, newAuth(t, jwtOptions{}), func(io *socket.Server) {
			onConnection(io.Sockets(), func(*socket.Socket) { connections.Add(1) })
		})
		asked, wait := make(chan struct{}), make(chan struct{})
		answer := sync.OnceFunc(func() { close(wait) })
		i := issue(t, func(call int, _ bool) any {
			if call == 1 {
				close(asked)
				<-wait
			}
			return sign("ada", time.Hour)
		})
		t.Cleanup(answer) // whatever happens: the issuer waits for it
		c := follow(t, v, s, i)
		receive(t, "a token is fetched", asked)
		s.hangUp(t, v)
		c.await(t, 1, "connect", on("/"))
		answer()
		c.idle(t)
		wantSignedIn(t, c)
		if n := connections.Load(); n != 1 || len(c.all("connect", on("/"))) != 1 {
			t.Errorf("%d connections; %s", n, c.history())
		}
	})
}

// TestJWTRecipeLoop: tokens that expire at once make no endless loop.
func TestJWTRecipeLoop(t *testing.T) {
	needNode(t)
	t.Parallel()
	const life = 4 * time.Second // two of them have to pass
	v := variant{4, []string{"websocket"}}
	s := serveAuth(t, newAuth(t, jwtOptions{Warning: -1}), nil)
	issued := make(chan time.Time, 100)
	i := issue(t, func(int, bool) any {
		issued <- time.Now()
		return sign("ada", life)
	})
	c := follow(t, v, s, i)
	c.await(t, 3, "connect", on("/"))
	<-issued
	second, third := <-issued, <-issued
	if expiry := second.Truncate(time.Second).Add(life); third.Sub(expiry) < 2*time.Second {
		t.Errorf("the third attempt came %v after the second had expired; %s", third.Sub(expiry), c.history())
	}
}

// TestJWTRecipeLeave: leave ends a connection, and attempts to come to one.
func TestJWTRecipeLeave(t *testing.T) {
	needNode(t)
	t.Parallel()
	v := variant{4, []string{"websocket"}}
	store := newFlaky()
	s := serveAuth(t, newAuth(t, jwtOptions{Store: store}), nil)
	i := issue(t, func(int, bool) any { return sign("ada", time.Hour) })
	c := follow(t, v, s, i)
	c.await(t, 1, "connect", on("/"))
	c.do(t, action{Do: "leave"})
	if got := c.await(t, 1, "disconnect")[0]; got.Reason != "io client disconnect" {
		t.Errorf("disconnect: %s", got.raw)
	}
	store.down.Store(true)
	c.do(t, action{Do: "connect"})
	c.await(t, 1, "connect_error")
	c.do(t, action{Do: "leave"}, action{Do: "pause", MS: 1800}) // it would come back after 1 to 1.5 seconds
	c.await(t, 1, "paused")
	wantAsked(t, c, i, false, false)
	store.down.Store(false)
	c.do(t, action{Do: "connect"})
	c.await(t, 2, "connect", on("/"))
	wantSignedIn(t, c)
}
