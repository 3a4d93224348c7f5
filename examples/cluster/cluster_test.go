//go:build unix

package main

import (
	"errors"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
)

// TestCluster: two nodes act as one.
func TestCluster(t *testing.T) {
	d := deploy(t)
	// Each user has two browsers. nginx assigns them to the two nodes in turn.
	type device struct {
		*browser
		c *siotest.Client
	}
	devices := make(map[string]map[string]device) // by user and node
	for i, user := range users {
		devices[user] = make(map[string]device)
		for range 2 {
			b := d.signIn(t, user, kinds[i%3])
			chosen := b.node
			c := b.connect(t)
			if b.node != chosen {
				t.Errorf("%s has the cookie of %s and is on %s", user, chosen, b.node)
			}
			devices[user][b.node] = device{b, c}
		}
		if len(devices[user]) != 2 {
			t.Fatalf("%s is on %v, want that nodes take turns", user, devices[user])
		}
	}
	for _, user := range users {
		for node, dev := range devices[user] {
			awaitLobby(t, dev.c, "ada[a b] bob[a b] cleo[a b] dan[a b] eve[a b] fay[a b]")
			if got := ask(t, dev.c, "who")["node"]; got != node {
				t.Errorf("%s is on %s and was answered by %v", user, node, got)
			}
		}
	}

	t.Run("sticky", func(t *testing.T) {
		for range 60 { // with two requests for each polling client
			for _, user := range users {
				for node, dev := range devices[user] {
					if got := ask(t, dev.c, "who")["node"]; got != node {
						t.Fatalf("%s on %s: %v", user, node, got)
					}
				}
			}
		}
	})

	t.Run("no cookies", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("the loopback interface has one address alone")
		}
		var clients []*siotest.Client
		nodes := make(map[string]int)
		for i := 0; i < 8 || len(nodes) < 2 && i < 100; i++ {
			b := &browser{d: d, user: "ada", kind: kinds[1+i%2], from: "127.0.0." + strconv.Itoa(2+i)}
			b.login(t)
			clients = append(clients, b.connect(t))
			nodes[b.node]++
		}
		if len(nodes) != 2 {
			t.Errorf("all are on %v", nodes)
		}
		for range 10 {
			for _, c := range clients {
				ask(t, c, "who")
			}
		}
		for _, c := range clients {
			c.Close()
		}
		awaitLobby(t, devices["bob"]["a"].c, "ada[a b] bob[a b] cleo[a b] dan[a b] eve[a b] fay[a b]")
	})

	t.Run("exchange", func(t *testing.T) {
		for i, user := range users {
			target := users[(i+1)%len(users)]
			for from, dev := range devices[user] {
				text := "to " + target + " from " + from + ": <b>hi</b>, Grüße"
				if got := ask(t, dev.c, "exchange", object{"target": target, "payload": text, "from": "eve"}); got["devices"] != 2.0 {
					t.Errorf("got %v", got)
				}
				for _, receiver := range devices[target] {
					got, _ := receiver.c.NextEvent(t, "exchange").Args()[0].(object)
					if got["from"] != user || got["payload"] != text {
						t.Errorf("%s to %s: got %v", user, target, got)
					}
				}
			}
		}
		c := devices["ada"]["a"].c
		for _, test := range []struct {
			code string
			args []any
		}{
			{"user_offline", []any{object{"target": "mallory", "payload": "hi"}}},
			{"message_invalid", []any{object{"target": "bob"}}},
			{"message_invalid", []any{object{"target": "bob", "payload": object{}}}},
			{"message_invalid", []any{object{"target": "bob", "payload": strings.Repeat("x", maxPayload+1)}}},
			{"message_invalid", []any{"bob", "hi"}},
			{"message_invalid", []any{nil}},
			{"message_invalid", nil},
		} {
			if got := ask(t, c, "exchange", test.args...); got["code"] != test.code {
				t.Errorf("%v: got %v, want %s", test.args, got, test.code)
			}
		}
		c.Emit("exchange") // nobody waits for the answer
	})

	t.Run("kick", func(t *testing.T) {
		for i, user := range users {
			here, there := "a", "b"
			if i%2 == 0 {
				here, there = there, here
			}
			if got := ask(t, devices[user][here].c, "kick"); got["devices"] != 1.0 {
				t.Errorf("got %v", got)
			}
			got, _ := devices[user][there].c.NextEvent(t, "kicked").Args()[0].(object)
			if got["code"] != "replaced" || got["retryable"] != false || got["reason"] == nil {
				t.Errorf("kicked with %v", got)
			}
			if p := devices[user][there].c.Next(t); p.Type != siotest.TypeDisconnect {
				t.Errorf("then got %v", p)
			}
		}
		awaitLobby(t, devices["ada"]["b"].c, "ada[b] bob[a] cleo[b] dan[a] eve[b] fay[a]")
	})
}

// TestDoors: what must not get in does not, neither through nginx nor without it.
func TestDoors(t *testing.T) {
	d := deploy(t)
	ada := d.signIn(t, "ada", "polling")
	for name, test := range map[string]struct {
		origin string
		body   any
		status int
		code   any
	}{
		"own page":     {d.nginx.URL, object{"user": " Bob "}, 200, nil},
		"foreign page": {"http://evil.example", object{"user": "ada"}, 403, "origin_denied"},
		"nobody":       {d.nginx.URL, object{"user": "mallory"}, 403, "login_failed"},
		"no object":    {d.nginx.URL, "ada", 400, "http_400"},
	} {
		res, answer := ada.do(t, http.MethodPost, "/login", http.Header{"Origin": {test.origin}}, test.body)
		if res.StatusCode != test.status || answer["code"] != test.code || (answer["token"] == nil) != (test.code != nil) {
			t.Errorf("%s: got %d, %v", name, res.StatusCode, answer)
		}
	}
	for _, polling := range []bool{false, true} {
		_, err := d.nginx.Server().Open(t, siotest.Dial{Polling: polling, Header: http.Header{"Origin": {"http://evil.example"}}})
		var refused *siotest.RefusedError
		if !errors.As(err, &refused) || refused.Status != http.StatusForbidden {
			t.Errorf("a foreign page, polling %t: got %v", polling, err)
		}
		for name, auth := range map[string]any{"token_missing": object{"user": "ada"}, "token_invalid": object{"token": "x", "user": "ada"}} {
			c := d.nginx.Server().Dial(t, siotest.Dial{Polling: polling, Auth: auth, Header: http.Header{"Origin": {d.nginx.URL}, "Cookie": {*ada.jar}}})
			data, _ := c.ConnectError(t).Data.(object)
			if data, _ = data["data"].(object); data["code"] != name {
				t.Errorf("%v: got %v, want %s", auth, data, name)
			}
		}
	}
	for _, path := range []string{"/", "/page.js", "/socket.io.min.js"} {
		if res, _ := ada.do(t, http.MethodGet, path, nil, nil); res.StatusCode != http.StatusOK || res.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("GET %s: got %d, %v", path, res.StatusCode, res.Header)
		}
	}
}

// TestNodeGone: a node is killed, or stopped. Its clients come back through nginx, to the
// other node, and only those who do not come back are seen to leave.
func TestNodeGone(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			d := deploy(t)
			witness := d.signInAt(t, "a", "ada", "websocket").connect(t)
			browsers, clients := make(map[string]*browser), make(map[string]*siotest.Client)
			for i, user := range users[1:] {
				node := "b"
				if user == "eve" {
					node = "a"
				}
				browsers[user] = d.signInAt(t, node, user, kinds[i%3])
				clients[user] = browsers[user].connect(t)
			}
			awaitLobby(t, witness, "ada[a] bob[b] cleo[b] dan[b] eve[a] fay[b]")

			d.b.Signal(t, sig)
			<-d.b.Exited()
			if err := d.b.Err(); sig == syscall.SIGTERM && err != nil {
				t.Error(err, d.b.Stderr())
			}
			for user, c := range clients {
				b := browsers[user]
				if user == "eve" {
					continue // not affected
				}
				within(t, 20*time.Second, func() string {
					select {
					case <-c.Done():
						return ""
					default:
						return user + " is still there"
					}
				})
				if user == "fay" {
					continue // she does not come back
				}
				if b.kind == "polling" {
					// Polls fail over as well: the client is told that its session is
					// gone, and where to connect.
					res, answer := b.do(t, http.MethodGet, "/socket.io/?EIO=4&transport=polling&sid="+url.QueryEscape(c.SID), nil, nil)
					if res.StatusCode != http.StatusBadRequest || answer["message"] != "Session ID unknown" || *b.jar != "cluster_node=a" {
						t.Errorf("%s: got %d, %v, then goes by %s", user, res.StatusCode, answer, *b.jar)
					}
				}
				clients[user] = b.connect(t)
				if b.node != "a" || *b.jar != "cluster_node=a" {
					t.Errorf("%s is on %s, with the cookie %s", user, b.node, *b.jar)
				}
			}
			awaitLobby(t, witness, "ada[a] bob[a] cleo[a] dan[a] eve[a]")
			for {
				got, _ := witness.NextEvent(t, "online").Args()[0].(object)
				if got["action"] == "leave" && got["user"] == "fay" {
					break
				}
				if got["action"] == "leave" {
					t.Errorf("was told %v", got)
				}
			}
			for user, c := range clients {
				if user != "fay" {
					ask(t, c, "exchange", object{"target": "ada", "payload": "I am " + user})
					got, _ := witness.NextEvent(t, "exchange").Args()[0].(object)
					if got["from"] != user {
						t.Errorf("got %v, want it from %s", got, user)
					}
				}
			}

			// The node comes back. New clients go there, connected ones stay where they
			// are.
			d.b = d.node(t, "b", strings.TrimPrefix(d.b.URL, "http://"))
			d.signInAt(t, "b", "fay", "polling").connect(t)
			for user, c := range clients {
				if user != "fay" {
					if got := ask(t, c, "who")["node"]; got != "a" {
						t.Errorf("%s is answered by %v", user, got)
					}
				}
			}
			awaitLobby(t, witness, "ada[a] bob[a] cleo[a] dan[a] eve[a] fay[b]")
		})
	}
}
