package logging_test

import (
	"log/slog"
	"regexp"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestNamespacePaths: a client cannot spell the name of its namespace so that the host
// recognizes it but its packets are not counted.
func TestNamespacePaths(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		eio       int
		join      string
		sent      string // for that namespace, as the host reads it
		namespace string
	}{
		"3, with a query":       {3, "40/other,", `42/other?a=b,["x"]`, "/other"},
		"3, encoded":            {3, "40/other,", `42/%6Fther,["x"]`, "/other"},
		"3, behind a host":      {3, "40/other,", `42//h/other,["x"]`, "/other"},
		"3, root with a query":  {3, "40/other,", `42/?a=b,["x"]`, "/"},
		"4, a query in a name":  {4, "40/room?a,", `42/room?a,["x"]`, "/room?a"},
		"4, an encoded name":    {4, "40/r%6Fom,", `42/r%6Fom,["x"]`, "/r%6Fom"},
		"4, names with a query": {4, "40/room?a,", `42["x"]`, "/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, log := newLogger(t, slog.LevelInfo, nil)
			s := serve(t, l, func(io *socket.Server) {
				wrap.UseAll(io, l.Middleware())
				io.Of("/other", nil)
				io.Of(regexp.MustCompile("^/r.*$"), nil)
			})
			client := s.Dial(t, siotest.Dial{EIO: c.eio})
			client.Connected(t)
			client.Send(c.join)
			client.Connected(t)
			client.Send(c.sent)
			client.Send("4x") // nobody can decode it
			for _, r := range log.wait(t, 2, "socket disconnected") {
				n := 0
				if r["conn"].(object)["namespace"] == c.namespace {
					n = 1
				}
				check(t, r, object{"events_in": n})
				if last, _ := r["last"].([]any); len(last) != n {
					t.Errorf("%v", r)
				}
			}
		})
	}
}

// TestNamespaceSecrets: what the Observer is told about a namespace has no secrets
// either, including those named by the application.
func TestNamespaceSecrets(t *testing.T) {
	t.Parallel()
	o := new(observer)
	l, log := newLogger(t, slog.LevelInfo, &logging.Options{Observer: o, Secrets: []string{"pet"}})
	s := serve(t, l, func(io *socket.Server) {
		wrap.UseAll(io, l.Middleware())
		io.Of(regexp.MustCompile("^/r.*$"), nil)
	})
	c := s.Dial(t, siotest.Dial{Namespace: "/room?pet=rex"})
	c.Connected(t)
	const want = "/room?pet=[redacted]"
	check(t, log.one(t, "socket connected"), object{"conn.namespace": want})
	o.mu.Lock()
	defer o.mu.Unlock()
	if got := o.opened[0].Namespace; got != want {
		t.Errorf("observed %s", got)
	}
}
