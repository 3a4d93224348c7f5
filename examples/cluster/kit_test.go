//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/redistest"
	"github.com/sioware/sioware/internal/siotest"
)

const (
	envArgs  = "CLUSTER_TEST_ARGS"  // of a node, separated by spaces
	envNginx = "CLUSTER_TEST_NGINX" // program, directory, configuration and address of nginx
	secret   = "tests have a secret of 32 bytes."
	grace    = 6 * time.Second
	lease    = 2 * time.Second
)

func TestMain(m *testing.M) {
	siotest.Main(m, map[string]func(func(string)){"node": nodeChild, "nginx": nginxChild})
}

// nodeChild runs the program.
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

// nginxChild runs nginx, under a shell that ends it when this process has ended.
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
	for range tick.C { // the parent limits how long this may take
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

	// The original file, with other addresses.
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

// within waits until f returns "", and ends the test with its last result if that takes
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

// browser is a browser with somebody signed in. Without a jar it keeps no cookies.
type browser struct {
	d     *deployment
	user  string
	token string
	node  string // the one that answered last
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

// keep stores the cookie and the node of an answer.
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

// signInAt opens browsers until one gets to the node, with its sockets too: nginx may
// still avoid a node that was dead, for either.
func (d *deployment) signInAt(t *testing.T, node, user, kind string) (b *browser) {
	t.Helper()
	within(t, 20*time.Second, func() string {
		b = d.signIn(t, user, kind)
		// Twice: nginx records that a formerly dead node has answered only after the
		// client has the answer; until then it sends others elsewhere.
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

// connect returns a connected socket.
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
