//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
)

const (
	envArgs  = "CLUSTER_TEST_ARGS"  // of a node, separated by spaces
	envNginx = "CLUSTER_TEST_NGINX" // its program, directory, configuration and address
	secret   = "tests have a secret of 32 bytes."
	grace    = 6 * time.Second
	lease    = 2 * time.Second
)

func TestMain(m *testing.M) {
	siotest.Main(m, map[string]func(func(string)){"node": nodeChild, "nginx": nginxChild})
}

// nodeChild is the program.
func nodeChild(report func(url string)) {
	os.Exit(command(strings.Fields(os.Getenv(envArgs)), writer(func(p []byte) {
		if _, url, ok := strings.Cut(strings.TrimSpace(string(p)), " listens on "); ok {
			report(url)
		}
	})))
}

type writer func(p []byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

// nginxChild runs nginx, below a shell that ends it when this process has ended.
func nginxChild(report func(url string)) {
	args := strings.Split(os.Getenv(envNginx), "\n")
	cmd := exec.Command("sh", "-c", `"$0" -p "$1" -c "$2" -e stderr & pid=$!; cat >/dev/null; kill "$pid"; wait "$pid"`, args[0], args[1], args[2])
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		panic(err)
	}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range tick.C { // the parent waits no longer than it likes
		if c, err := net.Dial("tcp", args[3]); err == nil {
			_ = c.Close()
			break
		}
	}
	report("http://" + args[3])
	_ = cmd.Wait()
}

// deployment is a Redis, two nodes, and nginx.
type deployment struct {
	redis *redistest.Server
	a, b  *siotest.Child
	nginx *siotest.Child
}

func deploy(t *testing.T) *deployment {
	t.Helper()
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin")
	nginx, err := exec.LookPath("nginx")
	switch {
	case err != nil && os.Getenv("CI") == "true":
		t.Fatalf("CI has no nginx: %v", err)
	case err != nil:
		t.Skipf("no nginx, of Debian's package nginx-light: %v", err)
	}
	d := &deployment{redis: redistest.Start(t)}
	d.redis.NeedReal(t) // sharded channels
	t.Setenv(envSecret, secret)
	d.a = d.node(t, "a", "127.0.0.1:0")
	d.b = d.node(t, "b", "127.0.0.1:0")

	// The file as it is, with other addresses.
	conf, err := os.ReadFile("nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	front := freeAddr(t)
	var ports []string
	for port, addr := range map[string]string{":3000": front, ":3001": d.a.URL, ":3002": d.b.URL} {
		if !bytes.Contains(conf, []byte(port)) {
			t.Fatalf("nginx.conf has no %s", port)
		}
		ports = append(ports, port, addr[strings.LastIndexByte(addr, ':'):])
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(strings.NewReplacer(ports...).Replace(string(conf))), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(envNginx, strings.Join([]string{nginx, dir, file, front}, "\n"))
	d.nginx = siotest.ChildProcess(t, "nginx")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("nginx: %s\na: %s\nb: %s", d.nginx.Stderr(), d.a.Stderr(), d.b.Stderr())
		}
	})
	return d
}

// node starts the program.
func (d *deployment) node(t *testing.T, name, addr string) *siotest.Child {
	t.Helper()
	t.Setenv(envArgs, fmt.Sprintf("-name %s -addr %s -redis redis://%s -grace %v -lease %v", name, addr, d.redis.Addr, grace, lease))
	return siotest.ChildProcess(t, "node")
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// within waits until f returns "", and ends the test with what it returned if that takes
// too long.
func within(t *testing.T, bound time.Duration, f func() string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(bound); ; <-tick.C {
		why := f()
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", bound, why)
		}
	}
}

type object = map[string]any

// browser is one that somebody has signed in with. Without a jar it keeps no cookies.
type browser struct {
	d     *deployment
	user  string
	token string
	node  string // that has answered last
	jar   *string
	kind  string // of transport
	from  string
}

var kinds = []string{"websocket", "polling", "upgraded"}

// do sends a request, as a browser does.
func (b *browser) do(t *testing.T, method, path string, header http.Header, body any) (*http.Response, object) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, b.d.nginx.URL+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for k, v := range header {
		r.Header[k] = v
	}
	if b.jar != nil && *b.jar != "" {
		r.Header.Set("Cookie", *b.jar)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err = io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	b.keep(res)
	var answer object
	_ = json.Unmarshal(text, &answer)
	return res, answer
}

// keep notes the cookie and the node of an answer.
func (b *browser) keep(res *http.Response) {
	if node := res.Header.Get("X-Node"); node != "" {
		b.node = node
	}
	for _, c := range res.Cookies() {
		if b.jar != nil && c.Name == "cluster_node" {
			*b.jar = c.Name + "=" + c.Value
		}
	}
}

// signIn opens a browser and signs in.
func (d *deployment) signIn(t *testing.T, user, kind string) *browser {
	t.Helper()
	b := &browser{d: d, user: user, jar: new(string), kind: kind}
	b.login(t)
	if want := "cluster_node=" + b.node; *b.jar != want {
		t.Fatalf("got the cookie %q, want %q", *b.jar, want)
	}
	return b
}

// signInAt opens browsers until one gets to the node, with its sockets too: of one that
// has been dead nginx may still think otherwise for either.
func (d *deployment) signInAt(t *testing.T, node, user, kind string) (b *browser) {
	t.Helper()
	within(t, 20*time.Second, func() string {
		b = d.signIn(t, user, kind)
		// Twice: of a node that was dead, nginx notes that it has answered after the client
		// has the answer, and meanwhile others go elsewhere.
		for range 2 {
			b.do(t, http.MethodGet, "/socket.io/?EIO=4&transport=polling&sid=none", nil, nil)
			if *b.jar != "cluster_node="+node {
				return "nobody gets to " + node
			}
		}
		return ""
	})
	return b
}

func (b *browser) login(t *testing.T) {
	t.Helper()
	res, answer := b.do(t, http.MethodPost, "/login", nil, object{"user": b.user})
	b.token, _ = answer["token"].(string)
	if res.StatusCode != http.StatusOK || b.token == "" {
		t.Fatalf("login: got %d, %v", res.StatusCode, answer)
	}
}

// connect returns a socket that is in.
func (b *browser) connect(t *testing.T) *siotest.Client {
	t.Helper()
	d := siotest.Dial{Polling: b.kind != "websocket", Auth: object{"token": b.token}, From: b.from}
	if b.jar != nil {
		d.Header = http.Header{"Cookie": {*b.jar}}
	}
	c := b.d.nginx.Server().Dial(t, d)
	c.Connected(t)
	b.keep(c.Handshake)
	if b.kind == "upgraded" {
		c.Upgrade(t)
	}
	return c
}

// ask sends an event and returns the answer.
func ask(t *testing.T, c *siotest.Client, event string, args ...any) object {
	t.Helper()
	answer, _ := c.EmitAck(t, event, args...).Args()[0].(object)
	return answer
}

// lobbyNow returns who is there, and on which nodes: "ada[a b] bob[b]".
func lobbyNow(t *testing.T, c *siotest.Client) string {
	t.Helper()
	answer := ask(t, c, "who")
	var all []string
	list, _ := answer["members"].([]any)
	for _, m := range list {
		m, _ := m.(object)
		var nodes []string
		for _, node := range m["nodes"].([]any) {
			nodes = append(nodes, fmt.Sprint(node))
		}
		slices.Sort(nodes)
		all = append(all, fmt.Sprint(m["user"], nodes))
	}
	slices.Sort(all)
	if n, _ := answer["count"].(float64); int(n) != len(all) || answer["stale"] != false {
		return fmt.Sprintf("%v", answer)
	}
	return strings.Join(all, " ")
}

// awaitLobby waits until c is told that these are in the lobby.
func awaitLobby(t *testing.T, c *siotest.Client, want string) {
	t.Helper()
	within(t, 30*time.Second, func() string {
		if got := lobbyNow(t, c); got != want {
			return got
		}
		return ""
	})
}

// TestCluster: two nodes are like one.
func TestCluster(t *testing.T) {
	d := deploy(t)
	// Each user has two browsers. nginx deals them out to the two nodes in turn.
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
		for range 60 { // with two requests each, of those who poll
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

// TestDoors: what must not get in does not, through nginx as without it.
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
// other, and nobody is seen to go but who does not come back.
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
					continue // nothing has happened to her
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
					// What the client polls with fails over, too: it is told that its session
					// is gone, and where to go.
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

			// The node comes back. Who comes then goes there, who is here stays.
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
