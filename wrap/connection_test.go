package wrap_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestNextTwiceBetween(t *testing.T) {
	t.Parallel()
	var once sync.Once
	s := serve(t, func(io *socket.Server) {
		_ = io.On("connect", func(...any) { <-time.After(50 * time.Millisecond) })
		io.Use(pass)
		io.Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			next(nil)
			<-time.After(20 * time.Millisecond)
			next(nil)
		})
		io.Use(pass)
		_ = io.On("connection", func(args ...any) {
			once.Do(func() {
				_ = args[0].(*socket.Socket).On("ping", func(args ...any) { args[len(args)-1].(socket.Ack)(nil, nil) })
			})
		})
	})
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	start := time.Now()
	for range 10 {
		c.EmitAck(t, "ping")
	}
	if d := time.Since(start); d > 5*time.Second { // 10 s if each waits for a socket that is known already
		t.Errorf("ten packets took %v", d)
	}
}

// The listener that reports the end of the handlers is added again.
func TestRemoveAllListeners(t *testing.T) {
	t.Parallel()
	s := serve(t, func(io *socket.Server) {
		io.Use(pass)
		_ = io.On("connection", func(args ...any) {})
	})
	s.Dial(t, siotest.Dial{}).Connected(t)
	s.IO.Sockets().EventEmitter().RemoveAllListeners("connection")
	_ = s.IO.On("connection", func(args ...any) {
		_ = args[0].(*socket.Socket).On("ping", func(args ...any) { args[len(args)-1].(socket.Ack)(nil, nil) })
	})
	start := time.Now()
	for range 4 {
		c := s.Dial(t, siotest.Dial{})
		c.Connected(t)
		c.EmitAck(t, "ping")
	}
	if d := time.Since(start); d > 6*time.Second { // 8 s if each waits for handlers that have returned already
		t.Errorf("four first events took %v", d)
	}
}

func TestPendingAndBinary(t *testing.T) {
	t.Parallel()
	var runs atomic.Int32
	s := serve(t, func(io *socket.Server) {
		io.Use(pass)
		_ = io.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			_ = s.On("bin", func(...any) { _ = s.Emit("bin", []byte("x")) })
		})
		io.Of("/b", nil).Use(pass)
		io.Of("/b", nil).Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
			runs.Add(1)
			time.AfterFunc(2*time.Second, func() { next(nil) })
		})
	})
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for i := range 20 {
		c.Connect("/b", nil)
		siotest.Eventually(t, "run", func() bool { return runs.Load() == int32(i+1) || c.Reason() != "" })
		if c.Reason() != "" {
			break
		}
		c.Emit("bin")
		c.NextEvent(t, "bin")
	}
	if n := runs.Load(); n > 1 {
		t.Errorf("%d CONNECTs pending for one namespace", n)
	}
}

func TestRetryAfterFar(t *testing.T) {
	t.Parallel()
	s := serve(t, func(io *socket.Server) {
		io.Use(wrap.Namespace(func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT")
				w.WriteHeader(503)
			})
		}))
	})
	c := s.Dial(t, siotest.Dial{})
	if ms := refusalData(t, c.ConnectError(t))["retryAfterMs"]; ms.(float64) <= 0 {
		t.Errorf("retryAfterMs %v", ms)
	}
}

func TestSettle(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]siotest.Dial{"websocket": {}, "polling": {Polling: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(io *socket.Server) {
				io.Use(wrap.Func(func(_ context.Context, s *socket.Socket) error {
					// between sending CONNECT and socket/client.go:123
					_ = s.Conn().On("drain", func(...any) { <-time.After(100 * time.Millisecond) })
					return nil
				}))
				handlers(io)
			})
			c := s.Dial(t, d)
			c.Next(t) // not Connected, which waits
			c.EmitAck(t, "ping")
		})
	}
}

func TestMaxPending(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	s := serve(t, func(io *socket.Server) {
		for i := range 40 {
			io.Of("/n"+string(rune('A'+i)), nil).Use(wrap.Guard(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
				go func() { <-goOn; next(nil) }()
			}, 0))
		}
	})
	c := s.Dial(t, siotest.Dial{NoConnect: true})
	for i := range 33 {
		c.Connect("/n"+string(rune('A'+i)), nil)
	}
	c.AwaitDone(t)
	close(goOn)
}

// A client may join many namespaces at once, although the host takes its time to connect
// each.
func TestJoinMany(t *testing.T) {
	t.Parallel()
	const many = 40
	name := func(i int) string { return "/n" + string(rune('A'+i)) }
	for _, d := range []siotest.Dial{{NoConnect: true}, {NoConnect: true, Polling: true}} {
		s := serve(t, func(io *socket.Server) {
			var came atomic.Int32
			goOn := make(chan struct{})
			for i := range many {
				nsp := io.Of(name(i), nil)
				nsp.Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
					if came.Add(1) == 33 { // 32 others are waiting
						go close(goOn)
					}
					next(nil)
				})
				nsp.Use(pass)
				nsp.Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
					go func() { <-goOn; next(nil) }()
				})
			}
		})
		c := s.Dial(t, d)
		for i := range many {
			c.Connect(name(i), nil)
		}
		for range many {
			c.Connected(t)
		}
	}
}

func TestRefusedByOthers(t *testing.T) {
	t.Parallel()
	s := serve(t, func(io *socket.Server) {
		io.Of("/x", nil).Use(pass)
		io.Of("/x", nil).Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) { next(socket.NewExtendedError("no", nil)) })
		io.Use(pass)
	})
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	for range wrap.Refusals {
		c.Connect("/x", nil)
		c.ConnectError(t)
	}
	c.Connect("/x", nil)
	c.AwaitDone(t)
}

// binaryParser sends all packets as binary frames, and reads text.
type binaryParser struct{ parser.Parser }

func (p binaryParser) NewEncoder() parser.Encoder { return binaryEncoder{p.Parser.NewEncoder()} }

type binaryEncoder struct{ parser.Encoder }

func (e binaryEncoder) Encode(p *parser.Packet) []types.BufferInterface {
	out := e.Encoder.Encode(p)
	for i, b := range out {
		out[i] = types.NewBytesBuffer(b.Bytes())
	}
	return out
}

// A refusal by others that cannot be decoded leaves no CONNECT pending.
func TestRefusedByOthersUnreadable(t *testing.T) {
	t.Parallel()
	flushed := make(chan struct{}, 8)
	o := socket.DefaultServerOptions()
	o.SetParser(binaryParser{parser.NewParser()})
	s := siotest.Config{
		Options: wrap.Harden(o),
		Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) },
	}.NewServer(t, func(io *socket.Server) {
		io.Of("/x", nil).Use(pass)
		io.Of("/x", nil).Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			_ = s.Conn().Once("flush", func(...any) { flushed <- struct{}{} })
			next(socket.NewExtendedError("no", nil))
		})
	})
	c := s.Dial(t, siotest.Dial{NoConnect: true})
	for i := range 4 {
		c.Connect("/x", nil)
		select {
		case <-flushed:
		case <-c.Done():
			t.Fatalf("the connection was closed at CONNECT %d: %s", i+1, c.Reason())
		}
	}
}
