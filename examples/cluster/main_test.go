//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
)

var quiet = slog.New(slog.DiscardHandler)

// TestRun: a node that ends leaves nothing behind. TestMain checks that no goroutine of
// the adapter is left.
func TestRun(t *testing.T) {
	redis := redistest.Start(t)
	redis.NeedReal(t) // sharded channels
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	urls, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- run(ctx, quiet, writer(func(p []byte) {
			_, url, _ := strings.Cut(strings.TrimSpace(string(p)), " listens on ")
			urls <- url
		}), config{addr: "127.0.0.1:0", redis: "redis://" + redis.Addr, name: "a", secret: []byte(secret)})
	}()
	var url string
	select {
	case url = <-urls:
	case err := <-done:
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url + "/socket.io/?EIO=4&transport=polling")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("X-Node") != "a" || !strings.HasPrefix(string(body), "0{") {
		t.Errorf("got %d, %s", res.StatusCode, body)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n, err := redis.Client(t).PubSubShardChannels(t.Context(), "*").Result(); err != nil || len(n) != 0 {
		t.Errorf("it still listens to %v, %v", n, err)
	}
}

func TestRunFails(t *testing.T) {
	good := config{addr: "127.0.0.1:0", redis: "redis://127.0.0.1:1", secret: []byte(secret)}
	for name, change := range map[string]func(c *config){
		"no such address": func(c *config) { c.addr = "127.0.0.1:none" },
		"no URL":          func(c *config) { c.redis = "127.0.0.1:1" },
		"no secret":       func(c *config) { c.secret = nil },
		"a short secret":  func(c *config) { c.secret = c.secret[1:] },
		"no grace":        func(c *config) { c.grace = 2 * time.Hour },
		"no lease":        func(c *config) { c.lease = time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			change(&c)
			if err := run(t.Context(), quiet, io.Discard, c); err == nil {
				t.Error("got nil")
			}
		})
	}
	if code := command([]string{"-none"}, io.Discard); code != 2 {
		t.Errorf("an unknown flag: got %d", code)
	}
}

// TestRedisAway: what is on this node goes on while Redis is away, and says what it does
// not know. Afterwards everything is as before.
func TestRedisAway(t *testing.T) {
	redis := redistest.Start(t)
	redis.NeedReal(t)
	t.Setenv(envSecret, secret)
	d := &deployment{redis: redis}
	clients := make(map[string]*siotest.Client)
	for name, user := range map[string]string{"a": "ada", "b": "bob"} {
		d.nginx = d.node(t, name, "127.0.0.1:0") // nothing is in between
		b := &browser{d: d, user: user, jar: new(string), kind: "websocket"}
		b.login(t)
		clients[user] = b.connect(t)
	}
	log := d.nginx.Stderr // of b
	for _, c := range clients {
		awaitLobby(t, c, "ada[a] bob[b]")
	}

	redis.Kill(t)
	within(t, 20*time.Second, func() string {
		if got := ask(t, clients["bob"], "who"); got["stale"] != true || got["count"] != 1.0 {
			return fmt.Sprint(got)
		}
		return ""
	})
	if got := ask(t, clients["bob"], "exchange", object{"target": "bob", "payload": "to myself"}); got["devices"] != 1.0 || got["stale"] != true {
		t.Errorf("got %v", got)
	}
	clients["bob"].NextEvent(t, "exchange")
	if got := ask(t, clients["bob"], "kick"); got["code"] != "unavailable" {
		t.Errorf("got %v", got)
	}
	redis.Restart(t)
	for _, c := range clients {
		awaitLobby(t, c, "ada[a] bob[b]")
	}
	within(t, 20*time.Second, func() string { // the adapters may take longer
		ask(t, clients["bob"], "exchange", object{"target": "ada", "payload": "are you there?"})
		ask(t, clients["ada"], "exchange", object{"target": "ada", "payload": "mark"})
		if got, _ := clients["ada"].NextEvent(t, "exchange").Args()[0].(object); got["from"] != "bob" {
			return "nothing gets from one node to the other"
		}
		return ""
	})
	if n := strings.Count(log(), "the adapter does not reach Redis"); n < 1 || n > 3 {
		t.Errorf("complained %d times:\n%s", n, log())
	}
}
