package wrap_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestUseAllNext: the first call of next counts, whenever and wherever it comes.
func TestUseAllNext(t *testing.T) {
	t.Parallel()
	no := socket.NewExtendedError("no", nil)
	type next = func(*socket.ExtendedError)
	for name, c := range map[string]struct {
		mw   func(next)
		want string
	}{
		"once":                  {func(n next) { n(nil) }, "[plain Func behind]"},
		"twice":                 {func(n next) { n(nil); n(nil) }, "[plain Func behind]"},
		"then an error":         {func(n next) { n(nil); n(no) }, "[plain Func behind]"},
		"an error":              {func(n next) { n(no) }, "no"},
		"an error, twice":       {func(n next) { n(no); n(no) }, "no"},
		"an error first":        {func(n next) { n(no); n(nil) }, "no"},
		"later":                 {func(n next) { go n(nil) }, "[plain Func behind]"},
		"later, twice":          {func(n next) { go func() { n(nil); n(nil) }() }, "[plain Func behind]"},
		"later, then an error":  {func(n next) { go func() { n(nil); n(no) }() }, "[plain Func behind]"},
		"later, an error":       {func(n next) { go n(no) }, "no"},
		"later, an error first": {func(n next) { go func() { n(no); n(nil) }() }, "no"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ran := make(chan string, 16)
			connected := make(chan *socket.Socket, 4)
			s := serve(t, func(io *socket.Server) {
				wrap.UseAll(io,
					func(_ *socket.Socket, n next) { ran <- "plain"; c.mw(n) },
					wrap.Func(func(context.Context, *socket.Socket) error { ran <- "Func"; return nil }),
					func(_ *socket.Socket, n next) { ran <- "behind"; n(nil) },
				)
				_ = io.On("connection", func(args ...any) { connected <- args[0].(*socket.Socket) })
			})
			cl := s.Dial(t, siotest.Dial{})
			if c.want == "no" {
				if p := cl.ConnectError(t); !strings.Contains(p.Raw, `"no"`) {
					t.Errorf("got %s", p)
				}
				cl.NoPacket(t, 0)
				if got := <-ran; got != "plain" || len(ran) > 0 {
					t.Errorf("%s ran, and %d more", got, len(ran))
				}
				return
			}
			cl.Connected(t)
			<-connected
			var got []string
			for len(ran) > 0 {
				got = append(got, <-ran)
			}
			if fmt.Sprint(got) != c.want {
				t.Errorf("ran %v, want %s", got, c.want)
			}
			if len(connected) > 0 {
				t.Error("connected twice")
			}
		})
	}
}

// TestUseAllPanics: a plain middleware that panics costs its client the connection, and
// nobody else anything.
func TestUseAllPanics(t *testing.T) {
	t.Parallel()
	for name, mw := range map[string]socket.NamespaceMiddleware{
		"before next": func(*socket.Socket, func(*socket.ExtendedError)) { panic("on purpose") },
		"after next":  func(_ *socket.Socket, next func(*socket.ExtendedError)) { next(nil); panic("on purpose") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDial(t, func(t *testing.T, d siotest.Dial) {
				s := serve(t, func(io *socket.Server) {
					wrap.UseAll(io, pass, func(s *socket.Socket, next func(*socket.ExtendedError)) {
						if s.Handshake().Query["bad"] != nil {
							mw(s, next)
							return
						}
						next(nil)
					})
				})
				good := s.Dial(t, d)
				good.Connected(t)
				d.Query = map[string][]string{"bad": {"1"}}
				bad, err := s.Open(t, d)
				if err == nil {
					if d.EIO != 3 {
						bad.Connect("/", nil)
					}
					bad.AwaitDone(t)
				}
				siotest.Eventually(t, "it has gone", func() bool { return s.IO.Engine().ClientsCount() == 1 })
			})
		})
	}
}
