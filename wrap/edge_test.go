package wrap_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"
	"github.com/zishang520/socket.io/v2/socket"
)

const openPath = "/socket.io/?EIO=4&transport=polling"

// A request that has passed Handler has a Cleanup, which the host may call early.
func TestHandlerSetsCleanup(t *testing.T) {
	t.Parallel()
	seen := make(chan bool, 1)
	s := siotest.Config{Handler: func(h http.Handler) http.Handler {
		wrapped := wrap.Handler(h)
		h.(engine.BaseServer).Use(func(ctx *types.HttpContext, next func(error)) {
			seen <- ctx.Cleanup != nil
			next(nil)
		})
		return wrapped
	}}.NewServer(t, nil)
	request(t, "GET", s.URL+openPath+"&sid=nobody", nil, nil)
	if !<-seen {
		t.Error("no Cleanup")
	}
}

// The handler does not return before what next has started.
func TestHandlerWaitsForNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var left, answered, returned atomic.Bool
		h := wrap.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			<-release
			left.Store(true)
		}), mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			http.TimeoutHandler(next, time.Second, "late").ServeHTTP(w, r)
			answered.Store(true)
		}))
		go func() {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", openPath, nil))
			returned.Store(true)
			if !left.Load() {
				t.Error("the handler has returned, what it leads to has not")
			}
		}()
		<-time.After(2 * time.Second)
		synctest.Wait()
		if !answered.Load() || returned.Load() {
			t.Errorf("the chain has returned: %v, the handler: %v", answered.Load(), returned.Load())
		}
		close(release)
		synctest.Wait()
		if !returned.Load() {
			t.Error("the handler does not return")
		}
	})
}

// The client has left: next opens nothing, whatever context it is called with.
func TestChainGoneWithoutCancel(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(t.Context())
	h := wrap.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("entered for a client that has gone")
	}), mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		leave()
		next.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", openPath, nil))
}

// The engine's refusal arrives complete, whatever Content-Length a middleware has set.
func TestChainContentLength(t *testing.T) {
	t.Parallel()
	s := siotest.Config{Handler: func(h http.Handler) http.Handler {
		return wrap.Handler(h, before(func(h http.Header) { h.Set("Content-Length", "3") }))
	}}.NewServer(t, nil)
	res, body := request(t, "GET", s.URL+siotest.Path+"?EIO=4&transport=nonsense", nil, nil)
	if res.StatusCode != http.StatusBadRequest || !json.Valid([]byte(body)) {
		t.Errorf("%d %q", res.StatusCode, body)
	}
}

// Requests may share a list of header values that has spare capacity.
func TestChainSharedVary(t *testing.T) {
	t.Parallel()
	shared := append(make([]string, 0, 8), "Accept")
	h := wrap.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", r.Header.Get("X-Own"))
		w.WriteHeader(http.StatusOK)
	}), before(func(h http.Header) { h["Vary"] = shared }))
	serve := func(own string) http.Header {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", openPath, nil)
		r.Header.Set("X-Own", own)
		h.ServeHTTP(w, r)
		return w.Header()
	}
	one := make(chan http.Header)
	go func() { one <- serve("One") }()
	two := serve("Two")
	for want, got := range map[string]http.Header{"One": <-one, "Two": two} {
		if !slices.Equal(got["Vary"], []string{"Accept", want}) {
			t.Errorf("Vary %q, want Accept and %s", got["Vary"], want)
		}
	}
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

// The context of a socket whose connection closed before the first call is done.
func TestContextAfterClose(t *testing.T) {
	t.Parallel()
	for name, d := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sockets := make(chan *socket.Socket, 1)
			s := serve(t, func(io *socket.Server) {
				_ = io.On("connection", func(args ...any) { sockets <- args[0].(*socket.Socket) })
			})
			c := s.Dial(t, d)
			c.Connected(t)
			sock := <-sockets
			c.Close()
			siotest.Eventually(t, "the connection is closed", func() bool { return sock.Conn().ReadyState() == "closed" })
			ctx := wrap.Context(sock)
			var dis *wrap.Disconnected
			if ctx.Err() == nil || !errors.As(context.Cause(ctx), &dis) {
				t.Errorf("err %v, cause %v", ctx.Err(), context.Cause(ctx))
			}
		})
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

// A handshake whose context was ended by an outer chain does not hang in the engine.
func TestEngineChainContextEnded(t *testing.T) {
	t.Parallel()
	type key struct{}
	s := siotest.Config{Options: wrap.Harden(nil), Engine: func(e engine.BaseServer) {
		e.Use(wrap.Engine(mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, key{}, cancel)))
		})))
		e.Use(wrap.Engine(mw(func(_ http.Handler, _ http.ResponseWriter, r *http.Request) {
			r.Context().Value(key{}).(context.CancelFunc)() // as a deadline would
		})))
	}}.NewServer(t, nil)
	if hangs(t, "GET", s.URL+openPath, nil, nil) {
		t.Error("no answer")
	}
}

// If the client of a chain in the engine leaves, the handler ends without a session.
func TestEngineChainGone(t *testing.T) {
	t.Parallel()
	var running atomic.Int32
	entered := make(chan struct{})
	s := siotest.Config{
		Options: wrap.Harden(nil),
		Engine: func(e engine.BaseServer) {
			e.Use(wrap.Engine(mw(func(_ http.Handler, _ http.ResponseWriter, r *http.Request) {
				close(entered)
				<-r.Context().Done()
			})))
		},
		Handler: func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				running.Add(1)
				defer running.Add(-1)
				h.ServeHTTP(w, r)
			})
		},
	}.NewServer(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	req, _ := http.NewRequestWithContext(ctx, "GET", s.URL+openPath, nil)
	if res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req); err == nil {
		res.Body.Close()
	}
	siotest.Eventually(t, "the handler ends", func() bool { return running.Load() == 0 })
	if n := s.IO.Engine().ClientsCount(); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// An event after a CLOSE in one large payload is not handled, and the session ends.
func TestBodyLargeCloseFirst(t *testing.T) {
	t.Parallel()
	connected, handled := make(chan struct{}), make(chan struct{}, 1)
	s := serve(t, func(io *socket.Server) {
		_ = io.On("connection", func(args ...any) {
			_ = args[0].(*socket.Socket).On("late", func(...any) { handled <- struct{}{} })
			close(connected)
		})
	})
	u := openPoll(t, s) // no poll is open: the host may forget it, as the session ends
	request(t, "POST", u, strings.NewReader("40"), nil)
	<-connected
	request(t, "POST", u, strings.NewReader("1\x1e"+`42["late","`+strings.Repeat("x", 100_000)+`"]`), nil)
	siotest.Eventually(t, "no session is left", func() bool { return s.IO.Engine().ClientsCount() == 0 })
	select {
	case <-handled:
		t.Error("handled")
	case <-time.After(20 * time.Millisecond):
	}
}

// A large JSON-P payload, which the host would drop, is refused.
func TestBodyLargeJSONP(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	_, body := request(t, "GET", s.URL+openPath+"&j=0", nil, nil)
	_, rest, _ := strings.Cut(body, `sid\":\"`)
	sid, _, _ := strings.Cut(rest, `\"`)
	if _, ok := s.IO.Engine().Clients().Load(sid); !ok {
		t.Fatalf("no session: %q", body)
	}
	u := s.URL + openPath + "&j=0&sid=" + url.QueryEscape(sid)
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for payload, want := range map[string]int{
		"d=" + url.QueryEscape(`42["x","`+strings.Repeat("x", 100_000)+`"]`): http.StatusRequestEntityTooLarge,
		`42["x","` + strings.Repeat("x", 100_000) + `"]`:                     http.StatusRequestEntityTooLarge,
	} {
		if res, body := request(t, "POST", u, strings.NewReader(payload), form); res.StatusCode != want {
			t.Errorf("%.10s: %d %q, want %d", payload, res.StatusCode, body, want)
		}
	}
	if res, body := request(t, "POST", u, strings.NewReader("d=1"), form); res.StatusCode != http.StatusOK {
		t.Errorf("%d %q", res.StatusCode, body)
	}
}

// What a middleware appends to the arguments does not take the place of the ack.
func TestPacketAppendKeepsAck(t *testing.T) {
	t.Parallel()
	var kept []any
	s := echoes(t, []string{"say"},
		wrap.Packet(func(_ context.Context, _ *socket.Socket, p *wrap.Event) error {
			kept = p.Args
			return nil
		}),
		func(s *socket.Socket, next func(*socket.ExtendedError)) {
			s.Use(func(_ []any, next func(error)) {
				_ = append(kept, "x")
				next(nil)
			})
			next(nil)
		})
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	if got := c.EmitAck(t, "say", "a").Args(); !slices.Equal(got, []any{"say", "a"}) {
		t.Errorf("answer %v", got)
	}
}

// TestReleased: a session keeps nothing of the request that opened it except the request
// itself: not net/http's writer, which holds the buffers of the connection.
func TestReleased(t *testing.T) {
	t.Parallel()
	for _, d := range []siotest.Dial{{}, {Polling: true}, {EIO: 3}, {EIO: 3, Polling: true}} {
		gone := make(chan struct{}, 1)
		o := socket.DefaultServerOptions()
		o.SetAllowEIO3(true)
		s := siotest.Config{Options: wrap.Harden(o), Handler: func(h http.Handler) http.Handler {
			h = wrap.Handler(h)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !wrap.IsHandshake(r) {
					h.ServeHTTP(w, r)
					return
				}
				own := &unwrapper{w}
				runtime.AddCleanup(own, func(done chan struct{}) { done <- struct{}{} }, gone)
				h.ServeHTTP(own, r)
			})
		}}.NewServer(t, nil)
		c := s.Dial(t, d)
		c.Connected(t)
		siotest.Eventually(t, "the writer has been collected", func() bool {
			runtime.GC()
			select {
			case <-gone:
				return true
			default:
				return false
			}
		})
		if s.IO.Engine().ClientsCount() != 1 {
			t.Error("the session has ended")
		}
	}
}

// unwrapper is a writer that http.ResponseController sees through.
type unwrapper struct{ http.ResponseWriter }

func (u *unwrapper) Unwrap() http.ResponseWriter { return u.ResponseWriter }
