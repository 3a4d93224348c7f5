package wrap_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

type badJSON struct{}

func (badJSON) MarshalJSON() ([]byte, error) { panic("of the application") }

func TestFuncRefusals(t *testing.T) {
	t.Parallel()
	secret := errors.New("password is hunter2")
	cycle := map[string]any{}
	cycle["self"] = cycle
	for name, tt := range map[string]struct {
		err  error
		want map[string]any
	}{
		"error": {
			&wrap.Error{Code: "forbidden", Message: "No entry", Data: map[string]any{"room": "x", "n": int64(1) << 62}, Err: secret},
			map[string]any{"code": "forbidden", "message": "No entry", "retryable": false, "room": "x", "n": float64(1 << 62)},
		},
		"wrapped":       {fmt.Errorf("outer: %w", &wrap.Error{Code: "token_expired"}), map[string]any{"code": "token_expired", "message": "Token expired", "retryable": false}},
		"retry":         {&wrap.Error{Code: "rate_limited", RetryAfter: 1500*time.Millisecond + 1}, map[string]any{"code": "rate_limited", "message": "Too many requests", "retryable": true, "retryAfterMs": 1501.0}},
		"own code":      {&wrap.Error{Code: "teapot", RetryAfter: time.Second}, map[string]any{"code": "teapot", "message": "Refused", "retryable": true, "retryAfterMs": 1000.0}},
		"no code":       {&wrap.Error{Err: secret}, map[string]any{"code": "internal", "message": "Internal error", "retryable": false}},
		"other error":   {secret, map[string]any{"code": "internal", "message": "Internal error", "retryable": false}},
		"deadline":      {fmt.Errorf("redis: %w", context.DeadlineExceeded), map[string]any{"code": "unavailable", "message": "Service unavailable", "retryable": true}},
		"typed nil":     {(*wrap.Error)(nil), map[string]any{"code": "internal", "message": "Internal error", "retryable": false}},
		"reserved keys": {&wrap.Error{Code: "forbidden", Data: map[string]any{"code": 1, "message": 2, "retryable": 3, "retryAfterMs": 4}}, map[string]any{"code": "forbidden", "message": "Forbidden", "retryable": false}},
		"unmarshalable": {
			&wrap.Error{Code: "forbidden", Data: map[string]any{"ch": make(chan int), "nan": math.NaN(), "deep": []any{func() {}}, "bad": badJSON{}, "cycle": cycle, "ok": []int{1}}},
			map[string]any{"code": "forbidden", "message": "Forbidden", "retryable": false, "ok": []any{1.0}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachDial(t, func(t *testing.T, d siotest.Dial) {
				var cause atomic.Value
				s := serve(t, func(io *socket.Server) {
					io.Use(wrap.Func(func(_ context.Context, s *socket.Socket) error {
						ctx := wrap.Context(s)
						context.AfterFunc(ctx, func() { cause.Store(context.Cause(ctx)) })
						return tt.err
					}))
					_ = io.On("connection", func(...any) { t.Error("connected") })
				})
				c := s.Dial(t, d)
				p := c.ConnectError(t)
				got := refusalData(t, p)
				if fmt.Sprint(got) != fmt.Sprint(tt.want) || !maps.EqualFunc(got, tt.want, func(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
					t.Errorf("got  %v\nwant %v", got, tt.want)
				}
				if strings.Contains(p.Raw, "hunter2") {
					t.Errorf("the cause has reached the client: %s", p.Raw)
				}
				siotest.Eventually(t, "the socket's context ends", func() bool { return cause.Load() != nil })
				var d2 wrap.Disconnected
				var e *wrap.Error
				if err := cause.Load().(error); !errors.As(err, &d2) || d2.Reason != "refused" || !errors.As(err, &e) {
					t.Errorf("cause %v", err)
				}
			})
		})
	}
}

func TestFuncRefusedWithoutEnd(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]siotest.Dial{"websocket": {}, "polling": {Polling: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var runs atomic.Int32
			s := serve(t, func(io *socket.Server) {
				io.Of("/open", nil).Use(wrap.Func(func(context.Context, *socket.Socket) error { return nil }))
				io.Use(wrap.Func(func(context.Context, *socket.Socket) error {
					runs.Add(1)
					return &wrap.Error{Code: "forbidden"}
				}))
			})
			d.Namespace = "/open"
			c := s.Dial(t, d)
			c.Connected(t) // so that connectTimeout does not apply
			for i := range wrap.Refusals {
				c.Connect("/", nil)
				if p := c.ConnectError(t); refusalData(t, p)["code"] != "forbidden" {
					t.Fatalf("refusal %d: %s", i, p.Raw)
				}
			}
			c.Connect("/", nil)
			c.AwaitDone(t)
			if runs.Load() != wrap.Refusals {
				t.Errorf("%d runs, want %d", runs.Load(), wrap.Refusals)
			}
		})
	}
}

// Refused sockets are collected while their connection stays open.
func TestFuncRefusedCollected(t *testing.T) {
	t.Parallel()
	var sockets siotest.Garbage
	s := serve(t, func(io *socket.Server) {
		io.Use(wrap.Func(func(ctx context.Context, s *socket.Socket) error {
			wrap.Request(s).Header.Set("X-Own", "1")
			context.AfterFunc(wrap.Context(s), func() { _ = s.Id() })
			wrap.UsePacket(s, func(context.Context, *socket.Socket, *wrap.Event) error { _ = s.Id(); return nil })
			sockets.Add(s)
			return errors.New("no")
		}))
	})
	c := s.Dial(t, siotest.Dial{})
	for i := range 20 {
		if i > 0 {
			c.Connect("/", nil)
		}
		c.ConnectError(t)
	}
	sockets.Await(t, 20, 0)
	if s.IO.Engine().ClientsCount() != 1 {
		t.Error("the connection has gone")
	}
}

// A socket whose connection is closing is not admitted, even if f admits it.
func TestFuncClosesConnection(t *testing.T) {
	t.Parallel()
	for name, mw := range map[string]socket.NamespaceMiddleware{
		"Func": wrap.Func(func(_ context.Context, s *socket.Socket) error { s.Conn().Close(false); return nil }),
		"Guard": wrap.Guard(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			s.Conn().Close(false)
			next(nil)
		}, 0),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := make(chan *socket.ExtendedError, 1)
			s := serve(t, func(io *socket.Server) {
				io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
					mw(s, func(ext *socket.ExtendedError) { got <- ext; next(ext) })
				})
			})
			u := openPoll(t, s)
			request(t, "POST", u, strings.NewReader("40"), nil)
			if <-got == nil {
				t.Error("admitted")
			}
			request(t, "GET", u, nil, nil) // fetches the CLOSE
		})
	}
}
