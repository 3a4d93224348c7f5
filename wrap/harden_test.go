package wrap_test

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"
	"github.com/zishang520/socket.io/v2/socket"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
)

func init() {
	children["bare"] = func(report func(string)) {
		report(siotest.Config{}.Serve(echoing))
	}
	children["hardened"] = func(report func(string)) {
		report(siotest.Config{
			Options: wrap.Harden(nil),
			Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) },
		}.Serve(echoing))
	}
}

// echoing answers "echo" with its arguments, by acknowledgement or by event. On "ask" it
// asks the client for an acknowledgement and reports that as "answered". The first
// argument of each answer lists the types that the handler received.
func echoing(server *socket.Server) {
	use := func(s *socket.Socket, next func(*socket.ExtendedError)) {
		_ = s.On("echo", func(args ...any) {
			if n := len(args); n > 0 {
				if ack, ok := args[n-1].(socket.Ack); ok {
					ack(typed(args[:n-1]), nil)
					return
				}
			}
			_ = s.Emit("echo", typed(args)...)
		})
		_ = s.On("ask", func(args ...any) {
			s.EmitWithAck("question", args...)(func(answer []any, _ error) {
				_ = s.Emit("answered", typed(answer)...)
			})
		})
		next(nil)
	}
	for _, nsp := range []socket.Namespace{server.Sockets(), server.Of("/admin", nil)} {
		nsp.Use(use)
		// The host answers CONNECT before it knows the socket, and closes a client whose
		// first event arrives in between (socket/namespace.go:356, client.go:217).
		_ = nsp.On("connection", func(args ...any) { _ = args[0].(*socket.Socket).Emit("ready") })
	}
}

func typed(args []any) []any {
	var kinds strings.Builder
	for _, a := range args {
		fmt.Fprintf(&kinds, "%T ", a)
	}
	return append([]any{kinds.String()}, args...)
}

func TestHarden(t *testing.T) {
	t.Parallel()
	t.Run("nil", func(t *testing.T) {
		t.Parallel()
		o := wrap.Harden(nil)
		if o == nil || o.Parser() == nil || o.PerMessageDeflate() == nil || o.PerMessageDeflate().Threshold != math.MaxInt {
			t.Errorf("got %+v", o)
		}
		if r := o.ConnectionStateRecovery(); r != nil {
			t.Errorf("recovery was switched on: %+v", r)
		}
		if d := o.UpgradeTimeout(); d <= 10*time.Second { // that of Func
			t.Errorf("upgrades end after %v", d)
		}
	})
	t.Run("in place, and twice", func(t *testing.T) {
		t.Parallel()
		o := socket.DefaultServerOptions()
		if wrap.Harden(o) != o {
			t.Error("Harden returns other options")
		}
		p, d := o.Parser(), o.PerMessageDeflate()
		wrap.Harden(o)
		if o.Parser() != p || o.PerMessageDeflate() != d {
			t.Error("the second call changes the options")
		}
	})
	t.Run("what is set stays", func(t *testing.T) {
		t.Parallel()
		o := socket.DefaultServerOptions()
		mine, deflate := &fake{Parser: parser.NewParser()}, &types.PerMessageDeflate{Threshold: 1}
		o.SetParser(mine)
		o.SetPerMessageDeflate(deflate)
		o.SetUpgradeTimeout(time.Second)
		wrap.Harden(o)
		if d := o.UpgradeTimeout(); d != time.Second {
			t.Errorf("UpgradeTimeout replaced by %v", d)
		}
		if o.PerMessageDeflate() != deflate {
			t.Errorf("PerMessageDeflate replaced by %+v", o.PerMessageDeflate())
		}
		mine.boom = "mine"
		if err := o.Parser().NewDecoder().Add("x"); err == nil || !strings.Contains(err.Error(), "mine") {
			t.Errorf("the parser is not in use any more: %v", err)
		}
	})
	t.Run("recovery", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct {
			name      string
			set, want bool
		}{{"unset", false, false}, {"set", true, true}} {
			o, r := socket.DefaultServerOptions(), &socket.ConnectionStateRecovery{}
			if c.set {
				r.SetSkipMiddlewares(true)
			}
			o.SetConnectionStateRecovery(r)
			wrap.Harden(o)
			if raw := r.GetRawSkipMiddlewares(); raw == nil || *raw != c.want {
				t.Errorf("%s: got %v, want %t", c.name, raw, c.want)
			}
		}
	})
}

// Every frame of the corpus, sent by a client that has joined "/" and by one that has
// not, on both transports. Other clients must not notice.
func TestHardenedServerSurvives(t *testing.T) {
	t.Parallel()
	for _, polling := range []bool{false, true} {
		for _, joined := range []bool{true, false} {
			t.Run(fmt.Sprintf("polling=%t,joined=%t", polling, joined), func(t *testing.T) {
				t.Parallel()
				child := siotest.ChildProcess(t, "hardened")
				server := child.Server()
				for _, c := range corpus {
					attack(t, server, siotest.Dial{Polling: polling}, joined, c)
					other := server.Dial(t, siotest.Dial{Polling: polling})
					other.NextEvent(t, "ready")
					if got := other.EmitAck(t, "echo", "x").Args(); !reflect.DeepEqual(got, []any{"string ", "x"}) {
						t.Errorf("after %q: got %v", c.name, got)
					}
					other.Close()
					if !child.Alive() {
						t.Fatalf("after %q the server is dead:\n%.4000s", c.name, child.Stderr())
					}
				}
			})
		}
	}
}

func attack(t *testing.T, server *siotest.Server, dial siotest.Dial, joined bool, c sequence) {
	t.Helper()
	client, err := server.Open(t, dial)
	if err != nil {
		t.Fatalf("before %q: %v", c.name, err)
	}
	if joined {
		client.Connect("/", nil)
		client.NextEvent(t, "ready")
	}
	for _, frame := range c.frames {
		switch frame := frame.(type) {
		case string:
			client.Send("4" + frame)
		case []byte:
			client.SendBinary(frame)
		}
	}
	if !c.ok {
		client.AwaitDone(t)
	}
	client.Kill()
}

// TestBareHost shows why the package is needed. It is not run by default: it fails as
// soon as the host is fixed, and says which workaround to drop.
func TestBareHost(t *testing.T) {
	if !*bareHost {
		t.Skip("run with -barehost: it shows what the bare host does not survive")
	}
	for _, frame := range []string{`2`, `2/admin,`, `50-`} {
		child := siotest.ChildProcess(t, "bare")
		client, err := child.Server().Open(t, siotest.Dial{})
		if err != nil {
			t.Fatal(err)
		}
		for _, nsp := range []string{"/", "/admin"} {
			client.Connect(nsp, nil)
			client.NextEvent(t, "ready")
		}
		client.Send("4" + frame)
		client.AwaitDone(t)
		siotest.Eventually(t, "the end of the bare host after "+frame, func() bool { return !child.Alive() })
		if !strings.Contains(child.Stderr(), "interface conversion") {
			t.Errorf("%s: another crash:\n%s", frame, child.Stderr())
		}
	}
}

// Well-formed packets must arrive as they do without Harden, including their types.
func TestHardenedTrafficIsUnchanged(t *testing.T) {
	t.Parallel()
	bin := func(n int) []byte { return bytes.Repeat([]byte{0, 1, 0xff}, n) }
	many := make([]any, 300)
	for i := range many {
		many[i] = bin(1)
	}
	messages := [][]any{
		{},
		{nil, true, 1.5, -3, "text", "", "]\"\\{\u2028\U0001F600"},
		{map[string]any{"a": []any{1, map[string]any{}}, "_placeholder": true}},
		{strings.Repeat("long ", 10_000)},
		{bin(1)},
		{bin(0), "between", bin(5_000)},
		{map[string]any{"file": bin(3), "list": []any{bin(2), []any{bin(1)}}}, 7},
		many,
	}
	run := func(t *testing.T, server *siotest.Server, dial siotest.Dial, upgrade bool) (out []siotest.Packet) {
		client := server.Dial(t, dial)
		client.NextEvent(t, "ready")
		if upgrade {
			client.Upgrade(t)
		}
		for _, args := range messages {
			out = append(out, client.EmitAck(t, "echo", args...))
			client.Emit("echo", args...)
			out = append(out, client.NextEvent(t, "echo"))
			client.Emit("ask", args...)
			question := client.NextEvent(t, "question")
			client.Ack(question, args...)
			out = append(out, question, client.NextEvent(t, "answered"))
		}
		return out
	}
	bare := siotest.NewServer(t, echoing)
	hard := siotest.Config{Options: wrap.Harden(nil)}.NewServer(t, echoing)
	for _, c := range []struct {
		name    string
		dial    siotest.Dial
		upgrade bool
	}{
		{"websocket", siotest.Dial{}, false},
		{"websocket namespace", siotest.Dial{Namespace: "/admin"}, false},
		{"polling", siotest.Dial{Polling: true}, false},
		{"upgraded", siotest.Dial{Polling: true}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := run(t, bare, c.dial, c.upgrade)
			got := run(t, hard, c.dial, c.upgrade)
			for i := range want {
				// Attachments are in the order of a map.
				want[i].Raw, want[i].Binary, got[i].Raw, got[i].Binary = "", nil, "", nil
				if !reflect.DeepEqual(got[i], want[i]) {
					t.Errorf("packet %d: got %.300v, want %.300v", i, got[i].Data, want[i].Data)
				}
			}
		})
	}
}

// Broadcasts in a tight loop: the bare host delivers a few of a thousand.
func TestHardenedBroadcastsArrive(t *testing.T) {
	t.Parallel()
	server := siotest.Config{Options: wrap.Harden(nil)}.NewServer(t, nil)
	client := server.Dial(t, siotest.Dial{})
	client.Connected(t)
	const n = 1_000
	for i := range n {
		server.IO.Emit("n", i)
	}
	for i := range n {
		if got := client.NextEvent(t, "n").Args(); !reflect.DeepEqual(got, []any{float64(i)}) {
			t.Fatalf("broadcast %d: got %v", i, got)
		}
	}
}
