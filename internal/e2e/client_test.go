package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// bound is how long a test waits for its client: a process has to start, on a machine
// that may be busy.
const bound = 15 * time.Second

// object is a JSON object.
type object = map[string]any

// scenario and action are the input of driver.mjs.
type scenario struct {
	Client     int      `json:"client"`
	URL        string   `json:"url"`
	Namespaces []string `json:"namespaces,omitempty"`
	Options    object   `json:"options"`
	Listen     []string `json:"listen,omitempty"`
	OnConnect  []action `json:"onConnect,omitempty"`
	Responses  bool     `json:"responses,omitempty"`
	Tokens     string   `json:"tokens,omitempty"`
	Recipe     bool     `json:"recipe,omitempty"`
	Limits     bool     `json:"limits,omitempty"`
	Pages      string   `json:"pages,omitempty"`
	Sessions   bool     `json:"sessions,omitempty"`
}

type action struct {
	Do     string `json:"do"`
	Conn   int    `json:"conn,omitempty"`
	Nsp    string `json:"nsp,omitempty"`
	Event  string `json:"event,omitempty"`
	Args   []any  `json:"args,omitempty"`
	Ack    bool   `json:"ack,omitempty"`
	Times  int    `json:"times,omitempty"`
	MS     int    `json:"ms,omitempty"`
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	Body   string `json:"body,omitempty"`
}

// record is the output of driver.mjs.
type record struct {
	Type        string
	Conn        int
	Nsp         string
	ID          string
	Active      *bool
	Connected   bool
	Transport   string
	Event       string
	Index       int
	Args        []any
	Message     string
	Data        any
	Description any
	Reason      string
	Attempt     int

	// For HTTP responses, also as part of an error of version 4.
	Method     string
	Path       string
	Status     int
	Headers    map[string][]string
	Cookie     string
	Body       string
	RetryAfter string

	raw string
}

// client is an official client in a process of its own.
type client struct {
	kind   variant
	server *server
	stdin  io.WriteCloser
	cmd    *exec.Cmd
	exited chan struct{}

	mu      sync.Mutex
	records []record
	wake    chan struct{} // closed at the next record
	stderr  strings.Builder
}

// connect starts a client of kind v for s and ends it with the test. edit may
// change the scenario.
func connect(t *testing.T, v variant, s *server, edit func(sc *scenario)) *client {
	t.Helper()
	sc := scenario{Client: v.client, URL: s.URL, Options: object{
		"transports": v.transports,
		// A fast loop, for clients that reconnect.
		"reconnectionDelay": 5, "reconnectionDelayMax": 10,
	}}
	if edit != nil {
		edit(&sc)
	}
	c := &client{
		kind:   v,
		server: s,
		cmd:    exec.Command(needNode(t), "driver.mjs"),
		exited: make(chan struct{}),
		wake:   make(chan struct{}),
	}
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.stdin = stdin
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.cmd.Stderr = &c.stderr // complete once exited
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go c.read(stdout)
	t.Cleanup(func() { c.finish(t) })
	c.write(t, sc)
	return c
}

func (c *client) read(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		r := record{raw: lines.Text()}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			r.Type, r.Message = "uncaught", err.Error()
		}
		c.mu.Lock()
		c.records = append(c.records, r)
		close(c.wake)
		c.wake = make(chan struct{})
		c.mu.Unlock()
	}
	_ = c.cmd.Wait()
	close(c.exited)
}

func (c *client) write(t *testing.T, v any) {
	t.Helper()
	if err := json.NewEncoder(c.stdin).Encode(v); err != nil {
		t.Fatalf("write to the client: %v; %s", err, c.history())
	}
}

// do makes the client act.
func (c *client) do(t *testing.T, actions ...action) {
	t.Helper()
	for _, a := range actions {
		c.write(t, a)
	}
}

// call emits an event on "/" and returns the arguments of the ack.
func (c *client) call(t *testing.T, event string, args ...any) []any {
	t.Helper()
	ours := func(r record) bool { return r.Event == event }
	n := len(c.all("ack", ours))
	c.do(t, action{Do: "emit", Event: event, Args: args, Ack: true})
	return c.await(t, n+1, "ack", ours)[n].Args
}

// all returns the records of a type so far.
func (c *client) all(kind string, match ...func(record) bool) (found []record) {
	c.mu.Lock()
	defer c.mu.Unlock()
next:
	for _, r := range c.records {
		if r.Type != kind {
			continue
		}
		for _, m := range match {
			if !m(r) {
				continue next
			}
		}
		found = append(found, r)
	}
	return found
}

// await waits until there are n records of a type and returns them.
func (c *client) await(t *testing.T, n int, kind string, match ...func(record) bool) (found []record) {
	t.Helper()
	if !c.until(func() bool { found = c.all(kind, match...); return len(found) >= n }) {
		c.server.excuse(t)
		t.Fatalf("%d of %d records %q; %s", len(found), n, kind, c.history())
	}
	return found
}

// until waits for a condition on the records.
func (c *client) until(cond func() bool) bool {
	timer := time.NewTimer(bound)
	defer timer.Stop()
	for {
		c.mu.Lock()
		wake := c.wake
		c.mu.Unlock()
		if cond() {
			return true
		}
		select {
		case <-wake:
		case <-c.exited:
			return cond()
		case <-timer.C:
			return cond()
		}
	}
}

// on limits await and all to one namespace.
func on(nsp string) func(record) bool {
	return func(r record) bool { return r.Nsp == nsp }
}

// idle gives the client time to do what it must not do.
func (c *client) idle(t *testing.T) {
	t.Helper()
	n := len(c.all("paused"))
	c.do(t, action{Do: "pause", MS: 150})
	c.await(t, n+1, "paused")
}

// settle waits for the upgrade of a client, if there will be one. See skipTorn.
func (c *client) settle() {
	if !c.kind.upgrades() {
		return
	}
	c.until(func() bool {
		refused := c.kind.client == 4 && len(c.all("connect")) == 0
		return refused || len(c.all("disconnect")) > 0 || c.server.torn.Load() > 0 ||
			len(c.all("upgrade")) >= len(c.all("open"))
	})
}

// skipTorn skips a test whose client leaves during an upgrade: the host then clears a
// variable on two goroutines (engine/socket.go:375, from :379 and :383), and the race
// detector fails whatever test is running.
func skipTorn(t *testing.T, v variant) {
	t.Helper()
	if raceEnabled && v.upgrades() {
		t.Skip("the host has a data race here")
	}
}

// kill ends the client as a power cut would.
func (c *client) kill() {
	_ = c.cmd.Process.Kill()
	<-c.exited
}

// finish ends the client, and fails the test if the client had a fault.
func (c *client) finish(t *testing.T) {
	t.Helper()
	c.settle()
	_ = c.stdin.Close()
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case <-c.exited:
	case <-timer.C:
		c.kill()
		t.Errorf("the client did not end; %s", c.history())
	}
	if len(c.all("uncaught")) > 0 || c.stderr.Len() > 0 {
		t.Errorf("fault in the client: %s; %s", c.stderr.String(), c.history())
	}
}

// history describes what the client observed, for messages.
func (c *client) history() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "observed:")
	for i, r := range c.records {
		if i >= 20 && i < len(c.records)-20 {
			continue
		}
		b.WriteString("\n\t" + r.raw)
	}
	return b.String()
}
