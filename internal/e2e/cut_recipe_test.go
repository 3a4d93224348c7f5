package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
)

// What a puppet sends: packets, of which one poll may return several.
const (
	welcome = `40{"sid":"s"}`
	away    = "41" // disconnects the socket
	closing = "1"  // ends the connection
)

func kick(e *wrap.Error) string   { return `42["kicked",` + toJSON(e.ClientData()) + `]` }
func refuse(e *wrap.Error) string { return `44{"message":"","data":` + toJSON(e.ClientData()) + `}` }

func toJSON(v object) string {
	b, _ := json.Marshal(v) // texts, flags and numbers
	return string(b)
}

func inOnePoll(packets ...string) string { return strings.Join(packets, "\x1e") }

// puppet is a long-polling server that sends what it is told to, poll by poll: to its
// first connection, its second, and so on. With a real one, timing decides what is in one
// poll.
type puppet struct {
	*server
	handshakes atomic.Int32
}

func newPuppet(t *testing.T, connections [][]string) *puppet {
	t.Helper()
	polls := make([]chan string, len(connections))
	for i, c := range connections {
		polls[i] = make(chan string, len(c))
	}
	p := new(puppet)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sid := r.URL.Query().Get("sid")
		if sid == "" {
			n := int(p.handshakes.Add(1)) - 1
			if n >= len(connections) {
				http.Error(w, "too many", http.StatusServiceUnavailable)
				return
			}
			_, _ = fmt.Fprintf(w, `0{"sid":"%d","upgrades":[],"pingInterval":25000,"pingTimeout":20000}`, n)
			return
		}
		n, err := strconv.Atoi(sid)
		if err != nil || n >= len(connections) {
			http.Error(w, sid, http.StatusBadRequest)
			return
		}
		if r.Method == http.MethodPost {
			if body, _ := io.ReadAll(r.Body); strings.HasPrefix(string(body), "40") { // CONNECT
				for _, packets := range connections[n] {
					polls[n] <- packets
				}
			}
			_, _ = io.WriteString(w, "ok")
			return
		}
		select {
		case packets := <-polls[n]:
			_, _ = io.WriteString(w, packets)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(s.Close)
	p.server = &server{Server: &siotest.Server{URL: s.URL}}
	return p
}

// toldBy returns the codes that a recipe has passed to its page.
func toldBy(c *client) (codes []string) {
	for _, r := range c.all("signed_out") {
		codes = append(codes, r.Reason)
	}
	for _, r := range c.all("refused") {
		codes = append(codes, codeOf([]any{r.Data}))
	}
	return codes
}

// TestRecipeCut: if the connection is lost together with the packets that disconnect a
// client, the client gets them later, too late to come back by itself. The recipes come
// back, unless they have learned that they are not wanted.
func TestRecipeCut(t *testing.T) {
	needNode(t)
	t.Parallel()
	const lost, out = "transport close", "io server disconnect"
	final := &wrap.Error{Code: "token_revoked"}
	soon := &wrap.Error{Code: "rate_limited", RetryAfter: 10 * time.Millisecond}
	for name, tt := range map[string]struct {
		connections [][]string
		told        string   // what the page is told in the end
		reasons     []string // of each disconnect
	}{
		"whole": {
			connections: [][]string{{welcome, inOnePoll(kick(final), away)}},
			told:        "token_revoked", reasons: []string{out},
		},
		"heard": {
			connections: [][]string{{welcome, kick(final), inOnePoll(away, closing)}},
			told:        "token_revoked", reasons: []string{lost, out},
		},
		"heard and wanted": {
			connections: [][]string{{welcome, kick(soon), inOnePoll(away, closing)}, {welcome}},
			reasons:     []string{lost, out},
		},
		"late": {
			connections: [][]string{{welcome, inOnePoll(kick(final), away, closing)}, {refuse(final)}},
			told:        "token_revoked", reasons: []string{lost, out},
		},
		// The second time the server gives no reason, and the first reason does not count
		// for it.
		"late and forgotten": {
			connections: [][]string{{welcome, inOnePoll(kick(final), away, closing)}, {welcome, away}},
			reasons:     []string{lost, out, out},
		},
	} {
		for recipe, edit := range map[string]func(t *testing.T, sc *scenario){
			"auth": func(t *testing.T, sc *scenario) {
				sc.Recipe, sc.Tokens = true, issue(t, func(int, bool) any { return "a token" }).URL
			},
			"limit":   func(_ *testing.T, sc *scenario) { sc.Limits = true },
			"session": func(_ *testing.T, sc *scenario) { sc.Sessions = true },
		} {
			t.Run(name+"/"+recipe, func(t *testing.T) {
				t.Parallel()
				p := newPuppet(t, tt.connections)
				c := connect(t, variant{4, []string{"polling"}}, p.server, func(sc *scenario) {
					edit(t, sc)
					sc.Listen = []string{"kicked"}
				})
				c.await(t, len(tt.connections), "open")
				for i, r := range c.await(t, len(tt.reasons), "disconnect") {
					if i >= len(tt.reasons) || r.Reason != tt.reasons[i] {
						t.Errorf("disconnect: %s, want %v", r.raw, tt.reasons)
					}
				}
				var want []string
				if tt.told != "" {
					want = []string{tt.told}
					c.until(func() bool { return len(toldBy(c)) > 0 })
				} else {
					c.await(t, 2, "connect")
					c.await(t, 1, "event", named("kicked")) // at the latest before that
				}
				c.idle(t)
				if got := toldBy(c); !slices.Equal(got, want) || int(p.handshakes.Load()) != len(tt.connections) {
					t.Errorf("the page was told %q, want %q, after %d handshakes; %s", got, want, p.handshakes.Load(), c.history())
				}
			})
		}
	}
}
