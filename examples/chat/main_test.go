package main

import (
	"bufio"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sioware/sioware/internal/siotest"
	"go.uber.org/goleak"
)

// children are what tests start in processes of their own.
var children = make(map[string]func(report func(url string)))

func TestMain(m *testing.M) {
	redis.SetLogger(redisLog{quiet})
	// A browser that leaves during long-polling leaves a timer of the host behind for up
	// to 30 seconds (transports/polling.go:394).
	siotest.Main(m, children, goleak.IgnoreTopFunction("github.com/zishang520/engine.io/v2/utils.SetTimeout.func1"))
}

// start runs the program, by default with the usual limits and a free port, and returns
// its URL. stop ends it as a signal does.
func start(t *testing.T, c config, logTo io.Writer) (base string, stop func()) {
	t.Helper()
	if c.addr == "" {
		c.addr = "127.0.0.1:0"
	}
	if c.limits == (limits{}) {
		c.limits = usual()
	}
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, newLog(logTo, c), in, c)
		in.CloseWithError(errors.Join(err, io.EOF))
		done <- err
	}()
	var once bool
	stop = func() {
		cancel()
		if once {
			return
		}
		once = true
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
	t.Cleanup(stop)
	said, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	base, _, ok := strings.Cut(strings.TrimPrefix(said, "Open "), " ")
	if u, err := url.Parse(base); !ok || err != nil || u.Port() == "" {
		t.Fatalf("it said %q", said)
	}
	return base, stop
}

func TestPage(t *testing.T) {
	base, stop := start(t, config{token: time.Minute}, io.Discard)
	defer stop()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(path string) (*http.Response, string) {
		res, err := client.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(body)
	}

	res, body := get("/")
	if res.StatusCode != http.StatusOK || !strings.Contains(body, `<script src="/static/socket.io.min.js" defer>`) {
		t.Errorf("GET /: got %d, %s", res.StatusCode, body)
	}
	if got := res.Header.Get("Content-Security-Policy"); !strings.Contains(got, "; script-src 'self';") {
		t.Errorf("policy: got %q", got)
	}
	for path, want := range map[string]string{
		"/static/account.js":    "text/javascript; charset=utf-8",
		"/static/chat.js":       "text/javascript; charset=utf-8",
		"/static/connection.js": "text/javascript; charset=utf-8",
		"/static/forms.js":      "text/javascript; charset=utf-8",
		"/static/letters.js":    "text/javascript; charset=utf-8",
		"/static/lines.js":      "text/javascript; charset=utf-8",
		"/static/people.js":     "text/javascript; charset=utf-8",
		"/static/rooms.js":      "text/javascript; charset=utf-8",
		"/static/words.js":      "text/javascript; charset=utf-8",
		"/static/style.css":     "text/css; charset=utf-8",
		"/static/icon.svg":      "image/svg+xml",
	} {
		if res, _ := get(path); res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != want {
			t.Errorf("GET %s: got %d, %s", path, res.StatusCode, res.Header.Get("Content-Type"))
		}
	}
	for _, path := range []string{"/static/", "/static/index.html", "/index.html", "/main.go", "/login", "/token", "/logout"} {
		if res, _ := get(path); res.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s: got %d", path, res.StatusCode)
		}
	}
	res, body = get("/static/socket.io.min.js")
	// As in the npm package socket.io-client 4.8.4, dist/socket.io.min.js.
	const want = "fBrXvbDtHoeKWJ/hcA6M+YGueiDW+h45I7V6F2kD1S8bOkrF9rZYPLVkCR6BLR/1"
	if sum := sha512.Sum384([]byte(body)); base64.StdEncoding.EncodeToString(sum[:]) != want {
		t.Errorf("GET the client: got %d, %.200s", res.StatusCode, body)
	}
}

func TestRunFails(t *testing.T) {
	for _, test := range []struct {
		name string
		config
	}{
		{"no such address", config{addr: "127.0.0.1:none", token: time.Minute, limits: usual()}},
		{"no lifetime", config{addr: "127.0.0.1:0", limits: usual()}},
		{"no limits", config{addr: "127.0.0.1:0", token: time.Minute}},
		{"less than no devices", config{addr: "127.0.0.1:0", token: time.Minute, limits: usual(), devices: -1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := run(t.Context(), quiet, io.Discard, test.config); err == nil {
				t.Error("got nil")
			}
		})
	}
}
