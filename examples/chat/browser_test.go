package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/ratelimit"
)

// envShots names an existing directory for screenshots of the page; without it they are
// deleted with the test.
const envShots = "CHAT_SHOTS"

const driver = "../../internal/e2e/chat.mjs"

// need skips the test if something is missing, but not on CI.
func need(t *testing.T, what string, find func() (string, error)) string {
	t.Helper()
	found, err := find()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("no %s: %v", what, err)
	default:
		t.Skipf("no %s: %v", what, err)
	}
	return found
}

// play runs a scenario of testdata in a browser. The scenario may call the functions in
// ask. The files of ours that it reads are named here, so that go test runs again when
// one has changed.
func play(t *testing.T, scenario, base string, ask map[string]func()) {
	t.Helper()
	chromium := need(t, "chromium", func() (string, error) { return exec.LookPath("chromium") })
	node := need(t, "Node.js", func() (string, error) { return exec.LookPath("node") })
	file := filepath.Join("testdata", scenario+".mjs")
	need(t, "playwright-core: run npm ci in internal/e2e", func() (string, error) {
		var errs []error
		for _, name := range []string{driver, file, "../../internal/e2e/node_modules/playwright-core/package.json"} {
			_, err := os.Stat(name)
			errs = append(errs, err)
		}
		return "", errors.Join(errs...)
	})
	shots := os.Getenv(envShots)
	if shots == "" {
		shots = t.TempDir()
	}
	config, err := json.Marshal(map[string]string{"url": base, "chromium": chromium, "shots": shots})
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, driver, file, string(config))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	cmd.Cancel = in.Close // it ends the browser, and itself
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var said struct{ Ask string }
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil || ask[said.Ask] == nil {
			t.Errorf("the driver said %q: %v", lines.Text(), err)
			break
		}
		ask[said.Ask]()
		_, _ = io.WriteString(in, "true\n") // Wait reports if it has gone
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v\n%s", scenario, err, stderr.String())
	}
}

// TestBrowser makes people meet in tabs of a real browser, with the official client.
func TestBrowser(t *testing.T) {
	long := config{token: time.Minute, grace: time.Minute, devices: 2}
	for scenario, c := range map[string]config{
		"talk":   {token: time.Minute},
		"guests": {token: time.Minute},
		"tokens": {token: 10 * time.Second},
		"people": long,
		"grace":  {token: time.Minute, grace: 2 * time.Second},
		"rooms":  {token: time.Minute, limits: roomy()},
		"phone":  long,
		"words":  long,
		"limits": {token: time.Minute, limits: tight(func(l *limits) {
			l.messages = ratelimit.Every(10 * time.Second).Burst(2)
			l.logins = ratelimit.Every(10 * time.Second).Burst(1)
			// Those who are back may send again.
			l.penalty = ratelimit.Penalty{After: ratelimit.Every(time.Hour), Ban: 12 * time.Second}
		})},
	} {
		t.Run(scenario, func(t *testing.T) {
			records := new(journal)
			base, stop := start(t, c, records)
			play(t, scenario, base, map[string]func(){
				"stop": stop,
				"start": func() {
					u, err := url.Parse(base)
					if err != nil {
						t.Fatal(err)
					}
					c.addr = u.Host
					start(t, c, records)
				},
			})
			if t.Failed() {
				t.Log(records)
			}
		})
	}
}

// TestBrowserTLS does it over TLS, where a browser polls over HTTP/2.
func TestBrowserTLS(t *testing.T) {
	c := config{token: time.Minute, limits: usual()}
	p := newProgram(t, newLog(io.Discard, c), c)
	var polls, upgrades atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch q := r.URL.Query(); {
		case q.Get("transport") == "polling" && r.ProtoMajor == 2:
			polls.Add(1)
		case q.Get("transport") == "websocket" && q.Has("sid"):
			upgrades.Add(1)
		}
		p.handler.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that check the certificate first
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	play(t, "phone", s.URL, nil)
	if polls.Load() == 0 || upgrades.Load() == 0 {
		t.Errorf("%d polls over HTTP/2, %d upgrades", polls.Load(), upgrades.Load())
	}
}

// TestBrowserLog checks what the server has logged meanwhile.
func TestBrowserLog(t *testing.T) {
	records := new(journal)
	base, stop := start(t, config{token: time.Minute}, records)
	play(t, "log", base, map[string]func(){"stop": stop})
	for _, want := range []string{
		`msg=request method=POST path=/login`, `msg="signed in" user=bob`, `msg="socket connected"`,
		`msg=joined user=user:bob room=lobby people=2`, `msg=left user=user:bob room=lobby people=1`, `class=client`,
		`msg="shutting down"`, `reason="server shutting down" class=server`,
	} {
		if got := records.String(); !strings.Contains(got, want) {
			t.Errorf("the log has no %q:\n%s", want, got)
		}
	}
}
