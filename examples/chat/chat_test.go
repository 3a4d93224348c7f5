package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

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

// newServer starts the chat as run does, for raw clients.
func newServer(t *testing.T, log *slog.Logger) *siotest.Server {
	t.Helper()
	var h http.Handler
	return siotest.Config{
		Options: wrap.Harden(nil),
		Handler: func(http.Handler) http.Handler { return h },
	}.NewServer(t, func(sio *socket.Server) {
		newChat(sio, log)
		h = newHandler(log, sio, script{})
	})
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

func nickname(v any) map[string]any { return map[string]any{"nickname": v} }

// join lets a new client in and returns it with its welcome.
func join(t *testing.T, srv *siotest.Server, name string) (*siotest.Client, siotest.Packet) {
	t.Helper()
	c := srv.Dial(t, siotest.Dial{Auth: nickname(name)})
	c.Connected(t)
	return c, c.NextEvent(t, "welcome")
}

func field(t *testing.T, p siotest.Packet, key string) any {
	t.Helper()
	if len(p.Args()) != 1 {
		t.Fatalf("got %v, want one argument", p)
	}
	m, ok := p.Args()[0].(map[string]any)
	if !ok {
		t.Fatalf("got %v, want an object", p)
	}
	return m[key]
}

func TestConversation(t *testing.T) {
	srv := newServer(t, quiet)
	ada, _ := join(t, srv, "Ada")
	bob, welcome := join(t, srv, "  Bob   B. ")
	if got := fmt.Sprint(field(t, welcome, "nickname"), field(t, welcome, "people")); got != "Bob B.[Ada Bob B.]" {
		t.Errorf("welcome: got %s", got)
	}
	if got := field(t, ada.NextEvent(t, "joined"), "nickname"); got != "Bob B." {
		t.Errorf("joined: got %v", got)
	}

	if answer := ada.EmitAck(t, "message", " <b>hi</b> "); len(answer.Args()) != 0 {
		t.Errorf("got %v, want an empty acknowledgement", answer)
	}
	for _, c := range []*siotest.Client{ada, bob} {
		p := c.NextEvent(t, "message")
		if got := fmt.Sprint(field(t, p, "nickname"), ": ", field(t, p, "text")); got != "Ada: <b>hi</b>" {
			t.Errorf("message: got %s", got)
		}
	}

	bob.Disconnect("")
	if got := fmt.Sprint(field(t, ada.NextEvent(t, "left"), "people")); got != "[Ada]" {
		t.Errorf("left: got %s", got)
	}
	join(t, srv, "bob b.") // the nickname is free again
}

func TestNicknameRefused(t *testing.T) {
	srv := newServer(t, quiet)
	join(t, srv, "Ada")
	for _, test := range []struct {
		name string
		auth any
		code string
	}{
		{"no payload", nil, "nickname_missing"},
		{"no string", nickname(1), "nickname_missing"},
		{"spaces", nickname(" \t\n"), "nickname_missing"},
		{"21 characters", nickname(strings.Repeat("ä", 21)), "nickname_too_long"},
		{"invisible", nickname("A\u200bda"), "nickname_invalid"},
		{"reserved", nickname("Admin"), "forbidden"},
		{"taken", nickname("aDA"), "nickname_taken"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := srv.Dial(t, siotest.Dial{Auth: test.auth})
			p := c.ConnectError(t)
			data, _ := p.Data.(map[string]any)
			data, _ = data["data"].(map[string]any)
			if data["code"] != test.code {
				t.Errorf("got %v, want code %s", p, test.code)
			}
			if got, want := data["retryable"], test.code == "nickname_taken"; got != want {
				t.Errorf("retryable: got %v, want %v", got, want)
			}
			c.Connect("", nickname(test.name)) // a second try on the same connection
			c.Connected(t)
			c.Disconnect("")
			c.Close()
		})
	}
	join(t, srv, strings.Repeat("ä", 20))
}

func TestEventRefused(t *testing.T) {
	srv := newServer(t, quiet)
	ada, _ := join(t, srv, "Ada")
	for _, test := range []struct {
		name  string
		event string
		args  []any
		code  string
	}{
		{"empty", "message", []any{" "}, "message_empty"},
		{"no string", "message", []any{map[string]any{}}, "message_empty"},
		{"501 characters", "message", []any{strings.Repeat("ü", 501)}, "message_too_long"},
		{"nothing", "message", nil, "forbidden"},
		{"too much", "message", []any{"a", "b"}, "forbidden"},
		{"another event", "kick", []any{"Ada"}, "forbidden"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := field(t, ada.EmitAck(t, test.event, test.args...), "code"); got != test.code {
				t.Errorf("got %v, want %s", got, test.code)
			}
		})
	}
	if p := ada.EmitAck(t, "message", strings.Repeat("ü", 500)); len(p.Args()) != 0 {
		t.Errorf("500 characters: got %v", p)
	}
	if got := field(t, ada.NextEvent(t, "message"), "text"); got != strings.Repeat("ü", 500) {
		t.Errorf("the first message that came through is %v", got)
	}
}

func TestHandshakeMiddlewares(t *testing.T) {
	records := new(journal)
	srv := newServer(t, slog.New(slog.NewTextHandler(records, nil)))
	for _, polling := range []bool{false, true} {
		c, err := srv.Open(t, siotest.Dial{Polling: polling, Header: http.Header{"Origin": {srv.URL}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"X-Request-Id", "Content-Security-Policy", "X-Content-Type-Options"} {
			if len(c.Handshake.Header[name]) != 1 {
				t.Errorf("polling %v: %s: got %q", polling, name, c.Handshake.Header[name])
			}
		}
		_, err = srv.Open(t, siotest.Dial{Polling: polling, Header: http.Header{"Origin": {"https://evil.example"}}})
		var refused *siotest.RefusedError
		if !errors.As(err, &refused) || refused.Status != http.StatusForbidden || !strings.Contains(refused.Body, `"origin_denied"`) {
			t.Errorf("polling %v, foreign origin: got %v", polling, err)
		}
	}
	for _, want := range []string{"status=101", "status=200", "status=403"} {
		siotest.Eventually(t, want+" in the log", func() bool { return strings.Contains(records.String(), want) })
	}
}

// start runs the program and returns its URL. stop ends it as a signal does.
func start(t *testing.T, clientFile string, logTo io.Writer) (base string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, slog.New(slog.NewTextHandler(logTo, nil)), in, "127.0.0.1:0", clientFile)
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
	file := filepath.Join(t.TempDir(), "client.js")
	if err := os.WriteFile(file, []byte("/* the client */"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, client string
		script       string // in the page
		source       string // in the policy
	}{
		{"CDN", "", `src="` + cdnURL + `" integrity="sha384-`, "script-src 'self' " + cdnURL + ";"},
		{"local", file, `src="/static/socket.io.min.js" defer`, "script-src 'self';"},
	} {
		t.Run(test.name, func(t *testing.T) {
			base, stop := start(t, test.client, io.Discard)
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
			if res.StatusCode != http.StatusOK || !strings.Contains(body, test.script) {
				t.Errorf("GET /: got %d, %s", res.StatusCode, body)
			}
			if got := res.Header.Get("Content-Security-Policy"); !strings.Contains(got, test.source) {
				t.Errorf("policy: got %q, want %q in it", got, test.source)
			}
			for path, want := range map[string]string{
				"/static/chat.js":   "text/javascript; charset=utf-8",
				"/static/style.css": "text/css; charset=utf-8",
				"/static/icon.svg":  "image/svg+xml",
			} {
				if res, _ := get(path); res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != want {
					t.Errorf("GET %s: got %d, %s", path, res.StatusCode, res.Header.Get("Content-Type"))
				}
			}
			for _, path := range []string{"/static/", "/static/index.html", "/index.html", "/main.go"} {
				if res, _ := get(path); res.StatusCode != http.StatusNotFound {
					t.Errorf("GET %s: got %d", path, res.StatusCode)
				}
			}
			res, body = get("/static/socket.io.min.js")
			if local := res.StatusCode == http.StatusOK && body == "/* the client */"; local != (test.client != "") {
				t.Errorf("GET the client: got %d, %s", res.StatusCode, body)
			}
		})
	}
}

func TestRunFails(t *testing.T) {
	for _, test := range []struct{ name, addr, client string }{
		{"no such client", "127.0.0.1:0", filepath.Join(t.TempDir(), "none.js")},
		{"client is a folder", "127.0.0.1:0", t.TempDir()},
		{"no such address", "127.0.0.1:none", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := run(t.Context(), quiet, io.Discard, test.addr, test.client); err == nil {
				t.Error("got nil")
			}
		})
	}
}
