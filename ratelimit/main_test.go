package ratelimit_test

import (
	"context"
	"log/slog"
	"net/http"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/ratelimit"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestMain(m *testing.M) {
	siotest.Main(m, map[string]func(report func(url string)){"hostile": hostile}, siotest.IgnoreHostTimers()...)
}

// object is a JSON object that a client has received.
type object = map[string]any

func newLimiter(t testing.TB, connect ratelimit.Limit, o *ratelimit.Options) *ratelimit.Limiter {
	t.Helper()
	l, err := ratelimit.New(connect, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serve starts a hardened server behind wrap.Handler and mws.
func serve(t testing.TB, setup func(io *socket.Server), mws ...wrap.Middleware) *siotest.Server {
	t.Helper()
	o := socket.DefaultServerOptions()
	o.SetAllowEIO3(true)
	return siotest.Config{
		Options: wrap.Harden(o),
		Handler: func(h http.Handler) http.Handler { return wrap.Handler(h, mws...) },
	}.NewServer(t, setup)
}

// limited starts a server that l guards, with an event "echo" that answers its ack.
func limited(t testing.TB, l *ratelimit.Limiter, more ...socket.NamespaceMiddleware) *siotest.Server {
	t.Helper()
	return serve(t, func(io *socket.Server) {
		wrap.UseAll(io, l.Middleware())
		for _, mw := range more {
			io.Use(mw)
		}
		for _, nsp := range []socket.Namespace{io.Sockets(), io.Of("/other", nil)} {
			_ = nsp.On("connection", func(args ...any) {
				s := args[0].(*socket.Socket)
				for _, event := range []string{"echo", "search", "free"} {
					_ = s.On(event, func(args ...any) {
						if ack, ok := args[len(args)-1].(socket.Ack); ok {
							ack([]any{"ok"}, nil)
						}
					})
				}
			})
		}
	})
}

// eachTransport runs f for each of the two.
func eachTransport(t *testing.T, f func(t *testing.T, d siotest.Dial)) {
	for _, d := range []siotest.Dial{{}, {Polling: true}} {
		name := "websocket"
		if d.Polling {
			name = "polling"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, d)
		})
	}
}

// refused waits for a refusal with code and policy, and returns its data.
func refused(t testing.TB, c *siotest.Client, code, policy string) object {
	t.Helper()
	data, _ := c.ConnectError(t).Data.(object)
	if inner, ok := data["data"]; ok { // Engine.IO 3 has it bare
		return checkRefusal(t, inner, code, policy)
	}
	return checkRefusal(t, data, code, policy)
}

// checkRefusal checks the data of a refusal.
func checkRefusal(t testing.TB, got any, code, policy string) object {
	t.Helper()
	data, _ := got.(object)
	if data["code"] != code || data["policy"] != policy {
		t.Fatalf("refused with %v, want code %q of policy %q", got, code, policy)
	}
	return data
}

// quiet is a logger for tests in which something is to go wrong.
var quiet = slog.New(slog.DiscardHandler)

// storeFunc is a store that tests make up.
type storeFunc func(ctx context.Context, key string, l ratelimit.Limit, n int64) (ratelimit.Verdict, error)

func (f storeFunc) Take(ctx context.Context, key string, l ratelimit.Limit, n int64) (ratelimit.Verdict, error) {
	return f(ctx, key, l, n)
}

func dialFrom(addr string) siotest.Dial { return siotest.Dial{From: addr} }
