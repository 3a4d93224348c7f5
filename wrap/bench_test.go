package wrap_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/socket.io/v2/socket"
)

// newEngine returns a server's handler and a function that returns the session opened
// last.
func newEngine(setup func(*socket.Server)) (h http.Handler, last func() engine.Socket) {
	io := socket.NewServer(nil, wrap.Harden(nil))
	if setup != nil {
		setup(io)
	}
	h = io.ServeHandler(nil)
	var conn engine.Socket
	_ = io.Engine().On("connection", func(args ...any) { conn = args[0].(engine.Socket) })
	return h, func() engine.Socket { return conn }
}

// headerMW is a typical middleware.
var headerMW = before(func(h http.Header) { h.Set("X-Frame-Options", "DENY") })

// BenchmarkHandshake opens and closes sessions over long-polling, with the bare host and
// behind wrap.
func BenchmarkHandshake(b *testing.B) {
	for _, bm := range []struct {
		name string
		add  func(h http.Handler) http.Handler
	}{
		{"bare", func(h http.Handler) http.Handler { return h }},
		{"Handler", func(h http.Handler) http.Handler { return wrap.Handler(h) }},
		{"Handler, 1 middleware", func(h http.Handler) http.Handler { return wrap.Handler(h, headerMW) }},
		{"Handler, 5 middlewares", func(h http.Handler) http.Handler {
			return wrap.Handler(h, headerMW, headerMW, headerMW, headerMW, headerMW)
		}},
		{"Engine, 1 middleware", func(h http.Handler) http.Handler {
			h.(engine.BaseServer).Use(wrap.Engine(headerMW))
			return h
		}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			h, last := newEngine(nil)
			h = bm.add(h)
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			r := httptest.NewRequest("GET", siotest.Path+"?EIO=4&transport=polling", nil).WithContext(ctx)
			b.ReportAllocs()
			for b.Loop() {
				w, r := httptest.NewRecorder(), r.WithContext(ctx) // one each, as with net/http
				h.ServeHTTP(w, r)
				if w.Code != 200 {
					b.Fatal(w.Code, w.Body)
				}
				last().Close(true)
			}
		})
	}
}

// BenchmarkConnect joins and leaves a namespace, with a middleware of the host
// and with ours.
func BenchmarkConnect(b *testing.B) {
	for _, bm := range []struct {
		name string
		mws  []socket.NamespaceMiddleware
	}{
		{"plain", []socket.NamespaceMiddleware{func(_ *socket.Socket, next func(*socket.ExtendedError)) { next(nil) }}},
		{"Func", []socket.NamespaceMiddleware{pass}},
		{"5 Func", []socket.NamespaceMiddleware{pass, pass, pass, pass, pass}},
		{"Guard", []socket.NamespaceMiddleware{wrap.Guard(func(_ *socket.Socket, next func(*socket.ExtendedError)) { next(nil) }, 0)}},
		{"Namespace", []socket.NamespaceMiddleware{wrap.Namespace(headerMW)}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			connected := make(chan *socket.Socket, 1)
			s := serve(b, func(io *socket.Server) {
				for _, mw := range bm.mws {
					io.Use(mw)
				}
				_ = io.On("connection", func(args ...any) { connected <- args[0].(*socket.Socket) })
			})
			c := s.Dial(b, siotest.Dial{})
			(<-connected).Disconnect(false)
			b.ReportAllocs()
			for b.Loop() {
				c.Connect("/", nil)
				(<-connected).Disconnect(false)
			}
		})
	}
}

// BenchmarkEvent dispatches an event and answers it, with and without packet
// middleware.
func BenchmarkEvent(b *testing.B) {
	nothing := func(context.Context, *socket.Socket, *wrap.Event) error { return nil }
	for _, bm := range []struct {
		name string
		mws  []socket.NamespaceMiddleware
	}{
		{"plain", nil},
		{"Func", []socket.NamespaceMiddleware{pass}},
		{"Packet", []socket.NamespaceMiddleware{wrap.Packet(nothing)}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			s := serve(b, func(io *socket.Server) {
				for _, mw := range bm.mws {
					io.Use(mw)
				}
				handlers(io)
			})
			c := s.Dial(b, siotest.Dial{})
			c.Connected(b)
			b.ReportAllocs()
			for b.Loop() {
				c.EmitAck(b, "ping")
			}
		})
	}
}

func BenchmarkContext(b *testing.B) {
	connected := make(chan *socket.Socket, 1)
	s := serve(b, func(io *socket.Server) {
		io.Use(pass)
		_ = io.On("connection", func(args ...any) { connected <- args[0].(*socket.Socket) })
	})
	s.Dial(b, siotest.Dial{}).Connected(b)
	sock := <-connected
	b.ReportAllocs()
	for b.Loop() {
		if wrap.Context(sock).Err() != nil {
			b.Fatal("done")
		}
	}
}

func BenchmarkIsHandshake(b *testing.B) {
	r := httptest.NewRequest("GET", siotest.Path+"?EIO=4&transport=polling&t=abc", nil)
	b.ReportAllocs()
	for b.Loop() {
		wrap.IsHandshake(r)
	}
}
