package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// A browser that leaves in the middle of long-polling leaves a timer of the
	// host behind for up to 30 seconds (transports/polling.go:394).
	siotest.Main(m, nil, goleak.IgnoreTopFunction("github.com/zishang520/engine.io/v2/utils.SetTimeout.func1"))
}

// program is the chat as run starts it. Raw clients reach its sockets, and post
// the rest.
type program struct {
	*siotest.Server
	accounts *accounts
	handler  http.Handler
}

func newServer(t *testing.T, log *slog.Logger, lifetime time.Duration) *program {
	t.Helper()
	accounts, err := newAccounts(lifetime, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := accounts.auth.Close(context.Background()); err != nil { // after the server
			t.Error(err)
		}
	})
	p := &program{accounts: accounts}
	p.Server = siotest.Config{
		Options: wrap.Harden(nil),
		Handler: func(http.Handler) http.Handler { return p.handler },
	}.NewServer(t, func(sio *socket.Server) {
		newChat(sio, accounts.auth, log)
		p.handler = newHandler(log, sio, accounts)
	})
	return p
}

// post sends JSON to an endpoint, with a login.
func (p *program) post(t *testing.T, path string, login *http.Cookie, body any) (*http.Response, map[string]any) {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(b))
	r.Header.Set("Content-Type", "application/json")
	if login != nil {
		r.AddCookie(login)
	}
	return p.do(t, r)
}

func (p *program) do(t *testing.T, r *http.Request) (*http.Response, map[string]any) {
	t.Helper()
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%s: %d, %q: %v", r.URL, w.Code, w.Body, err)
	}
	return w.Result(), answer
}

var quiet = slog.New(slog.DiscardHandler)

// journal is a log that may be read while it is written.
type journal struct {
	mu sync.Mutex
	b  strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// start runs the program and returns its URL. stop ends it as a signal does.
func start(t *testing.T, c config, logTo io.Writer) (base string, stop func()) {
	t.Helper()
	c.addr = "127.0.0.1:0"
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, slog.New(slog.NewTextHandler(logTo, nil)), in, c)
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
	// As it is in the npm package socket.io-client 4.8.4, dist/socket.io.min.js.
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
		{"no such address", config{"127.0.0.1:none", time.Minute}},
		{"no lifetime", config{"127.0.0.1:0", 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := run(t.Context(), quiet, io.Discard, test.config); err == nil {
				t.Error("got nil")
			}
		})
	}
}
