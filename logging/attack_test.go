package logging_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// secretOpaque has no recognizable shape except randomness.
const secretOpaque = "q7Zp0XkV3mB9tLr2WyE5sNc8HdJ1uGf4AoI6vTzQx"

// both writes everything as JSON and as text, each to a sink.
type both struct{ json, text *sink }

func (b both) handler() slog.Handler {
	o := &slog.HandlerOptions{Level: slog.LevelDebug - 4, AddSource: true}
	j, x := slog.NewJSONHandler(b.json, o), slog.NewTextHandler(b.text, o)
	return handler{handle: func(r slog.Record) error {
		return errors.Join(j.Handle(context.Background(), r.Clone()), x.Handle(context.Background(), r))
	}}
}

// clean fails if part of a secret is in an output, or a line is not one of ours.
func (b both) clean(t *testing.T) {
	t.Helper()
	for _, got := range []string{b.json.String(), b.text.String()} {
		for _, piece := range []string{
			secretToken, secretWord, secretOpaque, secretOpaque[:10], secretOpaque[31:], "Zm9yZ2VkLXNpZ25h", "eyJzdWIiOiJhZGEi",
		} {
			if i := strings.Index(got, piece); i >= 0 {
				t.Errorf("%s is in the log: %s", piece, got[max(0, i-300):min(len(got), i+300)])
			}
		}
		for _, c := range got {
			if c != '\n' && (c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == 0x2028 || c == 0x202e) {
				t.Errorf("a control character %q", c)
				break
			}
		}
		for line := range strings.Lines(got) {
			if !strings.HasPrefix(line, `{"time":"`) && !strings.HasPrefix(line, "time=20") {
				t.Errorf("a forged line: %.200q", line)
			}
		}
	}
}

func raw(t *testing.T, s *siotest.Server, request string) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
		resp.Body.Close()
	}
}

// TestOddPlaces: secrets and line ends that clients send where nobody expects them.
func TestOddPlaces(t *testing.T) {
	t.Parallel()
	out := both{new(sink), new(sink)}
	o := new(observer)
	l, err := logging.New(slog.New(out.handler()), &logging.Options{Events: &logging.Sample{First: 1000}, Observer: o})
	if err != nil {
		t.Fatal(err)
	}
	s := siotest.Config{
		Options: wrap.Harden(nil), Engine: l.Engine,
		Handler: func(h http.Handler) http.Handler { return l.Handler(wrap.Handler(h, l.Handler)) },
	}.NewServer(t, func(io *socket.Server) {
		wrap.UseAll(io, l.Middleware(), wrap.Packet(func(_ context.Context, _ *socket.Socket, e *wrap.Event) error {
			if strings.HasPrefix(e.Name, "refuse") {
				return &wrap.Error{Code: "forbidden", Err: fmt.Errorf("not for %q: %w", e.Name, http.ErrBodyNotAllowed)}
			}
			return nil
		}))
		io.Of(regexp.MustCompile("(?s)^/room.*$"), nil)
	})
	const poll = "/socket.io/?EIO=4&transport=polling"
	fill := strings.Repeat("x", 2030)
	for _, request := range []string{
		"GET " + poll + " HTTP/1.1\r\nHost: " + secretToken + "\r\nSec-WebSocket-Protocol: " + secretToken + "\r\n\r\n",
		secretToken + " " + poll + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"A" + secretOpaque + " " + poll + " HTTP/1.1\r\nHost: x\r\n\r\n",
		strings.Repeat("X", 40) + "-" + secretOpaque + " " + poll + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /socket.io/" + fill[:2010] + "/" + secretOpaque + "?EIO=4 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /socket.io/" + secretOpaque + "/" + url.PathEscape("\nlevel=ERROR msg=FORGED\x1b[2J\u2028") + poll[11:] + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET " + poll + " HTTP/1.1\r\nHost: x\r\nUser-Agent: " + fill[:240] + " " + secretOpaque + "\r\n\r\n",
		"GET " + poll + " HTTP/1.1\r\nHost: x\r\nUser-Agent: " + fill[:240] + " password=" + secretWord + "\r\n\r\n",
		"GET " + poll + " HTTP/1.1\r\nHost: x\r\nReferer: https://x/" + secretToken + "?token=" + secretWord + "\r\nOrigin: https://" + secretToken + "\r\n\r\n",
		"GET " + poll + " HTTP/1.1\r\nHost: x\r\nReferer: https://x/reset/" + strings.ReplaceAll(secretToken, ".", "%2E") + "\r\n\r\n",
		"GET " + poll + "&sid=" + secretOpaque + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /socket.io/?EIO=" + secretOpaque + "&transport=" + secretToken + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET " + poll + " HTTP/1.1\r\nHost: x\r\nCookie: io=" + secretOpaque + "\r\nUser-Agent: a\tlevel=ERROR\u0085FORG\u202eED\r\n\r\n",
		"POST " + poll + "&sid=" + secretOpaque + " HTTP/1.1\r\nHost: x\r\nContent-Length: 200000000\r\n\r\n",
	} {
		raw(t, s, request)
	}
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for _, nsp := range []string{"/room-" + secretToken, "/room?token=" + secretWord, "/room\nFORGED", "/room-" + fill[:60] + secretOpaque, "/room/" + secretOpaque} {
		c.Connect(nsp, object{"token": secretToken})
		c.Connected(t)
		c.EmitTo(nsp, "refuse", secretToken)
		c.EmitTo(nsp, "refuse "+secretToken+"\nFORGED")
	}
	split := secretToken[:60] + "\n" + secretToken[60:]
	for _, name := range []string{
		secretToken, `{"token":"` + secretWord + `"}`, "refuse\r\nlevel=ERROR msg=FORGED", "refuse " + secretOpaque, "x=y&pass%77ord=" + secretWord,
		"login\u2028\u202ebob", strings.Repeat("n", 50) + secretOpaque, "refuse " + strings.Repeat("n", 50) + " password=" + secretWord,
		"refuse " + split, strings.Repeat("n", 20) + " " + split, fill + secretOpaque,
	} {
		c.Emit(name, secretToken)
	}
	c.EmitAck(t, "refuse")
	siotest.Eventually(t, "events", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.events) == 22
	})
	c.Send(`437["` + secretToken + `"]`) // an ack for nothing
	c.Send(`42["` + strings.ReplaceAll(secretToken, ".", `\u002e`) + `"]`)
	c.Send(`42["a\u0000\u000aFORGED","` + secretWord + `"]`)
	c.Send(`42["` + secretToken) // this ends the session
	siotest.Eventually(t, "the end", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.closed) == 6
	})
	siotest.Eventually(t, "records", func() bool { return len(out.json.all(t, "socket disconnected")) == 6 })
	out.clean(t)
	for _, r := range out.json.all(t, "socket disconnected") {
		if r["conn"].(object)["namespace"] == "/" && !strings.Contains(fmt.Sprint(r["last"]), "login") {
			t.Errorf("last: %v", r)
		}
	}
}

// TestForeignRefusals: what foreign middlewares say cannot be trusted.
func TestForeignRefusals(t *testing.T) {
	t.Parallel()
	out := both{new(sink), new(sink)}
	l, err := logging.New(slog.New(out.handler()), nil)
	if err != nil {
		t.Fatal(err)
	}
	exts := map[string]func() *socket.ExtendedError{
		"message": func() *socket.ExtendedError {
			return socket.NewExtendedError("bad token "+secretToken+"\nlevel=ERROR msg=x", nil)
		},
		"data": func() *socket.ExtendedError {
			return socket.NewExtendedError("no", object{"code": "password=" + secretWord, "token": secretOpaque})
		},
		"quoted": func() *socket.ExtendedError {
			return socket.NewExtendedError(fmt.Sprintf("no: %q", "Authorization: Bearer "+secretOpaque+"\r\nX: 1"), []any{secretToken})
		},
		"long": func() *socket.ExtendedError {
			return socket.NewExtendedError(strings.Repeat("x", 2030)+" "+secretOpaque, object{"code": strings.Repeat("y", 1<<20)})
		},
	}
	plain := func(s *socket.Socket, next func(*socket.ExtendedError)) {
		auth, _ := s.Handshake().Auth.(object)
		if ext := exts[fmt.Sprint(auth["do"])]; ext != nil {
			next(ext())
			return
		}
		next(nil)
	}
	for name, mw := range map[string]socket.NamespaceMiddleware{"plain": plain, "guard": wrap.Guard(plain, 0)} {
		s := logged(t, l, mw)
		for do := range exts {
			t.Run(name+do, func(t *testing.T) {
				s.Dial(t, siotest.Dial{Auth: object{"do": do}}).ConnectError(t)
			})
		}
	}
	out.json.wait(t, 2*len(exts), "socket refused")
	out.clean(t)
	if n := len(out.text.String()); n > 60<<10 {
		t.Errorf("%d bytes", n)
	}
}
