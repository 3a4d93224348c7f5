package wrap_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
)

// hungUp reports whether the server closes the connection of a client that ends its
// session in this way, before the garbage collector does.
func hungUp(t *testing.T, s *siotest.Server, upgrade bool, end func(ws *websocket.Conn)) bool {
	t.Helper()
	var ws *websocket.Conn
	if upgrade {
		sid, c, err := startUpgrade(s)
		if err != nil {
			t.Fatal(err)
		}
		ws = c
		for _, text := range []string{"2probe", "5"} {
			if err := ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		siotest.Eventually(t, "the session has moved", func() bool {
			session, ok := s.IO.Engine().Clients().Load(sid)
			return ok && session.Transport().Name() == "websocket"
		})
	} else {
		c, _, err := websocket.DefaultDialer.Dial("ws"+s.URL[4:]+siotest.Path+"?EIO=4&transport=websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		ws = c
		settle(t, s, ws)
	}
	defer ws.Close()
	end(ws)
	_ = ws.NetConn().SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err := io.Copy(io.Discard, ws.NetConn())
	var late net.Error
	return !errors.As(err, &late) || !late.Timeout()
}

var ends = map[string]func(ws *websocket.Conn){
	"close frame": func(ws *websocket.Conn) {
		_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
	},
	"end of file": func(ws *websocket.Conn) { _ = ws.NetConn().(*net.TCPConn).CloseWrite() },
}

// TestHangUp: a client that closes a WebSocket is not left with a half-open connection.
// Not parallel: the garbage collector, which would close it too, is off.
func TestHangUp(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	s := siotest.Config{
		Options: wrap.Harden(nil),
		Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) },
	}.NewServer(t, nil)
	for name, end := range ends {
		for _, upgrade := range []bool{false, true} {
			if !hungUp(t, s, upgrade, end) {
				t.Errorf("%s, upgraded %v: the server does not close the connection", name, upgrade)
			}
		}
	}
}

func TestHangUpBareHost(t *testing.T) {
	bare(t)
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	s := siotest.NewServer(t, nil)
	for name, end := range ends {
		if hungUp(t, s, false, end) {
			t.Errorf("%s: the host closes the connection", name)
		}
	}
}
