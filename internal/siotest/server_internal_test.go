package siotest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zishang520/socket.io/v2/socket"
)

// recorder is a test that notes failures and runs its cleanups on demand.
type recorder struct {
	testing.TB
	cleanups []func()
	errors   []string
}

func (r *recorder) Helper()           {}
func (r *recorder) Cleanup(fn func()) { r.cleanups = append(r.cleanups, fn) }

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	panic(r)
}

// run executes fn as a test and returns what it failed with.
func (r *recorder) run(fn func()) string {
	func() {
		defer func() {
			if v := recover(); v != nil && v != r {
				panic(v)
			}
		}()
		fn()
	}()
	for len(r.cleanups) > 0 {
		last := r.cleanups[len(r.cleanups)-1]
		r.cleanups = r.cleanups[:len(r.cleanups)-1]
		last()
	}
	return strings.Join(r.errors, "\n")
}

func TestLeftoverSocket(t *testing.T) {
	t.Parallel()
	rec := &recorder{TB: t}
	got := rec.run(func() {
		s := Config{closeBound: 50 * time.Millisecond}.NewServer(rec, func(io *socket.Server) {
			io.Of("/admin", nil).Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
				s.Nsp().Sockets().Store("ghost", s)
				next(nil)
			})
		})
		s.Dial(rec, Dial{Namespace: "/admin", Settled: true}).Connected(rec)
	})
	if !strings.Contains(got, "1 sockets remain in namespace /admin") {
		t.Errorf("failures %q do not name the socket", got)
	}
}

func TestLeftoverRequest(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	opened := make(chan struct{})
	rec := &recorder{TB: t}
	got := rec.run(func() {
		server := Config{
			closeBound: 50 * time.Millisecond,
			Handler: func(http.Handler) http.Handler {
				return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
					close(entered)
					<-release
				})
			},
		}.NewServer(rec, nil)
		go func() {
			defer close(opened)
			if _, err := server.Open(rec, Dial{Polling: true}); err == nil {
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
	for _, d := range []Dial{{Settled: true}, {Settled: true, Polling: true}} {
		rec := &recorder{TB: t}
		var c *Client
		got := rec.run(func() {
			s := NewServer(rec, nil)
			c = s.Dial(rec, d)
			c.Connected(rec)
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
		wait func(rec *recorder, c *Client)
		want string
	}{
		"connect error instead of connect": {
			func(rec *recorder, c *Client) { c.Connect("/nowhere", nil); c.Connected(rec) },
			"CONNECT was refused",
		},
		"connect instead of connect error": {
			func(rec *recorder, c *Client) { c.Connect("/", nil); c.ConnectError(rec) },
			"CONNECT was accepted",
		},
		"packet instead of silence": {
			func(rec *recorder, c *Client) { c.Connect("/", nil); c.NoPacket(rec, waitBound) },
			`received so far: 0{`,
		},
		"session over": {
			func(rec *recorder, c *Client) { c.Kill(); c.Next(rec) },
			"session over: killed by the test",
		},
		"bound": {
			func(rec *recorder, c *Client) { c.bound = time.Millisecond; c.NextEvent(rec, "never") },
			"no event never",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.Dial(t, Dial{NoConnect: true, Settled: true})
			rec := &recorder{TB: t}
			if got := rec.run(func() { test.wait(rec, c) }); !strings.Contains(got, test.want) {
				t.Errorf("failure %q, want %q in it", got, test.want)
			}
		})
	}
}

func TestChildWithoutURL(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"silent", "unknown"} {
		rec := &recorder{TB: t}
		if got := rec.run(func() { ChildProcess(rec, name) }); !strings.Contains(got, "ended before it reported") {
			t.Errorf("child %s: failure %q", name, got)
		}
	}
}
