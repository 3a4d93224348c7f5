package logging_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestSocket(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, d siotest.Dial) {
		l, log := newLogger(t, slog.LevelDebug, &logging.Options{
			User:  func(*socket.Socket) (string, bool) { return "ada", true },
			Attrs: func(*socket.Socket) []slog.Attr { return []slog.Attr{slog.String("tenant", "acme")} },
		})
		s := logged(t, l)
		d.Header = http.Header{
			"User-Agent": {strings.Repeat("u", 300)}, "Origin": {"https://example.com"},
			"Referer": {"https://me:pw@example.com/page?code=1#x"},
		}
		c := s.Dial(t, d)
		c.Connected(t)
		for range 3 {
			c.EmitAck(t, "echo", "text", []byte{1, 2, 3})
		}
		opened := log.one(t, "socket connected")
		shook := log.one(t, "handshake accepted")
		check(t, opened, object{
			"level": "INFO", "conn.namespace": "/", "conn.addr": "127.0.0.1", "conn.transport": transport(d),
			"conn.protocol": 4, "conn.recovered": nil, "user": "ada", "tenant": "acme",
			"user_agent": strings.Repeat("u", 256), "origin": "https://example.com", "referer": "https://example.com/page",
		})
		group := opened["conn"].(object)
		if id, _ := group["id"].(string); len(id) != 16 || id == c.SID || id != shook["conn"].(object)["id"] {
			t.Errorf("conn.id: %v, %v", group, shook)
		}
		if id, _ := group["socket"].(string); id == "" || s.IO.Sockets().Sockets().Len() != 1 {
			t.Errorf("conn.socket: %v", group)
		}
		check(t, shook, object{"level": "DEBUG", "status": map[bool]int{false: 101, true: 200}[d.Polling]})
		if _, ok := opened["took"].(float64); !ok {
			t.Errorf("took: %v", opened)
		}

		c.Disconnect("/")
		closed := log.one(t, "socket disconnected")
		check(t, closed, object{
			"level": "INFO", "reason": "client namespace disconnect", "class": "client", "events_in": 3,
			"errors": 0, "limited": 0, "last": nil, "code": nil, "unlogged": nil, "user": "ada", "tenant": "acme",
			"conn.id": group["id"], "conn.socket": group["socket"],
		})
		if got := fmt.Sprint(closed["transports"]); got != "["+transport(d)+"]" {
			t.Errorf("transports %v", got)
		}
		if n := len(log.all(t)); n != 3 {
			t.Errorf("%d records:\n%s", n, log)
		}
	})
}

// TestClasses: what the records say about each way to end.
func TestClasses(t *testing.T) {
	t.Parallel()
	const last = "echo -"
	for _, c := range []struct {
		name     string
		end      func(s *siotest.Server, c *siotest.Client, sock *socket.Socket)
		reason   string
		class    string
		recorded bool
	}{
		{"close", func(_ *siotest.Server, c *siotest.Client, _ *socket.Socket) { c.Close() }, "transport close", "client", false},
		{"leave", func(_ *siotest.Server, c *siotest.Client, _ *socket.Socket) { c.Disconnect("/") }, "client namespace disconnect", "client", false},
		{"disconnect", func(_ *siotest.Server, _ *siotest.Client, s *socket.Socket) { s.Disconnect(true) }, "server namespace disconnect", "server", false},
		{"forced", func(_ *siotest.Server, _ *siotest.Client, s *socket.Socket) { s.Conn().Close(false) }, "forced close", "server", false},
		{"forced after a refusal", func(_ *siotest.Server, c *siotest.Client, s *socket.Socket) {
			c.EmitAck(t, "forbidden")
			siotest.Eventually(t, "nothing is being written", s.Conn().Transport().Writable)
			s.Conn().Close(false)
		}, "forced close", "server", false},
		{"shutdown", func(s *siotest.Server, _ *siotest.Client, _ *socket.Socket) { s.IO.Close(nil) }, "server shutting down", "server", false},
		{"garbage", func(_ *siotest.Server, c *siotest.Client, _ *socket.Socket) { c.Send("42") }, "forced close", "protocol", true},
		{"kick", func(_ *siotest.Server, _ *siotest.Client, s *socket.Socket) {
			wrap.Kick(s, &wrap.Error{Code: "token_revoked", Err: errors.New("logout")})
		}, "server namespace disconnect", "server", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, d siotest.Dial) {
				sockets := make(chan *socket.Socket, 1)
				l, log := newLogger(t, slog.LevelInfo, nil)
				s := serve(t, l, func(io *socket.Server) {
					wrap.UseAll(io, l.Middleware(), events)
					_ = io.On("connection", func(args ...any) {
						s := args[0].(*socket.Socket)
						_ = s.On("echo", func(args ...any) { args[0].(socket.Ack)([]any{}, nil) })
						sockets <- s
					})
				})
				client := s.Dial(t, d)
				client.Connected(t)
				client.EmitAck(t, "echo")
				sock := <-sockets
				if d.Polling {
					// The host may wait for ever for the end of a write, if it closes in
					// the middle of it.
					siotest.Eventually(t, "a poll is open", sock.Conn().Transport().Writable)
				}
				c.end(s, client, sock)
				r := log.one(t, "socket disconnected")
				if d.Polling && c.reason == "forced close" && r["reason"] == "transport error" {
					// A request was in progress: the host says so, whoever has closed it.
					if c.class == "protocol" {
						check(t, r, object{"class": "protocol"})
					}
					return
				}
				check(t, r, object{"reason": c.reason, "class": c.class, "level": "INFO"})
				told := fmt.Sprint(r["last"])
				if c.recorded != strings.HasPrefix(told, "["+last) {
					t.Errorf("last: %v", told)
				}
				if c.name == "kick" {
					check(t, r, object{"code": "token_revoked", "error": "logout"})
				}
			})
		})
	}
}

// TestNameless: events without a name are counted, but are not among the last events.
func TestNameless(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, d siotest.Dial) {
		l, log := newLogger(t, slog.LevelInfo, nil)
		c := logged(t, l).Dial(t, d)
		c.Connected(t)
		c.Send("42garbage")
		check(t, log.one(t, "socket disconnected"), object{"class": "protocol", "events_in": 1, "last": nil})
	})
}

// TestRecorder: the last events, oldest first, cut, and no more than there is room for.
func TestRecorder(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 100, -1} {
		l, log := newLogger(t, slog.LevelInfo, &logging.Options{Recorder: n})
		s := logged(t, l)
		c := s.Dial(t, siotest.Dial{})
		c.Connected(t)
		for range n {
			c.Emit("old")
		}
		for _, name := range []string{"one", "two", strings.Repeat("é", 40), "four"} {
			c.EmitAck(t, "echo")
			c.Emit(name)
			c.EmitAck(t, "echo")
		}
		c.Send("42")
		last, _ := log.one(t, "socket disconnected")["last"].([]any)
		if n < 0 {
			if last != nil {
				t.Errorf("last: %v", last)
			}
			continue
		}
		if len(last) != n {
			t.Fatalf("%d last: %v", len(last), last)
		}
		long := strings.Repeat("é", 32)
		names := []string{"echo", "one", "echo", "echo", "two", "echo", "echo", long, "echo", "echo", "four", "echo"}
		for i, told := range last {
			want := "old"
			if k := len(names) - n + i; k >= 0 {
				want = names[k]
			}
			name, ago, _ := strings.Cut(told.(string), " -")
			if name != want {
				t.Errorf("event %d of %d is %q, want %q", i, n, name, want)
			}
			if _, err := time.ParseDuration(ago); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestNamespaces: two namespaces on one connection are counted separately.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, d siotest.Dial) {
		l, log := newLogger(t, slog.LevelInfo, nil)
		s := logged(t, l)
		c := s.Dial(t, d)
		c.Connected(t)
		c.Connect("/other", nil)
		c.Connected(t)
		opened := log.wait(t, 2, "socket connected")
		if a, b := opened[0]["conn"].(object), opened[1]["conn"].(object); a["id"] != b["id"] || a["socket"] == b["socket"] {
			t.Errorf("%v and %v", a, b)
		}
		c.EmitAck(t, "echo")                                                   // 20["echo"]
		c.EmitTo("/other", "echo", "abc", []byte("12345678"), []byte("12345")) // 52-/other,[...]
		c.EmitTo("/other", "echo", "abc")
		c.EmitAck(t, "echo")
		s.IO.Of("/other", nil).Emit("news", "x") // to many at once: encoded beforehand
		c.NextEvent(t, "news")
		_ = s.IO.Of("/other", nil).Emit("file", []byte("123456"))
		c.NextEvent(t, "file")
		c.EmitAck(t, "echo")
		c.Disconnect("/other")
		check(t, log.wait(t, 1, "socket disconnected")[0], object{
			"conn.namespace": "/other", "events_in": 2, "events_out": 2,
			"bytes_in": len(`52-/other,["echo","abc",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`) + 8 + 5 +
				len(`2/other,["echo","abc"]`) + len(`1/other,`),
			"bytes_out": len(`0/other,{"sid":"aaaaaaaaaaaaaaaaaaaaaaaa"}`) + len(`2/other,["news","x"]`) +
				len(`51-/other,["file",{"_placeholder":true,"num":0}]`) + 6,
		})
		c.Disconnect("/")
		for _, r := range log.wait(t, 2, "socket disconnected") {
			if r["conn"].(object)["namespace"] == "/" {
				check(t, r, object{
					"events_in": 3, "events_out": 0, "bytes_in": 3*len(`21["echo"]`) + len(`1`),
					"bytes_out": len(`0{"sid":"aaaaaaaaaaaaaaaaaaaaaaaa"}`) + 3*len(`31["ok"]`),
				})
			}
		}
	})
}

// TestUpgrade: the transports that a connection has used.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	l, log := newLogger(t, slog.LevelInfo, nil)
	s := logged(t, l)
	c := s.Dial(t, siotest.Dial{Polling: true})
	c.Connected(t)
	c.Upgrade(t)
	c.EmitAck(t, "echo")
	c.Connect("/other", nil)
	c.Connected(t)
	check(t, log.wait(t, 2, "socket connected")[1], object{"conn.transport": "websocket"})
	c.Close()
	for _, r := range log.wait(t, 2, "socket disconnected") {
		if got := fmt.Sprint(r["transports"]); got != "[polling websocket]" {
			t.Errorf("transports %v", got)
		}
	}
}

// TestEngineIO3: the id of the socket is the secret of the session.
func TestEngineIO3(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, d siotest.Dial) {
		l, log := newLogger(t, slog.LevelDebug-4, nil)
		s := logged(t, l)
		d.EIO, d.Namespace = 3, "/other"
		c := s.Dial(t, d)
		c.Connected(t)
		c.Connected(t)
		c.EmitAck(t, "echo")
		c.Close()
		log.wait(t, 2, "socket disconnected")
		for _, r := range log.all(t) {
			check(t, r, object{"conn.protocol": 3, "conn.socket": nil})
		}
		if strings.Contains(log.String(), c.SID) {
			t.Errorf("the session's id is in the log:\n%s", log)
		}
	})
}
