package logging_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		mw    socket.NamespaceMiddleware
		level string
		want  object
	}{
		{"ours", wrap.Named("tenants", wrap.Func(func(context.Context, *socket.Socket) error {
			return &wrap.Error{Code: "forbidden", Err: errors.New("cause 1")}
		})), "WARN", object{"by": "tenants", "code": "forbidden", "message": "Forbidden", "error": "cause 1", "stack": nil}},
		{"internal", wrap.Named("x", wrap.Func(func(context.Context, *socket.Socket) error { return errors.New("cause 2") })),
			"ERROR", object{"by": "x", "code": "internal", "message": "Internal error", "error": "cause 2"}},
		{"guard", wrap.Named("x", wrap.Guard(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			next(socket.NewExtendedError("no", object{"code": "mine"}))
		}, 0)), "WARN", object{"by": "x", "code": "mine", "message": "no", "error": nil}},
		{"timeout", wrap.Named("x", wrap.Guard(func(*socket.Socket, func(*socket.ExtendedError)) {}, time.Millisecond)),
			"ERROR", object{"by": "x", "code": "unavailable"}},
		{"foreign", func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			next(socket.NewExtendedError("no", object{"code": "theirs"}))
		}, "WARN", object{"by": nil, "code": "theirs", "message": "no"}},
		{"named", wrap.Named("plain", func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			next(socket.NewExtendedError("no", nil))
		}), "WARN", object{"by": "plain", "code": nil, "message": "no"}},
		{"panic", wrap.Named("x", wrap.Func(func(context.Context, *socket.Socket) error { panic("oops") })),
			"ERROR", object{"by": "x", "code": "internal", "error": "panic: oops"}},
		{"foreign panic", func(*socket.Socket, func(*socket.ExtendedError)) { panic("oops") },
			"ERROR", object{"code": "internal", "error": "panic: oops"}},
		{"kicked", wrap.Func(func(_ context.Context, s *socket.Socket) error {
			wrap.Kick(s, &wrap.Error{Code: "replaced"})
			return nil
		}), "WARN", object{"code": "replaced", "message": "Signed in elsewhere"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, d siotest.Dial) {
				l, log := newLogger(t, slog.LevelDebug, nil)
				s := logged(t, l, c.mw)
				client := s.Dial(t, d)
				if c.name == "foreign panic" {
					client.AwaitDone(t)
				} else {
					client.ConnectError(t)
				}
				r := log.one(t, "socket refused")
				check(t, r, c.want)
				check(t, r, object{"level": c.level, "conn.namespace": "/", "conn.id": log.one(t, "handshake accepted")["conn"].(object)["id"]})
				if _, ok := r["took"].(float64); !ok {
					t.Errorf("took: %v", r)
				}
				if stack, _ := r["stack"].(string); strings.Contains(c.name, "panic") != strings.Contains(stack, "TestRefused") {
					t.Errorf("stack: %q", stack)
				}
				client.Kill()
				if got := log.all(t, "socket connected", "socket disconnected", "socket abandoned", "socket fault"); len(got) != 0 {
					t.Errorf("also: %v", got)
				}
			})
		})
	}
}

// TestAbandoned: a client that leaves while a middleware is waiting.
func TestAbandoned(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, d siotest.Dial) {
		inside := make(chan struct{})
		o := new(observer)
		l, log := newLogger(t, slog.LevelDebug, &logging.Options{Observer: o})
		s := logged(t, l, wrap.Func(func(ctx context.Context, _ *socket.Socket) error {
			close(inside)
			<-ctx.Done()
			return ctx.Err()
		}))
		c := s.Dial(t, d)
		<-inside
		if d.Polling {
			c.Close()
		} else {
			c.Kill()
		}
		r := log.one(t, "socket abandoned")
		check(t, r, object{"level": "INFO", "code": nil})
		if reason := r["reason"]; reason != "transport close" && reason != "transport error" {
			t.Errorf("reason %v", reason)
		}
		if got := log.all(t, "socket refused"); len(got) != 0 {
			t.Errorf("also: %v", got)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if !o.refused[0].Abandoned || o.refused[0].Code != "" || o.refused[0].Took <= 0 || len(o.opened)+len(o.closed) != 0 {
			t.Errorf("observed %+v", o.refused)
		}
	})
}

// TestTimeout: a client that does not answer pings.
func TestTimeout(t *testing.T) {
	t.Parallel()
	l, log := newLogger(t, slog.LevelInfo, nil)
	o := socket.DefaultServerOptions()
	o.SetPingInterval(50 * time.Millisecond)
	o.SetPingTimeout(50 * time.Millisecond)
	s := siotest.Config{Options: wrap.Harden(o), Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) }}.
		NewServer(t, func(io *socket.Server) { io.Use(l.Middleware()) })
	c := s.Dial(t, siotest.Dial{NoPong: true})
	c.Connected(t)
	c.Emit("hello")
	r := log.one(t, "socket disconnected")
	check(t, r, object{"reason": "ping timeout", "class": "timeout"})
	if told := fmt.Sprint(r["last"]); !strings.HasPrefix(told, "[hello -") {
		t.Errorf("last: %v", told)
	}
}
