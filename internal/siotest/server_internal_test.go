package siotest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zishang520/socket.io/v2/socket"
)

// failure returns the failures of f, as one text.
func failure(t *testing.T, f func(tb testing.TB)) string {
	return strings.Join(Failures(t, f), "\n")
}

func TestLeftoverSocket(t *testing.T) {
	t.Parallel()
	got := failure(t, func(tb testing.TB) {
		s := Config{closeBound: 50 * time.Millisecond}.NewServer(tb, func(io *socket.Server) {
			io.Of("/admin", nil).Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
				s.Nsp().Sockets().Store("ghost", s)
				next(nil)
			})
		})
		s.Dial(tb, Dial{Namespace: "/admin"}).Connected(tb)
	})
	if !strings.Contains(got, "1 sockets remain in namespace /admin") {
		t.Errorf("failures %q do not name the socket", got)
	}
}

func TestLeftoverRequest(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	opened := make(chan struct{})
	got := failure(t, func(tb testing.TB) {
		server := Config{
			closeBound: 50 * time.Millisecond,
			Handler: func(http.Handler) http.Handler {
				return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
					close(entered)
					<-release
				})
			},
		}.NewServer(tb, nil)
		go func() {
			defer close(opened)
			if _, err := server.Open(tb, Dial{Polling: true}); err == nil {
				t.Error("Open succeeds without an OPEN packet")
			}
		}()
		<-entered
	})
	close(release)
	<-opened
	if !strings.Contains(got, "HTTP requests still run") {
		t.Errorf("failures %q do not name the request", got)
	}
}

func TestCleanupClosesClients(t *testing.T) {
	t.Parallel()
	for _, d := range []Dial{{}, {Polling: true}} {
		var c *Client
		got := failure(t, func(tb testing.TB) {
			s := NewServer(tb, nil)
			c = s.Dial(tb, d)
			c.Connected(tb)
		})
		if got != "" || !c.ended() {
			t.Errorf("failures %q, client ended: %t", got, c.ended())
		}
	}
}

func TestWaitsReport(t *testing.T) {
	t.Parallel()
	s := NewServer(t, nil)
	for name, test := range map[string]struct {
		wait func(tb testing.TB, c *Client)
		want string
	}{
		"connect error instead of connect": {
			func(tb testing.TB, c *Client) { c.Connect("/nowhere", nil); c.Connected(tb) },
			"CONNECT was refused",
		},
		"connect instead of connect error": {
			func(tb testing.TB, c *Client) { c.Connect("/", nil); c.ConnectError(tb) },
			"CONNECT was accepted",
		},
		"packet instead of silence": {
			func(tb testing.TB, c *Client) { c.Connect("/", nil); c.NoPacket(tb, waitBound) },
			`received so far: 0{`,
		},
		"session over": {
			func(tb testing.TB, c *Client) { c.Kill(); c.Next(tb) },
			"session over: killed by the test",
		},
		"bound": {
			func(tb testing.TB, c *Client) { c.bound = time.Millisecond; c.NextEvent(tb, "never") },
			"no event never",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.Dial(t, Dial{NoConnect: true})
			if got := failure(t, func(tb testing.TB) { test.wait(tb, c) }); !strings.Contains(got, test.want) {
				t.Errorf("failure %q, want %q in it", got, test.want)
			}
		})
	}
}

func TestChildWithoutURL(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"silent", "unknown"} {
		if got := failure(t, func(tb testing.TB) { ChildProcess(tb, name) }); !strings.Contains(got, "ended before it reported") {
			t.Errorf("child %s: failure %q", name, got)
		}
	}
}
