package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

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
	person  any // whose cookies it has
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

// open opens url for another person, who has cookies of their own.
func (b *browser) open(t *testing.T, url string) *tab {
	t.Helper()
	p := &tab{browser: b, t: t}
	p.person = p.call("Target.createBrowserContext", nil)["browserContextId"]
	return p.another(url)
}

// another opens url in a new tab of the same person.
func (p *tab) another(url string) *tab {
	p.t.Helper()
	q := &tab{browser: p.browser, t: p.t, person: p.person}
	target := q.call("Target.createTarget", map[string]any{"url": "about:blank", "browserContextId": q.person})["targetId"]
	session := q.call("Target.attachToTarget", map[string]any{"targetId": target, "flatten": true})["sessionId"]
	q.session = fmt.Sprint(session)
	q.call("Runtime.enable", nil)
	q.call("Log.enable", nil)
	q.call("Page.navigate", map[string]any{"url": url})
	q.wait(`document.readyState === "complete" && location.href !== "about:blank"`)
	return q
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
	if text != "" && (id == "lines" || id == "token-log") { // these have more to say
		p.wait(fmt.Sprintf("%s.includes(%s)", shown, quote(text)))
		return
	}
	p.wait(fmt.Sprintf("%s === %s", shown, quote(text)))
}

var space = regexp.MustCompile(`\s+`)

func quote(text string) string {
	b, _ := json.Marshal(strings.TrimSpace(space.ReplaceAllString(text, " "))) // a string always can
	return string(b)
}

// enter fills a field and submits its form, once the form is ready for it.
func (p *tab) enter(id, text string) {
	p.t.Helper()
	p.fill(id, text)
	p.eval(fmt.Sprintf("document.getElementById(%q).form.requestSubmit()", id))
}

// fill fills a field, once there is one that takes it.
func (p *tab) fill(id, text string) {
	p.t.Helper()
	p.wait(fmt.Sprintf("(field => field.checkVisibility() && !field.readOnly)(document.getElementById(%q))", id))
	value, _ := json.Marshal(text)
	p.eval(fmt.Sprintf("document.getElementById(%q).value = %s", id, value))
}

// click clicks a button, once it can be.
func (p *tab) click(id string) {
	p.t.Helper()
	p.wait(fmt.Sprintf("(button => button.checkVisibility() && !button.disabled)(document.getElementById(%q))", id))
	p.eval(fmt.Sprintf("document.getElementById(%q).click()", id))
}
