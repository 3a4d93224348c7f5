package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
)

// TestNobody: a connection without a session opens, and its socket is refused.
func TestNobody(t *testing.T) {
	t.Parallel()
	kinds(t, func(t *testing.T, d siotest.Dial, _ bool) {
		s := start(t, 10)
		refusal := s.Dial(t, d).ConnectError(t)
		data, _ := refusal.Data.(map[string]any)["data"].(map[string]any)
		if refusal.Message() != "Sign in first" || data["code"] != "forbidden" {
			t.Errorf("refused with %s", refusal)
		}
		d.Namespace = "/other" // wrap.UseAll: it covers every namespace
		_ = s.IO.Of("/other", nil)
		if refusal := s.Dial(t, d).ConnectError(t); refusal.Message() != "Sign in first" {
			t.Errorf("refused with %s", refusal)
		}
	})
}

// TestSession: pages and sockets share one session, in both directions.
func TestSession(t *testing.T) {
	t.Parallel()
	kinds(t, func(t *testing.T, d siotest.Dial, upgrade bool) {
		s := start(t, 10)
		cookie := s.signIn(t, "ada")
		d.Header = http.Header{"Cookie": {cookie}}
		first := s.Dial(t, d)
		first.Connected(t)
		second := s.Dial(t, d)
		second.Connected(t)
		if got := arrived(t, second); got["handshakes"] != 2.0 {
			t.Errorf("the second handshake: %v", got)
		}
		if got := arrived(t, first); got["requestId"] == "" {
			t.Errorf("no request id of its own: %v", got)
		}
		if upgrade {
			first.Upgrade(t)
		}
		if got := asks(t, first); got["handshakes"] != 2.0 {
			t.Errorf("the first socket does not see what the second has changed: %v", got)
		}

		if status, _ := s.post(t, "/logout", cookie, nil, nil); status != http.StatusNoContent {
			t.Fatalf("logout: %d", status)
		}
		first.Emit("whoami")
		told, _ := first.NextEvent(t, "kicked").Args()[0].(map[string]any)
		if told["code"] != "session_expired" {
			t.Errorf("kicked with %v", told)
		}
		refusal := s.Dial(t, d).ConnectError(t)
		if refusal.Message() != "Sign in first" {
			t.Errorf("after the logout: %s", refusal)
		}
	})
}

func TestLogin(t *testing.T) {
	t.Parallel()
	s := start(t, 10)
	planted := s.signIn(t, "eve")
	if status, cookie := s.post(t, "/login", planted, url.Values{"user": {"ada"}}, nil); status != http.StatusNoContent || cookie == planted {
		t.Errorf("login: %d, and the id of the session is the same: %v", status, cookie == planted)
	}
	for _, name := range []string{"", "  ", strings.Repeat("x", 41), strings.Repeat("x", 2<<10)} {
		if status, cookie := s.post(t, "/login", "", url.Values{"user": {name}}, nil); status != http.StatusBadRequest || cookie != "" {
			t.Errorf("%d bytes: %d, cookie %q", len(name), status, cookie)
		}
	}
	elsewhere := http.Header{"Origin": {foreign}, "Sec-Fetch-Site": {"cross-site"}}
	if status, _ := s.post(t, "/login", "", url.Values{"user": {"ada"}}, elsewhere); status != http.StatusForbidden {
		t.Errorf("the form of another site: %d", status)
	}
}

// TestRun runs the program, from its first line to ^C.
func TestRun(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		defer in.Close()
		done <- run(ctx, in, config{addr: "127.0.0.1:0", origin: front, limit: 10, window: time.Minute})
	}()
	lines := make(chan string, 16)
	go func() {
		defer close(lines)
		for r := bufio.NewScanner(out); r.Scan(); {
			lines <- r.Text()
		}
	}()
	_, base, ok := strings.Cut(<-lines, "Open ")
	if !ok {
		t.Fatal("the first line does not say where")
	}
	get := func(path string) (*http.Response, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
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
	for path, want := range map[string]string{"/": "<!doctype html>", "/page.js": "use strict", "/page.css": "font"} {
		res, body := get(path)
		if res.StatusCode != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %q", path, res.StatusCode, body)
		}
		has(t, res.Header, "X-Frame-Options", "DENY")
	}
	if res, _ := get("/socket.io/?EIO=4&transport=polling"); res.StatusCode != http.StatusOK {
		t.Errorf("handshake: %d", res.StatusCode)
	}
	if span := decode(t, <-lines); span["Name"] != "handshake" {
		t.Errorf("span %v", span["Name"])
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for range lines { // until the writer has gone
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, origin := range []string{"", "*", "app.example", "https://app.example/", "ftp://app.example", "null", "https://a b"} {
		err := run(t.Context(), io.Discard, config{origin: origin, limit: 1, window: 1})
		if err == nil || !strings.Contains(err.Error(), "origin") {
			t.Errorf("origin %q: %v", origin, err)
		}
	}
	err := run(t.Context(), io.Discard, config{origin: front})
	if err == nil || !strings.Contains(err.Error(), "limit 0") || !strings.Contains(err.Error(), "window 0s") {
		t.Errorf("no limit, no window: %v", err)
	}
}
