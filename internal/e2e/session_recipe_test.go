package e2e

import (
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/sioware/sioware/session"
)

// settled makes recipe_session.mjs manage the sockets of a browser.
func settled(t *testing.T) func(*scenario) {
	t.Helper()
	if _, err := os.Stat("recipe_session.mjs"); err != nil { // see findNode
		t.Fatal(err)
	}
	return func(sc *scenario) { sc.Sessions = true }
}

// inLobby adds a namespace that keeps the connection.
func inLobby(sc *scenario) { sc.Namespaces = []string{"/", "/lobby"} }

// wantGivenUp waits until the recipe has given up, and checks that it stays so.
func wantGivenUp(t *testing.T, c *client, conn int, code string) {
	t.Helper()
	if got := c.await(t, 1, "signed_out", tab(conn))[0]; got.Reason != code {
		t.Errorf("signed out: %s, want %s", got.raw, code)
	}
	connects := len(c.all("connect", on("/")))
	c.idle(t)
	if len(c.all("signed_out", tab(conn))) != 1 || len(c.all("connect", on("/"))) != connects {
		t.Errorf("it goes on; %s", c.history())
	}
}

// TestSessionRecipeRenew: after a sign-in over HTTP all tabs come back by themselves, a
// second later, even if a namespace without sessions keeps their connection open.
func TestSessionRecipeRenew(t *testing.T) {
	eachOf(t, []int{4}, func(t *testing.T, v variant) {
		for _, lobby := range []bool{false, true} {
			s := serveSite(t, siteOptions{lobby: lobby})
			edit := []func(*scenario){settled(t)}
			if lobby {
				edit = append(edit, inLobby)
			}
			c := s.browse(t, v, edit...)
			c.await(t, 1, "connect", on("/"))
			c.do(t, action{Do: "open"})
			c.await(t, 2, "connect", on("/"))
			c.steady(t)
			room := wantSeen(t, c.call(t, "visit")[0], 1, "")
			begin := time.Now()
			c.fetch(t, "POST", "/login", "")
			c.await(t, 2, "connect", on("/"), tab(0))
			c.await(t, 2, "connect", on("/"), tab(1))
			if took := time.Since(begin); took < time.Second {
				t.Errorf("both were back after %v", took)
			}
			if got := wantSeen(t, c.call(t, "visit")[0], 2, "ada"); got == room {
				t.Error("the session has its old ID")
			}
			c.steady(t)
			if len(c.all("signed_out")) != 0 || len(c.all("connect_error")) != 0 {
				t.Error(c.history())
			}
		}
	})
}

// TestSessionRecipeClaim: a sign-in over the socket. The client does not come back before
// it has its cookie, however long that takes.
func TestSessionRecipeClaim(t *testing.T) {
	eachOf(t, []int{4}, func(t *testing.T, v variant) {
		for _, slow := range []bool{false, true} {
			s := serveSite(t, siteOptions{})
			if slow {
				s.hold = make(chan struct{})
			}
			c := s.browse(t, v, settled(t))
			c.await(t, 1, "connect")
			c.steady(t)
			room := wantSeen(t, c.call(t, "visit")[0], 1, "")
			c.do(t, action{Do: "claim", Event: "login"})
			wantOut(t, c, 0, true)
			if slow {
				c.do(t, action{Do: "pause", MS: 1800}) // otherwise it would be back after 1 to 1.5 seconds
				c.await(t, 1, "paused")
				if len(c.all("connect")) != 1 {
					t.Errorf("too early; %s", c.history())
				}
				close(s.hold)
			}
			c.await(t, 1, "claimed")
			if n := len(c.all("connect")); n != 2 {
				t.Errorf("claimed after %d connects; %s", n, c.history())
			}
			if got := wantSeen(t, c.call(t, "who")[0], 1, "ada"); got == room {
				t.Error("the session has its old ID")
			}
			c.steady(t)
			if len(c.all("signed_out")) != 0 {
				t.Error(c.history())
			}
		}
	})
}

// TestSessionRecipeNotClaimed: an invalid ticket is refused, and the socket stays.
func TestSessionRecipeNotClaimed(t *testing.T) {
	needNode(t)
	t.Parallel()
	s := serveSite(t, siteOptions{})
	c := s.browse(t, variant{4, []string{"websocket"}}, settled(t))
	c.await(t, 1, "connect")
	c.do(t, action{Do: "claim", Event: "echo", Args: []any{"garbage"}})
	if got := c.await(t, 1, "failed")[0]; !reflect.DeepEqual(got.Data, any(told("forbidden"))) {
		t.Errorf("failed: %s", got.raw)
	}
	wantSeen(t, c.call(t, "visit")[0], 1, "")
	wantOneConnection(t, c)
}

// TestSessionRecipeDestroy: after a logout the page is told, in all tabs, and can connect
// again.
func TestSessionRecipeDestroy(t *testing.T) {
	eachOf(t, []int{4}, func(t *testing.T, v variant) {
		s := serveSite(t, siteOptions{})
		c := s.browse(t, v, settled(t))
		c.await(t, 1, "connect")
		openTab(t, c)
		wantSeen(t, c.call(t, "visit")[0], 1, "")
		c.fetch(t, "POST", "/logout", "")
		wantGivenUp(t, c, 0, "session_expired")
		wantGivenUp(t, c, 1, "session_expired")
		c.do(t, action{Do: "connect"})
		c.await(t, 3, "connect")
		wantSeen(t, c.call(t, "who")[0], 0, "")
		c.steady(t)
	})
}

// TestSessionRecipeRefused: without a session the page is told so.
func TestSessionRecipeRefused(t *testing.T) {
	eachOf(t, []int{4}, func(t *testing.T, v variant) {
		s := serveSite(t, siteOptions{alone: true, lobby: true})
		for cookie, code := range map[string]string{"a=b": "session_missing", "sid=garbage": "session_expired"} {
			c := s.visitor(t, v, cookie, settled(t), staying(v))
			wantGivenUp(t, c, 0, code)
			if n := len(c.all("connect_error")); n != 1 {
				t.Errorf("%d refusals; %s", n, c.history())
			}
		}
	})
}

// TestSessionRecipeDown: while the store is down the client tries again.
func TestSessionRecipeDown(t *testing.T) {
	eachOf(t, []int{4}, func(t *testing.T, v variant) {
		s := serveSite(t, siteOptions{alone: true, lobby: true, Options: session.Options{Missing: session.Refuse}})
		cookie := s.signedIn(t)
		s.store.down.Store(true)
		c := s.visitor(t, v, cookie, settled(t), staying(v))
		wantRefusal(t, v, c.await(t, 1, "connect_error", on("/"))[0], told("unavailable"))
		s.store.down.Store(false)
		c.await(t, 1, "connect", on("/"))
		wantSeen(t, c.call(t, "who")[0], 0, "ada")
		c.steady(t)
		if len(c.all("signed_out")) != 0 {
			t.Error(c.history())
		}
	})
}
