//go:build unix

package main

import (
	"errors"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
)

// device is a browser that is connected.
type device struct {
	*browser
	c *siotest.Client
}

// devices are those of all users, by user and node.
type devices map[string]map[string]device

// everybody is the lobby with two devices of each user.
const everybody = "ada[a b] bob[a b] cleo[a b] dan[a b] eve[a b] fay[a b]"

// TestCluster: two nodes act as one.
func TestCluster(t *testing.T) {
	d := deploy(t)
	// Each user has two browsers. nginx assigns them to the two nodes in turn.
	all := make(devices)
	for i, user := range users {
		all[user] = make(map[string]device)
		for range 2 {
			b := d.signIn(t, user, kinds[i%3])
			chosen := b.node
			c := b.connect(t)
			if b.node != chosen {
				t.Errorf("%s has the cookie of %s and is on %s", user, chosen, b.node)
			}
			all[user][b.node] = device{b, c}
		}
		if len(all[user]) != 2 {
			t.Fatalf("%s is on %v, want that nodes take turns", user, all[user])
		}
	}
	for _, user := range users {
		for _, dev := range all[user] {
			awaitLobby(t, dev.c, everybody)
		}
	}
	all.checkNodes(t)

	t.Run("sticky", func(t *testing.T) {
		for range 60 { // with two requests for each polling client
			all.checkNodes(t)
		}
	})
	t.Run("no cookies", func(t *testing.T) {
		withoutCookies(t, d)
		awaitLobby(t, all["bob"]["a"].c, everybody)
	})
	t.Run("exchange", func(t *testing.T) {
		all.exchange(t)
		badExchanges(t, all["ada"]["a"].c)
	})
	t.Run("kick", all.kick)
}

// checkNodes checks that each device is answered by its own node.
func (all devices) checkNodes(t *testing.T) {
	t.Helper()
	for _, user := range users {
		for node, dev := range all[user] {
			if got := ask(t, dev.c, "who")["node"]; got != node {
				t.Fatalf("%s is on %s and was answered by %v", user, node, got)
			}
		}
	}
}

// withoutCookies connects browsers that keep no cookies, which nginx tells apart by their
// addresses.
func withoutCookies(t *testing.T, d *deployment) {
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
}

// exchange has each user send something to the next one, from both devices to both.
func (all devices) exchange(t *testing.T) {
	for i, user := range users {
		target := users[(i+1)%len(users)]
		for from, dev := range all[user] {
			text := "to " + target + " from " + from + ": <b>hi</b>, Grüße"
			if got := ask(t, dev.c, "exchange", object{"target": target, "payload": text, "from": "eve"}); got["devices"] != 2.0 {
				t.Errorf("got %v", got)
			}
			for _, receiver := range all[target] {
				got, _ := receiver.c.NextEvent(t, "exchange").Args()[0].(object)
				if got["from"] != user || got["payload"] != text {
					t.Errorf("%s to %s: got %v", user, target, got)
				}
			}
		}
	}
}

// badExchanges sends what is refused.
func badExchanges(t *testing.T, c *siotest.Client) {
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
}

// kick has each user sign out the other device, which is on the other node.
func (all devices) kick(t *testing.T) {
	for i, user := range users {
		here, there := "a", "b"
		if i%2 == 0 {
			here, there = there, here
		}
		if got := ask(t, all[user][here].c, "kick"); got["devices"] != 1.0 {
			t.Errorf("got %v", got)
		}
		got, _ := all[user][there].c.NextEvent(t, "kicked").Args()[0].(object)
		if got["code"] != "replaced" || got["retryable"] != false || got["reason"] == nil {
			t.Errorf("kicked with %v", got)
		}
		if p := all[user][there].c.Next(t); p.Type != siotest.TypeDisconnect {
			t.Errorf("then got %v", p)
		}
	}
	awaitLobby(t, all["ada"]["b"].c, "ada[b] bob[a] cleo[b] dan[a] eve[b] fay[a]")
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
