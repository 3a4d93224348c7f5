package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// TestBrowser has two tabs of a real browser talk, with the official client.
func TestBrowser(t *testing.T) {
	chromium := need(t, "chromium", func() (string, error) { return exec.LookPath("chromium") })
	client := need(t, "socket.io.min.js (see SOCKET_IO_CLIENT)", func() (string, error) {
		file := os.Getenv("SOCKET_IO_CLIENT")
		if file == "" {
			file = filepath.FromSlash("../../internal/e2e/node_modules/client4/dist/socket.io.min.js")
		}
		_, err := os.Stat(file)
		return file, err
	})
	records := new(journal)
	base, stop := start(t, client, records)
	b := launch(t, chromium)

	ada, bob := b.open(t, base), b.open(t, base)
	ada.enter("nickname", "  ")
	ada.see("nickname-error", "Please enter a nickname. nickname_missing")
	ada.enter("nickname", strings.Repeat("a", 21))
	ada.see("nickname-error", "That nickname is too long: 20 characters at most. nickname_too_long")
	ada.enter("nickname", "admin")
	ada.see("nickname-error", "The nickname is reserved. forbidden")
	ada.enter("nickname", "Ada")
	ada.see("nickname-error", "")
	ada.see("status", "Online (websocket)")

	bob.enter("nickname", "ada")
	bob.see("nickname-error", "Somebody here has that nickname already. nickname_taken")
	bob.enter("nickname", "Bob")
	bob.see("lines", "Welcome, Bob.")
	bob.see("people", "Ada Bob")
	ada.see("lines", "Bob joined.")
	ada.see("people-title", "In the room (2)")

	const text = `<img src=x onerror="document.title='hacked'">`
	ada.enter("text", text)
	bob.see("lines", text)
	ada.see("lines", text)
	bob.enter("text", " ")
	bob.see("text-error", "Please write something first. message_empty")
	bob.enter("text", strings.Repeat("b", 501))
	bob.see("text-error", "That message is too long: 500 characters at most. message_too_long")
	bob.enter("text", "hello Ada")
	bob.see("text-error", "")
	ada.see("lines", "hello Ada")
	if got := ada.eval(`document.title + document.images.length`); got != "Chat0" {
		t.Errorf("the message became HTML: %v", got)
	}

	bob.eval(`document.getElementById("leave").click()`)
	bob.see("status", "Offline")
	ada.see("lines", "Bob left.")
	bob.enter("nickname", "Bob")
	ada.see("people", "Ada Bob")
	bob.see("status", "Online (websocket)")
	bob.call("Page.navigate", map[string]any{"url": "about:blank"})
	ada.see("people", "Ada")

	for _, tab := range []*tab{ada, bob} {
		for _, complaint := range b.complaints(tab.session) {
			// A refused client drops what it has under way: an upgrade, a poll.
			if !strings.Contains(complaint, `"source":"network"`) {
				t.Errorf("the console says: %s", complaint)
			}
		}
	}
	// What the page never does, to know that the test would have seen it.
	ada.wait(`new Promise(seen => {
		addEventListener("securitypolicyviolation", () => seen(true), {once: true});
		document.body.append(Object.assign(document.createElement("img"), {src: "http://127.0.0.1:1/"}));
	})`)
	if got := strings.Join(b.complaints(ada.session), "\n"); !strings.Contains(got, "Content Security Policy") {
		t.Errorf("a violation of the policy was not seen; the console says: %s", got)
	}

	stop()
	ada.see("status", "The server cannot be reached; trying again")
	for _, want := range []string{
		`path=/socket.io/ status=200`, `msg=joined nickname=Bob`, `msg=left nickname=Bob`, `msg="shutting down"`,
	} {
		if got := records.String(); !strings.Contains(got, want) {
			t.Errorf("the log has no %q:\n%s", want, got)
		}
	}
}

// need skips the test where something is missing, but not on CI.
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

// browser speaks the Chrome DevTools protocol, one command at a time.
type browser struct {
	conn *websocket.Conn
	last int
	seen map[string][]string // complaints by session
}

// tab is one page. Its methods end the test when they fail.
type tab struct {
	*browser
	t       *testing.T
	session string
}

// launch starts a browser that lives until the test ends.
func launch(t *testing.T, path string) *browser {
	t.Helper()
	profile, err := os.MkdirTemp("", "chat")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--disable-dev-shm-usage", "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
		"--remote-debugging-port=0", "--user-data-dir="+profile, "about:blank")
	cmd.WaitDelay = 5 * time.Second
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	address, drained := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(drained)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if _, a, ok := strings.Cut(lines.Text(), "DevTools listening on "); ok {
				address <- a
			}
		}
	}()
	b := &browser{seen: make(map[string][]string)}
	t.Cleanup(func() {
		if b.conn != nil {
			_ = b.conn.WriteJSON(map[string]any{"id": -1, "method": "Browser.close"})
			_ = b.conn.Close()
		}
		select {
		case <-drained: // the last of its processes has ended
		case <-time.After(10 * time.Second):
		}
		cancel()
		_ = cmd.Wait()
		_ = os.RemoveAll(profile)
	})

	select {
	case a := <-address:
		if b.conn, _, err = websocket.DefaultDialer.Dial(a, nil); err != nil {
			t.Fatal(err)
		}
		return b
	case <-drained:
		t.Fatal("the browser ended")
	case <-time.After(time.Minute):
		t.Fatal("the browser does not say where it listens")
	}
	return nil // not reached
}

// open opens url in a new tab.
func (b *browser) open(t *testing.T, url string) *tab {
	t.Helper()
	p := &tab{browser: b, t: t}
	target := p.call("Target.createTarget", map[string]any{"url": "about:blank"})["targetId"]
	session := p.call("Target.attachToTarget", map[string]any{"targetId": target, "flatten": true})["sessionId"]
	p.session = fmt.Sprint(session)
	p.call("Runtime.enable", nil)
	p.call("Log.enable", nil)
	p.call("Page.navigate", map[string]any{"url": url})
	p.wait(`document.readyState === "complete" && location.href !== "about:blank"`)
	return p
}

// call runs a command and returns its result.
func (p *tab) call(method string, params map[string]any) map[string]any {
	p.t.Helper()
	p.last++
	command := map[string]any{"id": p.last, "method": method, "params": params}
	if params == nil {
		command["params"] = struct{}{}
	}
	if p.session != "" {
		command["sessionId"] = p.session
	}
	_ = p.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	if err := p.conn.WriteJSON(command); err != nil {
		p.t.Fatal(err)
	}
	for {
		var m struct {
			ID        int
			SessionID string
			Method    string
			Params    json.RawMessage
			Result    map[string]any
			Error     any
		}
		if err := p.conn.ReadJSON(&m); err != nil {
			p.t.Fatalf("%s: %v", method, err)
		}
		switch {
		case m.ID == p.last && m.Error != nil:
			p.t.Fatalf("%s: %v", method, m.Error)
		case m.ID == p.last:
			return m.Result
		case m.Method == "Log.entryAdded", m.Method == "Runtime.consoleAPICalled", m.Method == "Runtime.exceptionThrown":
			p.seen[m.SessionID] = append(p.seen[m.SessionID], string(m.Params))
		}
	}
}

// complaints returns and forgets what the console has said.
func (b *browser) complaints(session string) []string {
	seen := b.seen[session]
	delete(b.seen, session)
	return seen
}

// eval returns the value of a JavaScript expression, of a promise its result.
func (p *tab) eval(expression string) any {
	p.t.Helper()
	res := p.call("Runtime.evaluate", map[string]any{
		"expression": expression, "awaitPromise": true, "returnByValue": true,
	})
	if fault := res["exceptionDetails"]; fault != nil {
		p.t.Fatalf("%s: %v", expression, fault)
	}
	result, _ := res["result"].(map[string]any)
	return result["value"]
}

// wait waits until a JavaScript expression is true.
func (p *tab) wait(condition string) {
	p.t.Helper()
	if p.eval(fmt.Sprintf(`(async () => {
		for (const end = Date.now() + 15000; Date.now() < end; await new Promise(r => setTimeout(r, 20))) {
			if (await (%s)) return true;
		}
		return false;
	})()`, condition)) != true {
		p.t.Fatalf("waited in vain for %s; the page says:\n%s\nthe console says:\n%s", condition,
			p.eval("document.body.innerText"), strings.Join(p.complaints(p.session), "\n"))
	}
}

// see waits until the element of that id shows text; "" is nothing at all.
func (p *tab) see(id, text string) {
	p.t.Helper()
	shown := fmt.Sprintf(`document.getElementById(%q).innerText.replace(/\s+/g, " ").trim()`, id)
	if text == "" || id != "lines" {
		p.wait(fmt.Sprintf("%s === %s", shown, quote(text)))
		return
	}
	p.wait(fmt.Sprintf("%s.includes(%s)", shown, quote(text)))
}

var space = regexp.MustCompile(`\s+`)

func quote(text string) string {
	b, _ := json.Marshal(strings.TrimSpace(space.ReplaceAllString(text, " "))) // a string always can
	return string(b)
}

// enter fills a field and submits its form, once the form is ready for it.
func (p *tab) enter(id, text string) {
	p.t.Helper()
	p.wait(fmt.Sprintf("!document.getElementById(%q).readOnly", id))
	value, _ := json.Marshal(text)
	p.eval(fmt.Sprintf(`(() => { const field = document.getElementById(%q);
		field.value = %s; field.form.requestSubmit() })()`, id, value))
}
