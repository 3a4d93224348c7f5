package siotest_test

import (
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/socket.io/v2/socket"
)

// eachWay runs a test on both transports and both protocol revisions.
func eachWay(t *testing.T, test func(t *testing.T, s *siotest.Server, d siotest.Dial)) {
	t.Helper()
	for _, way := range []struct {
		name string
		dial siotest.Dial
	}{
		{"eio4 websocket", siotest.Dial{}},
		{"eio4 polling", siotest.Dial{Polling: true}},
		{"eio3 websocket", siotest.Dial{EIO: 3}},
		{"eio3 polling", siotest.Dial{EIO: 3, Polling: true}},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			test(t, newEcho(t), way.dial)
		})
	}
}

func newEcho(t *testing.T) *siotest.Server {
	t.Helper()
	options := socket.DefaultServerOptions()
	options.SetAllowEIO3(true)
	options.SetPingTimeout(time.Second)
	options.SetPingInterval(time.Second)
	return siotest.Config{Options: options}.NewServer(t, echo)
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s = %#v, want %#v", what, got, want)
	}
}

func TestConnect(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, s *siotest.Server, d siotest.Dial) {
		c := s.Dial(t, d)
		equal(t, "namespace", c.Connected(t).Namespace, "/")
		if c.SID == "" || c.Open["pingInterval"] != 1000.0 {
			t.Errorf("OPEN packet %v, sid %q", c.Open, c.SID)
		}
		want := http.StatusSwitchingProtocols
		if d.Polling {
			want = http.StatusOK
		}
		equal(t, "status", c.Handshake.StatusCode, want)

		c.Connect("/admin", nil)
		equal(t, "namespace", c.Connected(t).Namespace, "/admin")
		c.Connect("/nowhere", nil)
		refusal := c.ConnectError(t)
		equal(t, "namespace", refusal.Namespace, "/nowhere")
		c.NoPacket(t, 10*time.Millisecond)

		c.Disconnect("/admin")
		c.Disconnect("/")
		siotest.Eventually(t, "no socket is left", func() bool { return s.IO.Sockets().Sockets().Len() == 0 })
		equal(t, "engine clients", s.IO.Engine().ClientsCount(), uint64(1))
		c.Close()
		siotest.Eventually(t, "no client is left", func() bool { return s.IO.Engine().ClientsCount() == 0 })
		c.AwaitDone(t)
	})
}

func TestConnectError(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, s *siotest.Server, d siotest.Dial) {
		d.Header = http.Header{"X-Token": {"bad"}}
		p := s.Dial(t, d).ConnectError(t)
		if d.EIO == 3 {
			equal(t, "data", p.Data, map[string]any{"code": "bad"})
			return
		}
		equal(t, "message", p.Message(), "refused")
		equal(t, "data", p.Data.(map[string]any)["data"], map[string]any{"code": "bad"})
	})
}

func TestAuth(t *testing.T) {
	t.Parallel()
	s := newEcho(t)
	d := siotest.Dial{Auth: map[string]any{"token": "bad"}, Namespace: "/admin"}
	equal(t, "namespace", s.Dial(t, d).ConnectError(t).Namespace, "/admin")

	seen := make(chan any, 1)
	s.IO.Of("/auth", nil).Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
		seen <- s.Handshake().Auth
		next(nil)
	})
	c := s.Dial(t, siotest.Dial{EIO: 3, Namespace: "/auth", Auth: url.Values{"token": {"a&b"}}})
	answers := []string{c.Connected(t).Namespace, c.Connected(t).Namespace}
	slices.Sort(answers)
	equal(t, "namespaces", answers, []string{"/", "/auth"})
	query, _ := (<-seen).(url.Values)
	equal(t, "token", query.Get("token"), "a&b")
}

func TestEvents(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, s *siotest.Server, d siotest.Dial) {
		c := s.Dial(t, d)
		c.Connected(t)
		exchange(t, c)
		if c.Transport() == "polling" {
			c.Upgrade(t)
			equal(t, "transport", c.Transport(), "websocket")
			equal(t, "status", c.UpgradeResponse.StatusCode, http.StatusSwitchingProtocols)
			exchange(t, c)
		}
		c.Emit("leave")
		c.AwaitDone(t)
	})
}

// exchange sends events and acknowledgements both ways, with and without
// binary attachments.
func exchange(t *testing.T, c *siotest.Client) {
	t.Helper()
	text := []any{"a", 1.5, nil, map[string]any{"ü": "😀"}}
	c.Emit("echo", text...)
	p := c.NextEvent(t, "echo")
	equal(t, "args", p.Args(), text)

	ack := c.EmitAck(t, "echo", "b")
	equal(t, "ack", ack.Args(), []any{"b"})
	equal(t, "event of an ack", ack.Event(), "")

	c.Emit("ask")
	question := c.NextEvent(t, "question")
	equal(t, "question", question.Args(), []any{42.0})
	c.Ack(question, "because")
	equal(t, "answer", c.NextEvent(t, "answered").Args(), []any{"because"})

	binary := []any{[]byte{0, 1, 0xFF}, map[string]any{"in": []any{[]byte("x")}}}
	c.Emit("echo", binary...)
	p = c.NextEvent(t, "echo")
	equal(t, "type", p.Type, siotest.TypeBinaryEvent)
	equal(t, "binary args", p.Args(), binary)
	equal(t, "attachments", len(p.Binary), 2)
	equal(t, "binary ack", c.EmitAck(t, "echo", binary...).Args(), binary)
}

func TestSend(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, s *siotest.Server, d siotest.Dial) {
		c := s.Dial(t, d)
		c.Connected(t)
		c.Send(`42["echo","é"]`)
		equal(t, "raw", c.Next(t).Raw, `2["echo","é"]`)
		c.Send(`451-["echo",{"_placeholder":true,"num":0}]`)
		c.SendBinary([]byte("raw"))
		equal(t, "args", c.Next(t).Args(), []any{[]byte("raw")})
		if d.Polling {
			c.Send("42[\"echo\",1]\x1e42[\"echo\",1]")
			equal(t, "first", c.Next(t).Raw, `2["echo",1]`)
			equal(t, "second", c.Next(t).Raw, `2["echo",1]`)
		}
		if !d.Polling {
			// On polling the host skips what it cannot read.
			c.Send("x")
			c.AwaitDone(t)
		}
	})
}

func TestEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*siotest.Client){
		"close": (*siotest.Client).Close,
		"kill":  (*siotest.Client).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachWay(t, func(t *testing.T, s *siotest.Server, d siotest.Dial) {
				reasons := make(chan any, 1)
				s.IO.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
					_ = s.On("disconnect", func(args ...any) { reasons <- args[0] })
					next(nil)
				})
				c := s.Dial(t, d)
				c.Connected(t)
				end(c)
				c.AwaitDone(t)
				want := []any{"transport close"}
				if d.Polling && name == "kill" {
					// A kill between two polls goes unnoticed until the ping.
					want = []any{"transport error", "ping timeout"}
				}
				select {
				case got := <-reasons:
					if !slices.Contains(want, got) {
						t.Errorf("reason %v, want one of %v", got, want)
					}
				case <-time.After(5 * time.Second):
					t.Error("the server has not noticed the end")
				}
				end(c)
			})
		})
	}
}

func TestPings(t *testing.T) {
	t.Parallel()
	for _, d := range []siotest.Dial{{}, {Polling: true}, {EIO: 3}, {EIO: 3, Polling: true}} {
		options := socket.DefaultServerOptions()
		options.SetAllowEIO3(true)
		options.SetPingInterval(30 * time.Millisecond)
		options.SetPingTimeout(500 * time.Millisecond)
		beats := make(chan struct{}, 100)
		s := siotest.Config{
			Options: options,
			Engine: func(e engine.BaseServer) {
				_ = e.On("connection", func(args ...any) {
					_ = args[0].(engine.Socket).On("heartbeat", func(...any) { beats <- struct{}{} })
				})
			},
		}.NewServer(t, nil)
		c := s.Dial(t, d)
		for range 3 {
			select {
			case <-beats:
			case <-time.After(5 * time.Second):
				t.Fatal("no heartbeat")
			}
		}
		c.Close()

		d.NoPong = true
		c = s.Dial(t, d)
		c.AwaitDone(t)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	s := siotest.Config{
		Handler: func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("who") == "you" && r.URL.Query().Get("EIO") == "4" {
					w.Header().Set("Retry-After", "3")
					http.Error(w, "not you", http.StatusTooManyRequests)
					return
				}
				h.ServeHTTP(w, r)
			})
		},
	}.NewServer(t, nil)
	for _, d := range []siotest.Dial{
		{Query: url.Values{"who": {"you"}}},
		{RawQuery: "who=you", Polling: true},
	} {
		_, err := s.Open(t, d)
		var refused *siotest.RefusedError
		if !errors.As(err, &refused) {
			t.Fatalf("Open = %v, want a RefusedError", err)
		}
		equal(t, "status", refused.Status, http.StatusTooManyRequests)
		equal(t, "body", refused.Body, "not you\n")
		equal(t, "header", refused.Header.Get("Retry-After"), "3")
	}
	for _, d := range []siotest.Dial{{EIO: 3}, {EIO: 3, Polling: true}} {
		var refused *siotest.RefusedError
		if _, err := s.Open(t, d); !errors.As(err, &refused) {
			t.Fatalf("Open = %v, want a RefusedError", err)
		}
		status := http.StatusSwitchingProtocols
		if d.Polling {
			status = http.StatusBadRequest
		}
		equal(t, "status", refused.Status, status)
	}
	if conn, _, err := s.Handshake(t.Context(), siotest.Dial{From: "127.0.0.2"}); err != nil {
		t.Error(err)
	} else {
		equal(t, "local address", conn.LocalAddr().String()[:9], "127.0.0.2")
		_ = conn.Close()
	}
}

// TestLeave: a client that has left may join again at once.
func TestLeave(t *testing.T) {
	t.Parallel()
	s := siotest.NewServer(t, nil)
	for _, polling := range []bool{false, true} {
		c := s.Dial(t, siotest.Dial{Polling: polling})
		c.Connected(t)
		for range 50 {
			c.Leave(t, "")
			c.Connect("", nil)
			c.Connected(t)
		}
	}
}
