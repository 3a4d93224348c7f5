package wrap

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/zishang520/socket.io/v2/socket"
)

// The host's client has the field that joinedAny reads, and the timer of a kick
// ends with the connection.
func TestKickTimerStops(t *testing.T) {
	t.Parallel()
	sockets := make(chan *socket.Socket, 2)
	s := siotest.Config{
		Options: Harden(nil),
		Handler: func(h http.Handler) http.Handler { return Handler(h) },
	}.NewServer(t, func(io *socket.Server) {
		_ = io.On("connection", func(args ...any) { sockets <- args[0].(*socket.Socket) })
	})
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	sock := <-sockets
	if !joinedAny(sock.Client()) {
		t.Error("a client with a socket is in no namespace")
	}
	Kick(sock, &Error{Code: "replaced"})
	if joinedAny(sock.Client()) {
		t.Error("a kicked client is still in a namespace: has the host's Client another field?")
	}
	st := states.Load(sock)
	c.Close()
	siotest.Eventually(t, "the connection ends", func() bool {
		st.conn.mu.Lock()
		defer st.conn.mu.Unlock()
		return st.conn.reason != ""
	})
	if st.conn.idle.Stop() {
		t.Error("the timer runs on")
	}
	st.conn.linger(sock.Client())
	if st.conn.idle.Stop() {
		t.Error("a timer for a closed connection")
	}
	runtime.KeepAlive(sock)
}

// A kick at the moment in which a socket appears leaves the connection to the other
// namespaces.
func TestKickAppears(t *testing.T) {
	t.Parallel()
	s := siotest.Config{
		Options: Harden(nil),
		Handler: func(h http.Handler) http.Handler { return Handler(h) },
	}.NewServer(t, func(io *socket.Server) {
		io.Of("/brief", nil).Use(Func(func(_ context.Context, s *socket.Socket) error {
			st := states.Load(s)
			go func() {
				for shown := false; !shown && !st.ended(); runtime.Gosched() {
					st.mu.Lock()
					shown = st.shown
					st.mu.Unlock()
				}
				Kick(s, &Error{Code: "replaced"})
			}()
			return nil
		}))
	})
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for range 300 {
		c.Connect("/brief", nil)
		for _, want := range []string{"0/brief,{", `2/brief,["kicked"`, "1/brief,"} {
			if p := c.Next(t); !strings.HasPrefix(p.String(), want) {
				t.Fatalf("got %s, want %s", p, want)
			}
		}
	}
}
