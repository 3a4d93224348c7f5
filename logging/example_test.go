package logging_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// until is standard output up to the end of a socket.
type until chan struct{}

func (u until) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("socket disconnected")) {
		defer close(u)
	}
	return os.Stdout.Write(p)
}

// plain writes records to w, without what is different each time.
func plain(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			switch a.Key {
			case slog.TimeKey, "id", "socket", "took", "duration", "user_agent":
				return slog.Attr{}
			}
			return a
		},
	}))
}

// A client comes, says something and leaves.
func Example() {
	gone := make(until)
	logs, err := logging.New(plain(gone), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	io := socket.NewServer(nil, wrap.Harden(nil))
	wrap.UseAll(io, logs.Middleware())
	_ = io.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		_ = s.On("hello", func(args ...any) {
			logger, _ := logs.From(s)
			if len(args) > 0 { // a client may leave out what it likes, and a panic ends the process
				logger.Info("somebody says hello", "token", args[0])
			}
			s.Disconnect(true)
		})
	})
	h := io.ServeHandler(nil)
	logs.Engine(io.Engine())
	server := httptest.NewServer(wrap.Handler(h, logs.Handler))
	defer server.Close()
	defer io.Close(nil)

	client, resp, err := websocket.DefaultDialer.Dial("ws"+server.URL[len("http"):]+"/?EIO=4&transport=websocket&token=secret", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	_ = resp.Body.Close()
	for _, packet := range []string{`40{"token":"secret"}`, `42["hello","secret"]`} {
		_, _, _ = client.ReadMessage() // OPEN, CONNECT
		_ = client.WriteMessage(websocket.TextMessage, []byte(packet))
	}
	<-gone
	// Output:
	// level=INFO msg="socket connected" conn.namespace=/ conn.addr=127.0.0.1 conn.transport=websocket conn.protocol=4
	// level=INFO msg="somebody says hello" conn.namespace=/ conn.addr=127.0.0.1 conn.transport=websocket conn.protocol=4 token=[redacted]
	// level=INFO msg="socket disconnected" conn.namespace=/ conn.addr=127.0.0.1 conn.transport=websocket conn.protocol=4 reason="server namespace disconnect" class=server transports=[websocket] events_in=1 events_out=0 bytes_in=19 bytes_out=36 errors=0 limited=0
}

// On an ordinary route there is one record of each request, with the cause of what was
// refused.
func ExampleLogger_Handler() {
	logs, err := logging.New(plain(os.Stdout), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	h := logs.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := &wrap.Error{Code: "session_expired", Err: fmt.Errorf("session of %s has ended", "ada")}
		e.ServeHTTP(w, r)
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/account?token=secret", nil))
	// Output:
	// level=INFO msg=request method=GET path=/account addr=192.0.2.1 status=401 bytes=72 code=session_expired error="session of ada has ended"
}

// Events are recorded if that is wanted, but not all of them.
func ExampleSample() {
	logs, err := logging.New(slog.Default(), &logging.Options{
		Events: &logging.Sample{Level: slog.LevelInfo, First: 5, Every: 1000},
	})
	fmt.Println(logs != nil, err)
	// Output: true <nil>
}
