package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestGamehub: examples/gamehub as users run it, the program and the client of the mini
// program, with socket.io-client 2, which has only WebSocket there.
func TestGamehub(t *testing.T) {
	needNode(t)
	t.Parallel()
	h := hubProgram(filepath.Join(t.TempDir(), "gamehub"))
	h.build(t)
	for name, test := range map[string]func(t *testing.T, h hubProgram, v variant){
		"reconnect": hubReconnect, "gone": hubGone, "phones": hubPhones, "away": hubAway,
		"refused": hubRefused, "restart": hubRestart,
	} {
		for _, transport := range []string{"websocket", "polling"} {
			v := variant{2, []string{transport}}
			t.Run(name+"/"+v.String(), func(t *testing.T) {
				t.Parallel()
				test(t, h, v)
			})
		}
	}
}

// hubProgram is the path of the program.
type hubProgram string

func (h hubProgram) build(t *testing.T) {
	t.Helper()
	// Read, so that go test runs again when something in them has changed.
	for _, name := range []string{"gamehub.mjs", "../../examples/gamehub", "../../presence", "../../logging"} {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	args := []string{"build", "-o", string(h)}
	if raceEnabled {
		args = append(args, "-race")
	}
	if out, err := exec.CommandContext(t.Context(), "go", append(args, "../../examples/gamehub")...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// start runs the program and returns its URL. stop ends it as a terminal does.
func (h hubProgram) start(t *testing.T, flags ...string) (url string, stop func()) {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.Command(string(h), append([]string{"-addr", "127.0.0.1:0", "-beat", "1h"}, flags...)...)
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the hub: %v: %s", err, &log)
		}
		if strings.Contains(log.String(), "level=ERROR") || strings.Contains(log.String(), "eyJ") {
			t.Errorf("a fault, or a token, in the log: %s", &log)
		}
	}
	t.Cleanup(stop)
	said, err := bufio.NewReader(stdout).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(said), "The hub is at ")
	if err != nil || !ok {
		t.Fatalf("it said %q, %v", said, err)
	}
	return url, stop
}

// hubPlayer is a phone and its user.
type hubPlayer struct{ *client }

// play signs a player in.
func play(t *testing.T, v variant, url, name string) hubPlayer {
	t.Helper()
	c := &client{
		kind: v, server: new(server),
		cmd:    exec.Command(needNode(t), "gamehub.mjs", url, name, v.transports[0]),
		exited: make(chan struct{}), wake: make(chan struct{}),
	}
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.cmd.Stderr = &c.stderr
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go c.read(stdout)
	t.Cleanup(func() { c.finish(t) })
	return hubPlayer{c}
}

// say makes the player do something.
func (p hubPlayer) say(t *testing.T, words string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.stdin, words); err != nil {
		t.Fatalf("%v; %s", err, p.history())
	}
}

// told waits for the n-th event of a name and returns its payload.
func (p hubPlayer) told(t *testing.T, n int, event string) object {
	t.Helper()
	data, _ := p.await(t, n, "event", named(event))[n-1].Args[0].(object)
	return data
}

// does is say for an event, and waits for the n-th answer to it.
func (p hubPlayer) does(t *testing.T, n int, words string) object {
	t.Helper()
	event, _, _ := strings.Cut(words, " ")
	p.say(t, words)
	data, _ := p.await(t, n, "ack", named(event))[n-1].Args[0].(object)
	if data["code"] != nil {
		t.Fatalf("%s: %v", words, data)
	}
	return data
}

// hubGame seats ada and bob.
func hubGame(t *testing.T, v variant, url string) (ada, bob hubPlayer) {
	t.Helper()
	ada, bob = play(t, v, url, "ada"), play(t, v, url, "bob")
	ada.told(t, 1, "welcome")
	bob.told(t, 1, "welcome")
	ada.does(t, 1, "join")
	if g := bob.does(t, 1, "join"); g["turn"] != "openid-ada" {
		t.Fatalf("%v", g)
	}
	ada.told(t, 2, "table")
	return ada, bob
}

// hubReconnect: the seat is kept, the game goes on, and the opponent has seen nothing.
func hubReconnect(t *testing.T, h hubProgram, v variant) {
	url, _ := h.start(t, "-grace", "1m")
	ada, bob := hubGame(t, v, url)
	for i := range 3 {
		ada.say(t, "drop")
		welcome := ada.told(t, i+2, "welcome")
		if g, _ := welcome["table"].(object); g["turn"] != "openid-ada" {
			t.Fatalf("back at %v", g)
		}
		ada.does(t, i+1, fmt.Sprint("move ", i))
		bob.told(t, 2*i+2, "table")
		if i < 2 {
			bob.does(t, i+1, fmt.Sprint("move ", i+3))
			ada.told(t, 2*i+4, "table")
		}
	}
	if g := bob.told(t, 6, "table"); g["winner"] != "openid-ada" || g["over"] != "line" {
		t.Errorf("%v", g)
	}
	if n := len(bob.all("event", named("player"))); n != 0 {
		t.Errorf("it was seen; %s", bob.history())
	}
	ids, badges := make(map[string]bool), ""
	for _, r := range ada.all("connect") {
		ids[r.ID] = true
	}
	for _, r := range ada.all("badge") {
		badges += r.Message
	}
	if len(ids) != 4 || badges != "1010101" {
		t.Errorf("%d ids, badges %s; %s", len(ids), badges, ada.history())
	}
}

// hubGone: a player who stays away gives up the table, and may come back to another.
func hubGone(t *testing.T, h hubProgram, v variant) {
	url, _ := h.start(t, "-grace", "300ms")
	ada, bob := hubGame(t, v, url)
	ada.say(t, "suspend")
	if p := bob.told(t, 1, "player"); p["openid"] != "openid-ada" || p["state"] != "gone" {
		t.Errorf("%v", p)
	}
	if g := bob.told(t, 2, "table"); g["winner"] != "openid-bob" || g["over"] != "gone" {
		t.Errorf("%v", g)
	}
	ada.say(t, "resume")
	if w := ada.told(t, 2, "welcome"); w["table"] != nil {
		t.Errorf("%v", w)
	}
	bob.does(t, 2, "join")
	if g := ada.does(t, 2, "join"); g["turn"] != "openid-bob" {
		t.Errorf("%v", g)
	}
}

// hubPhones: another phone takes over, and the old one is told so and stays away.
func hubPhones(t *testing.T, h hubProgram, v variant) {
	url, _ := h.start(t)
	old, bob := hubGame(t, v, url)
	phone := play(t, v, url, "ada")
	if g, _ := phone.told(t, 1, "welcome")["table"].(object); g["turn"] != "openid-ada" {
		t.Errorf("at %v", g)
	}
	if out := old.await(t, 1, "signed_out")[0]; out.Reason != "replaced" {
		t.Errorf("%s", out.raw)
	}
	phone.does(t, 1, "move 4")
	bob.told(t, 2, "table")
	if len(old.all("connect")) != 1 || len(phone.all("disconnect")) != 0 || len(bob.all("event", named("player"))) != 0 {
		t.Errorf("%s; %s; %s", old.history(), phone.history(), bob.history())
	}
}

// hubAway: a player who does not look is away, and back when looking again.
func hubAway(t *testing.T, h hubProgram, v variant) {
	url, _ := h.start(t, "-beat", "100ms")
	ada, bob := hubGame(t, v, url)
	// With such a short beat a client may be late, and back at once.
	is := func(state string) {
		t.Helper()
		bob.await(t, 1, "event", named("player"))
		if !bob.until(func() bool {
			all := bob.all("event", named("player"), func(r record) bool { return r.Args[0].(object)["openid"] == "openid-ada" })
			return len(all) > 0 && all[len(all)-1].Args[0].(object)["state"] == state
		}) {
			t.Fatalf("not %s; %s", state, bob.history())
		}
	}
	ada.say(t, "aside")
	is("away")
	ada.say(t, "front")
	is("online")
	ada.does(t, 1, "move 4")
}

// hubRefused: a player whose token is missing or has expired is told so, once, and the
// client does not keep trying with it.
func hubRefused(t *testing.T, h hubProgram, v variant) {
	url, _ := h.start(t, "-token", "2s")
	for name, code := range map[string]string{"No-Such-Code": "token_missing", "ada": "token_expired"} {
		p := play(t, v, url, name)
		if out := p.await(t, 1, "signed_out")[0]; out.Reason != code {
			t.Errorf("%s", out.raw)
		}
		if (len(p.all("connect")) == 0) != (code == "token_missing") || len(p.all("signed_out")) != 1 {
			t.Error(p.history())
		}
	}
}

// hubRestart: a hub that shuts down disconnects everyone, and refuses their tokens when
// it is back: its secret is a new one.
func hubRestart(t *testing.T, h hubProgram, v variant) {
	url, stop := h.start(t)
	ada, bob := hubGame(t, v, url)
	stop()
	for _, p := range []hubPlayer{ada, bob} {
		p.await(t, 1, "disconnect")
	}
	h.start(t, "-addr", strings.TrimPrefix(url, "http://"))
	for _, p := range []hubPlayer{ada, bob} {
		if out := p.await(t, 1, "signed_out")[0]; out.Reason != "token_invalid" {
			t.Errorf("%s", out.raw)
		}
		if len(p.all("event", named("player"))) != 0 {
			t.Errorf("it was seen; %s", p.history())
		}
	}
}
