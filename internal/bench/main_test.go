package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		if err := serveChild(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	// The servers inherit this: the race detector would delay each exit.
	os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0")
	siotest.Main(m, nil)
}

// needNode skips the test if it cannot run, which CI does not allow.
func needNode(t *testing.T) {
	t.Helper()
	_, err := findNode()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

// start starts a server that lives until the test ends.
func start(t *testing.T, name string) *server {
	t.Helper()
	if strings.HasPrefix(name, "node") {
		needNode(t)
	}
	s, err := startServer(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

// patience is how long a server may take on a busy machine.
func patience() time.Time { return time.Now().Add(60 * time.Second) }

// all are the servers of a full run, and each part alone.
var all = []string{
	"bare", "wrap", "full", "node", "node-events", "full-events", limited, "wrap+func",
	"wrap+logging", "wrap+ratelimit", "wrap+session", "wrap+jwtauth", "wrap+presence",
	"full-logging", "full-ratelimit", "full-session", "full-jwtauth", "full-presence",
}

// TestServers: each server does what it should for the clients of the generator.
func TestServers(t *testing.T) {
	t.Parallel()
	for _, name := range all {
		t.Run(name, func(t *testing.T) {
			s := start(t, name)
			ids, err := identities(s, 0, 3)
			if err != nil {
				t.Fatal(err)
			}
			var c *client
			for { // the bare host loses a CONNECT now and then
				if c, err = insist(s.addr, ids[0], 20*time.Second); err == nil {
					break
				}
				if s.wrap || s.node {
					t.Fatal(err)
				}
			}
			defer c.close()
			p, sid, err := openPolling(s.addr, ids[1], patience())
			if err != nil {
				t.Fatal(err)
			}
			if err := s.settle(2); err != nil {
				t.Fatal(err)
			}
			p.closePolling(s.addr, sid, ids[1].cookie)
			if err := s.settle(1); err != nil {
				t.Fatal(err)
			}

			var took []time.Duration
			begin := time.Now()
			_ = c.conn.SetDeadline(patience())
			if lost, err := c.echo(begin.Add(-time.Hour), begin, &took); lost > 0 || err != nil {
				t.Fatalf("%d events were not answered: %v", lost, err)
			}
			r, err := s.ask("count")
			if err != nil {
				t.Fatal(err)
			}
			if r.Events != pipelined {
				t.Errorf("%d events, not %d", r.Events, pipelined)
			}
			if r.Known != r.Connected || r.Connected < 2 {
				t.Errorf("of %d sockets %d are known to all that the server has", r.Connected, r.Known)
			}
			if m, rss, err := s.memory(); err != nil || m.Heap <= 0 || rss <= 0 {
				t.Errorf("memory %+v, resident %d: %v", m, rss, err)
			}
			if _, err := s.cpu(); err != nil {
				t.Error(err)
			}
			if _, err := s.ask("no such command"); err == nil {
				t.Error("an unknown command is obeyed")
			}

			c.closeWebSocket()
			if err := s.settle(0); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestToken: servers that verify tokens refuse one with a foreign signature, over both
// transports, and no other one.
func TestToken(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"full", "wrap+jwtauth", "node", "full-jwtauth"} {
		t.Run(name, func(t *testing.T) {
			s := start(t, name)
			ids, err := identities(s, 0, 1)
			if err != nil {
				t.Fatal(err)
			}
			forged := *ids[0]
			forged.auth = fmt.Sprintf(`{"token":%q,"user":%q}`, token(strings.ToUpper(secret), forged.user, time.Now()), forged.user)
			expired := *ids[0]
			expired.auth = fmt.Sprintf(`{"token":%q,"user":%q}`, token(secret, forged.user, time.Now().Add(-24*time.Hour)), forged.user)
			want := s.has("jwtauth")
			for what, id := range map[string]*identity{"forged": &forged, "expired": &expired} {
				c, err := openWebSocket(s.addr, id, patience())
				if c != nil {
					c.close()
				}
				p, _, err2 := openPolling(s.addr, id, patience())
				if p != nil {
					p.close()
				}
				var refused *refusedError
				if errors.As(err, &refused) != want || !want && err != nil {
					t.Errorf("%s, WebSocket: %v", what, err)
				}
				if errors.As(err2, &refused) != want || !want && err2 != nil {
					t.Errorf("%s, polling: %v", what, err2)
				}
			}
		})
	}
}

// TestRun is a full run without the Go benchmarks, with counts too small for anything
// else.
func TestRun(t *testing.T) {
	t.Parallel()
	c := quick()
	c.length, c.workers, c.conns, c.idle, c.lost, c.users = 300*time.Millisecond, 4, 4, 30, 100, 20
	c.only = []string{"websocket", "polling", "events", "lost", "memory"}
	c.servers = []string{"full"}
	c.bound = 60 * time.Second
	if _, err := findNode(); err == nil || os.Getenv("CI") == "true" {
		c.servers = append(c.servers, "node")
	}
	c.profile = t.TempDir()
	c.progress = func(text string) { t.Log(text) }
	r, err := run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if r.lost != 0 {
		t.Errorf("%d handshakes were lost", r.lost)
	}
	for _, md := range []bool{false, true} {
		var out bytes.Buffer
		r.write(&out, md)
		for _, want := range []string{"full / wrap", "generator time", "goroutines", "not measured"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("no %q in:\n%s", want, out.String())
			}
		}
	}
	for _, kind := range []string{"websocket", "polling", "events", "heap"} {
		if info, err := os.Stat(c.profile + "/full-" + kind + ".pprof"); err != nil || info.Size() == 0 {
			t.Errorf("no profile of %s: %v", kind, err)
		}
	}
}
