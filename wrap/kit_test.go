package wrap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// dials are the ways to connect.
var dials = map[string]siotest.Dial{
	"websocket":      {},
	"polling":        {Polling: true},
	"websocket/EIO3": {EIO: 3},
	"polling/EIO3":   {Polling: true, EIO: 3},
}

// transports are the ways to connect with Engine.IO 4.
var transports = map[string]siotest.Dial{"websocket": {}, "polling": {Polling: true}}

// openPath opens a session over long-polling.
const openPath = "/socket.io/?EIO=4&transport=polling"

// eachDial runs f for each way to connect.
func eachDial(t *testing.T, f func(t *testing.T, d siotest.Dial)) {
	for name, d := range dials {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, d)
		})
	}
}

// serve starts a hardened server behind wrap.Handler.
func serve(t testing.TB, setup func(io *socket.Server)) *siotest.Server {
	t.Helper()
	o := socket.DefaultServerOptions()
	o.SetAllowEIO3(true)
	return siotest.Config{
		Options: wrap.Harden(o),
		Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) },
	}.NewServer(t, setup)
}

// mw makes a middleware of one function.
func mw(f func(next http.Handler, w http.ResponseWriter, r *http.Request)) wrap.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f(next, w, r) })
	}
}

// request sends one request and returns the answer with its body.
func request(t *testing.T, method, url string, body io.Reader, h http.Header) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if h != nil {
		req.Header = h
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req) // other tests close idle ones
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// pass admits every socket.
var pass = wrap.Func(func(context.Context, *socket.Socket) error { return nil })

// passPlain is not built on Func, and neither are those that follow.
func passPlain(_ *socket.Socket, next func(*socket.ExtendedError)) { next(nil) }

// passLater calls next from another goroutine.
func passLater(_ *socket.Socket, next func(*socket.ExtendedError)) { go next(nil) }

func refusePlain(_ *socket.Socket, next func(*socket.ExtendedError)) { next(plainError()) }

// refuseLater calls next from another goroutine.
func refuseLater(_ *socket.Socket, next func(*socket.ExtendedError)) { go next(plainError()) }

// plainError is what a middleware that is not built on Func refuses with.
func plainError() *socket.ExtendedError {
	return socket.NewExtendedError("no", map[string]any{"mine": true})
}

// refusedFrom starts a server with the middlewares, dials, and returns the cause of the
// context of the socket, which must be refused.
func refusedFrom(t *testing.T, d siotest.Dial, mws ...socket.NamespaceMiddleware) error {
	t.Helper()
	ctxs := make(chan context.Context, 1)
	s := serve(t, func(io *socket.Server) {
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) { ctxs <- wrap.Context(s); next(nil) })
		for _, mw := range mws {
			io.Use(mw)
		}
		_ = io.On("connection", func(...any) { t.Error("connected") })
	})
	s.Dial(t, d).ConnectError(t)
	ctx := <-ctxs
	siotest.Eventually(t, "the context ends", func() bool { return ctx.Err() != nil })
	return context.Cause(ctx)
}

// revoked is what the tests kick with.
func revoked() *wrap.Error {
	return &wrap.Error{Code: "token_revoked", Data: map[string]any{"n": 1}, Err: errors.New("hunter2")}
}

const toldRevoked = "map[code:token_revoked message:Token revoked n:1 retryable:false]"

// kickedWith checks that the client is told why, and then that its socket has ended.
func kickedWith(t *testing.T, c *siotest.Client, nsp string) {
	t.Helper()
	if p := c.Next(t); p.Event() != "kicked" || p.Namespace != nsp || fmt.Sprint(p.Args()) != "["+toldRevoked+"]" {
		t.Errorf("got %s, want the event", p)
	}
	if p := c.Next(t); p.Type != siotest.TypeDisconnect || p.Namespace != nsp {
		t.Errorf("got %s, want DISCONNECT", p)
	}
}

// endedBy checks that the context of s has ended, and why.
func endedBy(t *testing.T, s *socket.Socket, e *wrap.Error, reason string) {
	t.Helper()
	cause := context.Cause(wrap.Context(s))
	var d *wrap.Disconnected
	var got *wrap.Error
	if !errors.As(cause, &d) || d.Reason != reason || !errors.As(cause, &got) || got != e {
		t.Errorf("cause %v: disconnected %v, error %v", cause, d, got)
	}
}

// sockets starts a server with the namespaces "/", behind mws, and "/open", which nothing
// guards. Their sockets are sent to the channels. They answer "x".
func sockets(t *testing.T, mws ...socket.NamespaceMiddleware) (s *siotest.Server, root, open chan *socket.Socket) {
	root, open = make(chan *socket.Socket, 64), make(chan *socket.Socket, 64)
	return serve(t, func(io *socket.Server) {
		for _, mw := range mws {
			io.Use(mw)
		}
		for nsp, out := range map[socket.Namespace]chan *socket.Socket{io.Sockets(): root, io.Of("/open", nil): open} {
			_ = nsp.On("connection", func(args ...any) {
				s := args[0].(*socket.Socket)
				_ = s.On("x", func(args ...any) { args[0].(socket.Ack)(nil, nil) })
				out <- s
			})
		}
	}), root, open
}

// watch makes a connection middleware of hooks.
func watch(h func(s *socket.Socket) wrap.Hooks) socket.NamespaceMiddleware {
	return wrap.Func(func(_ context.Context, s *socket.Socket) error { wrap.Watch(s, h(s)); return nil })
}

// list records what has happened.
type list struct {
	mu    sync.Mutex
	items []string
}

func (l *list) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items = append(l.items, fmt.Sprintf(format, args...))
}

func (l *list) get() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.items)
}

// is waits until the list is as long as want, and compares them.
func (l *list) is(t *testing.T, want ...string) {
	t.Helper()
	siotest.Eventually(t, fmt.Sprintf("the list is %q", want), func() bool { return len(l.get()) >= len(want) })
	if got := l.get(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
