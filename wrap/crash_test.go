package wrap_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func init() {
	children["wrapped"] = func(report func(string)) {
		o := wrap.Harden(nil)
		o.SetAllowEIO3(true)
		report(siotest.Config{
			Options: o,
			Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) },
		}.Serve(func(io *socket.Server) {
			io.Use(pass)
			handlers(io)
		}))
	}
	children["bare, EIO3"] = func(report func(string)) {
		o := socket.DefaultServerOptions()
		o.SetAllowEIO3(true)
		report(siotest.Config{Options: o}.Serve(handlers))
	}
}

// heartbeat sends a heartbeat right after the 101, before the host has a timer
// for it, and reports whether the session then works.
func heartbeat(s *siotest.Server, eio int) error {
	beat, answer := "3", `0{` // a PONG
	if eio == 3 {
		beat = "2" // a PING, which the client sends there
	}
	conn, _, err := s.Handshake(context.Background(), siotest.Dial{EIO: eio})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.WriteMessage(websocket.TextMessage, []byte(beat)); err != nil {
		return err
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, b, err := conn.ReadMessage()
	if err == nil && string(b[:2]) != answer {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func TestEarlyHeartbeat(t *testing.T) {
	t.Parallel()
	child := siotest.ChildProcess(t, "wrapped")
	for _, eio := range []int{4, 3} {
		for i := range 500 {
			if err := heartbeat(child.Server(), eio); err != nil {
				t.Fatalf("EIO%d, attempt %d: %v; alive %v\n%s", eio, i, err, child.Alive(), child.Stderr())
			}
		}
	}
	c := child.Server().Dial(t, siotest.Dial{})
	c.Connected(t)
	c.EmitAck(t, "ping")
}

// The bare host crashes.
func TestEarlyHeartbeatBareHost(t *testing.T) {
	if !*bareHost {
		t.Skip("run with -barehost: it shows what the bare host does not survive")
	}
	child := siotest.ChildProcess(t, "bare, EIO3")
	for i := 0; i < 5_000 && child.Alive(); i++ {
		_ = heartbeat(child.Server(), 4)
	}
	if child.Alive() {
		t.Error("the bare host is alive: is the workaround still needed?")
	}
}

// attacks are ways to end the host's process during an upgrade. Each gets the raw
// connection of an accepted upgrade.
var attacks = map[string]func(c *websocket.Conn){
	"large frame": func(c *websocket.Conn) {
		_ = c.WriteMessage(websocket.TextMessage, append([]byte("2"), bytes.Repeat([]byte("x"), 900_000)...))
	},
	"bad probe":    func(c *websocket.Conn) { _ = c.WriteMessage(websocket.TextMessage, []byte("2x")) },
	"empty frame":  func(c *websocket.Conn) { _ = c.WriteMessage(websocket.TextMessage, nil) },
	"binary frame": func(c *websocket.Conn) { _ = c.WriteMessage(websocket.BinaryMessage, []byte("2probe")) },
	"garbage":      func(c *websocket.Conn) { _, _ = c.NetConn().Write([]byte("garbage")) },
	"probes":       func(c *websocket.Conn) { _, _ = c.NetConn().Write(bytes.Repeat(probeFrame, 2000)) },
	"probes and reset": func(c *websocket.Conn) {
		_, _ = c.NetConn().Write(bytes.Repeat(probeFrame, 300))
		_ = c.NetConn().(*net.TCPConn).SetLinger(0)
		c.Close()
	},
}

// probeFrame is "2probe" in a masked text frame.
var probeFrame = []byte{0x81, 0x86, 0, 0, 0, 0, '2', 'p', 'r', 'o', 'b', 'e'}

// attackUpgrade runs one attack while the session is closed by long-polling.
func attackUpgrade(s *siotest.Server, i int, attack func(*websocket.Conn)) {
	sid, c, err := startUpgrade(s)
	if err != nil {
		return
	}
	defer c.Close()
	go attack(c)
	<-time.After(time.Duration(i%40) * 100 * time.Microsecond)
	closeSession(s, sid)
}

func TestUpgradeAttacks(t *testing.T) {
	t.Parallel()
	child := siotest.ChildProcess(t, "wrapped")
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	for name, attack := range attacks {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i := range 60 {
					attackUpgrade(child.Server(), i, attack)
				}
			})
		}
		wg.Wait()
		if !child.Alive() {
			t.Fatalf("%s has ended the process:\n%s", name, child.Stderr())
		}
	}
	for range 20 { // upgrades still work
		c := child.Server().Dial(t, siotest.Dial{Polling: true})
		c.Connected(t)
		c.Upgrade(t)
		c.EmitAck(t, "ping")
		c.Close()
	}
}

// The transport of an upgrade takes its protocol version from its own query.
func TestUpgradeOtherProtocol(t *testing.T) {
	t.Parallel()
	s := serve(t, handlers)
	for _, eio := range []int{4, 3} {
		c := s.Dial(t, siotest.Dial{Polling: true, EIO: eio})
		c.Connected(t)
		for _, query := range []string{fmt.Sprintf("EIO=%d", 7-eio), "EIO=", "EIO=4&EIO=3&EIO=5"} {
			if eio == 3 && query != "EIO=4" {
				continue // anything but 4 is 3
			}
			_, res, err := websocket.DefaultDialer.Dial("ws"+s.URL[4:]+siotest.Path+"?transport=websocket&sid="+c.SID+"&"+query, nil)
			if err == nil || res == nil || res.StatusCode != 400 {
				t.Errorf("session of version %d, upgrade with %s: %v %v", eio, query, res, err)
			}
		}
	}
}

// Nobody would answer a plain request for the WebSocket of a session.
func TestPlainRequestToWebSocket(t *testing.T) {
	t.Parallel()
	s := serve(t, handlers)
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for _, method := range []string{"GET", "POST", "PUT", "OPTIONS"} {
		for _, transport := range []string{"websocket", "polling", "polling&transport=websocket", ""} {
			req, _ := http.NewRequest(method, s.URL+siotest.Path+"?EIO=4&sid="+c.SID+"&transport="+transport, strings.NewReader("6"))
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != 400 {
				t.Errorf("%s %s: %d", method, transport, res.StatusCode)
			}
		}
	}
	c.EmitAck(t, "ping") // the session has not noticed
	if _, res, err := websocket.DefaultDialer.Dial("ws"+s.URL[4:]+siotest.Path+"?EIO=4&transport=websocket&sid="+c.SID, nil); err == nil || res.StatusCode != 400 {
		t.Errorf("a second WebSocket for the session: %v %v", res, err)
	}
	c.EmitAck(t, "ping")
}

func TestUpgradeAttacksBareHost(t *testing.T) {
	if !*bareHost {
		t.Skip("run with -barehost: it shows what the bare host does not survive")
	}
	child := siotest.ChildProcess(t, "bare, EIO3")
	for i := 0; i < 5_000 && child.Alive(); i++ {
		attackUpgrade(child.Server(), i, attacks["large frame"])
	}
	if child.Alive() {
		t.Error("the bare host is alive: is the workaround still needed?")
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// A plain middleware that panics behind UseAll costs its client, not the process.
func TestUseAllPlainPanic(t *testing.T) {
	t.Parallel()
	s := serve(t, func(io *socket.Server) {
		wrap.UseAll(io, func(*socket.Socket, func(*socket.ExtendedError)) { panic("on purpose") })
	})
	for _, d := range dials {
		if c, err := s.Open(t, d); err == nil { // Engine.IO 3 connects by itself
			if d.EIO != 3 {
				c.Connect("/", nil)
			}
			c.AwaitDone(t)
		}
	}
}
