//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
)

// envNode is the configuration of a node, which is a process of its own as in production.
const envNode = "CHAT_TEST_NODE"

func init() { children["node"] = nodeChild }

// nodeConfig are the settings of a node that the tests choose.
type nodeConfig struct{ Redis, Secret string }

// nodeChild runs the program.
func nodeChild(report func(url string)) {
	var n nodeConfig
	if err := json.Unmarshal([]byte(os.Getenv(envNode)), &n); err != nil {
		panic(err)
	}
	c := config{
		addr: "127.0.0.1:0", redis: n.Redis, secret: n.Secret, token: time.Minute,
		grace: time.Minute, devices: 3, limits: tight(func(l *limits) { l.messages = ratelimit.PerHour(5) }),
	}
	out, in := io.Pipe()
	go func() {
		if err := run(context.Background(), newLog(os.Stderr, c), in, c); err != nil {
			panic(err)
		}
	}()
	said := make([]byte, 100)
	n2, _ := out.Read(said)
	base, _, _ := strings.Cut(strings.TrimPrefix(string(said[:n2]), "Open "), " ")
	report(base)
}

// deploy starts two nodes.
func deploy(t *testing.T) (redis *redistest.Server, a, b *siotest.Child) {
	t.Helper()
	redis = redistest.Start(t)
	redis.NeedReal(t) // sharded channels, for the adapter
	config, err := json.Marshal(nodeConfig{Redis: redis.Addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(envNode, string(config))
	a, b = siotest.ChildProcess(t, "node"), siotest.ChildProcess(t, "node")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("a: %s\nb: %s", a.Stderr(), b.Stderr())
		}
	})
	return redis, a, b
}

// client sends requests to nodes.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// ask posts JSON to a node, with the cookie of a login.
func ask(t *testing.T, node *siotest.Child, path string, login *http.Cookie, body any) (*http.Response, map[string]any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, node.URL+path, strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if login != nil {
		r.AddCookie(login)
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return res, answer
}

// come connects a socket to a node, and returns it with its welcome.
func come(t *testing.T, node *siotest.Child, auth map[string]any) (*siotest.Client, siotest.Packet) {
	t.Helper()
	c := node.Server().Dial(t, siotest.Dial{Auth: auth})
	c.Connected(t)
	return c, c.NextEvent(t, "welcome")
}

// TestNodes: two nodes form one chat.
func TestNodes(t *testing.T) {
	_, a, b := deploy(t)
	res, answer := ask(t, a, "/login", nil, map[string]string{"user": "ada", "password": "engine"})
	if res.StatusCode != http.StatusOK {
		t.Fatalf("login: got %d, %v", res.StatusCode, answer)
	}
	login := res.Cookies()[0]
	ada, _ := come(t, a, map[string]any{"token": answer["token"]})
	// The login is valid on the other node as well, and so is a token from it.
	res, answer = ask(t, b, "/token", login, nil)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("token: got %d, %v", res.StatusCode, answer)
	}
	beside, _ := come(t, b, map[string]any{"token": answer["token"]})
	cleo, welcome := come(t, b, nickname("Cleo"))
	cleos := field(t, welcome, "user")

	// Who is there, in which room.
	announced(t, ada, "join", cleos)
	if people, _ := field(t, welcome, "people").([]any); len(people) != 2 {
		t.Errorf("Cleo sees %v", people)
	}
	if why := enterRoom(t, cleo, "attic"); why != nil {
		t.Fatalf("got %v", why)
	}
	rooms(t, ada, "lobby 1, attic 1")
	if why := enterRoom(t, ada, "attic"); why != nil {
		t.Fatalf("got %v", why)
	}
	announced(t, cleo, "join", "user:ada")

	// Messages, to all and to one; a nickname can be used only once.
	if why := send(t, ada, "hello from a"); why != nil {
		t.Errorf("got %v", why)
	}
	if got := field(t, cleo.NextEvent(t, "message"), "text"); got != "hello from a" {
		t.Errorf("Cleo has heard %v", got)
	}
	if got := field(t, cleo.EmitAck(t, "exchange", letterTo("user:ada", "psst")), "outcome"); got != "delivered" {
		t.Errorf("got %v", got)
	}
	ada.NextEvent(t, "exchange")
	beside.NextEvent(t, "exchange")
	data, _ := a.Server().Dial(t, siotest.Dial{Auth: nickname("cleo")}).ConnectError(t).Data.(map[string]any)
	if data, _ = data["data"].(map[string]any); data["code"] != "nickname_taken" {
		t.Errorf("the nickname: got %v", data)
	}

	// Limits: what ada says on one node counts on the other as well.
	for n := range 4 {
		if why := send(t, []*siotest.Client{ada, beside}[n%2], "again"); why != nil {
			t.Errorf("message %d: got %v", n, why)
		}
	}
	for _, c := range []*siotest.Client{ada, beside} {
		wantRefusal(t, send(t, c, "once more"), "rate_limited", "events")
	}

	// Signing out on one node disconnects her on both.
	if res, answer := ask(t, b, "/logout", login, map[string]bool{"everywhere": true}); res.StatusCode != http.StatusOK {
		t.Fatalf("logout: got %d, %v", res.StatusCode, answer)
	}
	kicked(t, ada, "token_revoked")
	kicked(t, beside, "token_revoked")
	for _, node := range []*siotest.Child{a, b} {
		if res, _ := ask(t, node, "/token", login, nil); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("the login on %s: got %d", node.URL, res.StatusCode)
		}
	}

	// A node that starts later knows everything: ada is within her grace period.
	late := siotest.ChildProcess(t, "node")
	_, welcome = come(t, late, nickname("Dan"))
	if list, _ := json.Marshal(field(t, welcome, "rooms")); !strings.Contains(string(list), `{"name":"attic","people":2}`) {
		t.Errorf("Dan sees %s", list)
	}
}

// TestRedisAway: those connected can go on talking with others on the same node.
func TestRedisAway(t *testing.T) {
	redis, a, _ := deploy(t)
	cleo, _ := come(t, a, nickname("Cleo"))
	dan, welcome := come(t, a, nickname("Dan"))
	redis.Kill(t)
	if why := send(t, cleo, "still here"); why != nil {
		t.Errorf("got %v", why)
	}
	if got := field(t, dan.NextEvent(t, "message"), "text"); got != "still here" {
		t.Errorf("Dan has heard %v", got)
	}
	if got := field(t, cleo.EmitAck(t, "exchange", letterTo(field(t, welcome, "user"), "psst")), "outcome"); got != "delivered" {
		t.Errorf("got %v", got)
	}
	dan.NextEvent(t, "exchange")
	if res, answer := ask(t, a, "/token", nil, struct{}{}); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("no login: got %d, %v", res.StatusCode, answer)
	}
	// Without sessions nobody gets in.
	_, err := a.Server().Open(t, siotest.Dial{})
	var refused *siotest.RefusedError
	if !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable {
		t.Errorf("a guest who comes now: got %v", err)
	}
}

// TestNoRedis: whoever starts a node is told what is wrong.
func TestNoRedis(t *testing.T) {
	const nobody = "127.0.0.1:1"
	for want, c := range map[string]config{
		"-redis: " + nobody + ": cannot be reached: ": {redis: nobody},
		"-redis: redis: invalid":                      {redis: "http://127.0.0.1"},
	} {
		c.addr, c.token, c.limits = "127.0.0.1:0", time.Minute, usual()
		err := run(t.Context(), quiet, io.Discard, c)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	redis := redistest.Start(t)
	redis.NeedReal(t)
	err := run(t.Context(), quiet, io.Discard, config{
		addr: "127.0.0.1:0", token: time.Minute, limits: usual(), redis: redis.Addr, secret: "short",
	})
	if err == nil || !strings.Contains(err.Error(), envSecret+" has 5 bytes, 32 are needed") {
		t.Errorf("got %v", err)
	}
}
