package wrap_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/events"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// These tests show what v2.5.0 of the host does without this package, for
// docs/host.md. One that fails says which workaround may be dropped:
//
//	go test ./wrap -run BareHost -barehost -v

// bare skips a test that shows the bare host.
func bare(t *testing.T) {
	t.Helper()
	if !*bareHost {
		t.Skip("run with -barehost: it shows what the bare host does")
	}
}

func TestHostPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/host.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := checkCited(t, string(page)); n < 40 {
		t.Errorf("the page names %d tests", n)
	}
}

func init() {
	children["bare, empty header"] = func(report func(string)) {
		report(siotest.Config{Handler: before(func(h http.Header) { h["Date"] = nil })}.Serve(nil))
	}
	children["bare, panic"] = func(report func(string)) {
		report(siotest.Config{}.Serve(func(io *socket.Server) {
			io.Use(func(*socket.Socket, func(*socket.ExtendedError)) { panic("oops") })
		}))
	}
}

// openPoll opens a session by hand and returns the URL of its requests.
func openPoll(t *testing.T, s *siotest.Server) string {
	t.Helper()
	u := s.URL + siotest.Path + "?EIO=4&transport=polling"
	_, body := request(t, "GET", u, nil, nil)
	_, rest, _ := strings.Cut(body, `"sid":"`)
	sid, _, _ := strings.Cut(rest, `"`)
	u += "&sid=" + sid
	t.Cleanup(func() { // the context of the test is done by now
		if res, err := http.Post(u, text, strings.NewReader("1")); err == nil {
			res.Body.Close()
		}
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return u
}

// hangs reports whether a request stays without an answer for a moment.
func hangs(t *testing.T, method, url string, body io.Reader, h http.Header) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, method, url, body)
	if h != nil {
		req.Header = h
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err == nil {
		res.Body.Close()
	}
	return errors.Is(err, context.DeadlineExceeded)
}

func TestHeadersCutBareHost(t *testing.T) {
	bare(t)
	s := siotest.Config{
		Handler: before(func(h http.Header) { h.Add("Set-Cookie", "a=1"); h.Add("Set-Cookie", "b=2") }),
		Engine: func(e engine.BaseServer) {
			e.Use(func(ctx *types.HttpContext, next func(error)) {
				ctx.Response().Header().Set("X-Engine", "1")
				next(nil)
			})
		},
	}.NewServer(t, nil)
	for polling, want := range map[bool][]string{true: {"a=1"}, false: {"a=1", "b=2"}} {
		h := s.Dial(t, siotest.Dial{Polling: polling, Settled: true}).Handshake.Header
		if !slices.Equal(h.Values("Set-Cookie"), want) || (h.Get("X-Engine") != "") != polling {
			t.Errorf("polling %t: %v", polling, h)
		}
	}
}

func TestEmptyHeaderBareHost(t *testing.T) {
	bare(t)
	child := siotest.ChildProcess(t, "bare, empty header")
	_, _ = child.Server().Open(t, siotest.Dial{Polling: true})
	siotest.Eventually(t, "the process has ended", func() bool { return !child.Alive() })
}

func TestPanicBareHost(t *testing.T) {
	bare(t)
	child := siotest.ChildProcess(t, "bare, panic")
	c, err := child.Server().Open(t, siotest.Dial{})
	if err != nil {
		t.Fatal(err)
	}
	siotest.Eventually(t, "the process has ended", func() bool { c.Connect("/", nil); return !child.Alive() })
}

func TestSetCookieBareHost(t *testing.T) {
	bare(t)
	o := socket.DefaultServerOptions()
	o.SetCookie(&http.Cookie{Name: "io", Value: "1"})
	s := siotest.Config{Options: o, Handler: before(func(h http.Header) { h.Set("Set-Cookie", "a=1") })}.NewServer(t, nil)
	for polling, want := range map[bool]string{true: "io=1", false: "a=1"} {
		if got := s.Dial(t, siotest.Dial{Polling: polling, Settled: true}).Handshake.Header.Values("Set-Cookie"); len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("polling %t: %q", polling, got)
		}
	}
}

func TestBodiesBareHost(t *testing.T) {
	bare(t)
	got := make(chan int, 10)
	s := siotest.Config{Handler: mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Cut") != "" {
			r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, 13), iotest.ErrReader(io.ErrUnexpectedEOF)))
		}
		next.ServeHTTP(w, r)
	})}.NewServer(t, func(io *socket.Server) {
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			_ = s.On("x", func(args ...any) { got <- len(fmt.Sprint(args...)) })
			next(nil)
		})
	})
	u := openPoll(t, s)
	request(t, "POST", u, strings.NewReader("40"), nil)
	request(t, "GET", u, nil, nil) // CONNECT has been answered
	siotest.Eventually(t, "the socket is there", func() bool { return s.IO.Sockets().Sockets().Len() == 1 })

	// A chunked body of twice the limit: accepted, and its large packets dropped.
	big := `42["x","` + strings.Repeat("x", 66_000) + `"]`
	body := strings.Repeat(big+"\x1e", 30) + big
	if res, answer := request(t, "POST", u, unsized(body), nil); res.StatusCode != 200 || answer != "ok" {
		t.Errorf("%d bytes: %d %q", len(body), res.StatusCode, answer)
	}
	select {
	case n := <-got:
		t.Errorf("a packet over 64 KB has arrived: %d", n)
	case <-time.After(50 * time.Millisecond):
	}

	// A body that breaks off is taken for whole.
	cut := http.Header{"X-Cut": {"1"}}
	if res, answer := request(t, "POST", u, strings.NewReader(`42["x","yz"]`+"\x1e"+`42["x","zz"]`), cut); res.StatusCode != 200 || answer != "ok" {
		t.Errorf("cut: %d %q", res.StatusCode, answer)
	}
	if n := <-got; n != 2 {
		t.Errorf("got %d bytes", n)
	}
}

func TestUnansweredBareHost(t *testing.T) {
	bare(t)
	s := siotest.NewServer(t, nil)
	c := s.Dial(t, siotest.Dial{Settled: true})
	if !hangs(t, "GET", s.URL+siotest.Path+"?EIO=4&transport=websocket&sid="+c.SID, nil, nil) {
		t.Error("a plain request to a WebSocket session is answered")
	}
	if !hangs(t, "POST", openPoll(t, s), nil, http.Header{"Content-Type": {"application/octet-stream"}}) {
		t.Error("a binary POST of Engine.IO 4 is answered")
	}
	refusing := siotest.Config{Engine: func(e engine.BaseServer) {
		e.Use(func(ctx *types.HttpContext, _ func(error)) { ctx.Response().WriteHeader(401) })
	}}.NewServer(t, nil)
	if !hangs(t, "GET", refusing.URL+siotest.Path+"?EIO=4&transport=polling", nil, nil) {
		t.Error("a refusal in engine.Use is sent")
	}
	if _, res, _ := websocket.DefaultDialer.Dial("ws"+refusing.URL[4:]+siotest.Path+"?EIO=4&transport=websocket", nil); res == nil || res.StatusCode != 401 {
		t.Errorf("over WebSocket: %v", res)
	}
}

func TestCompressionBareHost(t *testing.T) {
	bare(t)
	o := socket.DefaultServerOptions()
	o.SetPerMessageDeflate(&types.PerMessageDeflate{Threshold: 1024})
	got := make(chan int, 1)
	s := siotest.Config{Options: o}.NewServer(t, func(io *socket.Server) {
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			_ = s.On("x", func(args ...any) { got <- len(args[0].(string)) })
			next(nil)
		})
	})
	dialer := websocket.Dialer{EnableCompression: true}
	conn, _, err := dialer.Dial("ws"+s.URL[4:]+siotest.Path+"?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	siotest.Eventually(t, "the socket is there", func() bool { // an early CONNECT may be lost
		return s.IO.Sockets().Sockets().Len() == 1 || conn.WriteMessage(websocket.TextMessage, []byte("40")) != nil
	})
	_ = conn.WriteMessage(websocket.TextMessage, []byte(`42["x","`+strings.Repeat("x", 10_000_000)+`"]`))
	if n := <-got; n != 10_000_000 {
		t.Errorf("%d bytes", n)
	}
}

// Harden must switch compression on, and Handler refuses it; whoever sets a
// threshold of his own gets it.
func TestCompressionRefused(t *testing.T) {
	t.Parallel()
	for threshold, want := range map[int]bool{0: false, 1024: true} {
		o := socket.DefaultServerOptions()
		if threshold > 0 {
			o.SetPerMessageDeflate(&types.PerMessageDeflate{Threshold: threshold})
		}
		s := siotest.Config{
			Options: wrap.Harden(o),
			Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) },
		}.NewServer(t, nil)
		dialer := websocket.Dialer{EnableCompression: true}
		conn, res, err := dialer.Dial("ws"+s.URL[4:]+siotest.Path+"?EIO=4&transport=websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Header.Get("Sec-Websocket-Extensions"); (got != "") != want {
			t.Errorf("threshold %d: extensions %q", threshold, got)
		}
		conn.Close()
	}
}

func TestBroadcastsBareHost(t *testing.T) {
	bare(t)
	s := siotest.NewServer(t, func(io *socket.Server) {
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			_ = s.On("mark", func(...any) { _ = s.Emit("mark") })
			next(nil)
		})
	})
	c := s.Dial(t, siotest.Dial{Settled: true})
	c.Connected(t)
	const n = 1000
	for range n {
		s.IO.Emit("n")
	}
	<-time.After(100 * time.Millisecond) // or the mark is lost too
	c.Emit("mark")
	got := 0
	for c.Next(t).Event() != "mark" {
		got++
	}
	t.Logf("%d of %d broadcasts have arrived", got, n)
	if got == n {
		t.Error("none was lost")
	}
}

// answering is a middleware that holds the host up when it has answered CONNECT
// and does not know the socket yet.
func answering(held chan<- struct{}) socket.NamespaceMiddleware {
	return func(s *socket.Socket, next func(*socket.ExtendedError)) {
		for i := 0; i < 1000 && !s.Conn().Transport().Writable(); i++ {
			<-time.After(time.Millisecond) // else another goroutine sends it
		}
		var once atomic.Bool
		_ = s.Conn().On("drain", func(...any) {
			if once.CompareAndSwap(false, true) {
				<-time.After(200 * time.Millisecond)
				close(held)
			}
		})
		_ = s.On("x", func(args ...any) {
			if len(args) > 0 {
				args[0].(socket.Ack)(nil, nil)
			}
		})
		next(nil)
	}
}

func TestEarlyEventBareHost(t *testing.T) {
	bare(t)
	held := make(chan struct{})
	s := siotest.NewServer(t, func(io *socket.Server) { io.Use(answering(held)) })
	c := s.Dial(t, siotest.Dial{Settled: true})
	c.Next(t) // the answer to CONNECT
	c.Emit("x")
	c.AwaitDone(t)
	<-held
}

func TestEarlyEvent(t *testing.T) {
	t.Parallel()
	for name, d := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			held := make(chan struct{})
			s := serve(t, func(io *socket.Server) {
				io.Use(pass)
				io.Use(answering(held))
			})
			c := s.Dial(t, d)
			c.Next(t)
			c.EmitAck(t, "x")
			<-held
		})
	}
}

func TestNextTwiceBareHost(t *testing.T) {
	bare(t)
	refusal := socket.NewExtendedError("no", nil)
	for name, calls := range map[string][]*socket.ExtendedError{"admits twice": {nil, nil}, "refuses, then admits": {refusal, nil}} {
		var connections atomic.Int32
		s := siotest.NewServer(t, func(io *socket.Server) {
			io.Use(func(_ *socket.Socket, next func(*socket.ExtendedError)) {
				for _, err := range calls {
					next(err)
				}
			})
			_ = io.On("connection", func(...any) { connections.Add(1) })
		})
		s.Dial(t, siotest.Dial{Settled: true})
		want := map[bool]int32{true: 2, false: 1}[calls[0] == nil]
		siotest.Eventually(t, name, func() bool { return connections.Load() == want })
	}
}

func TestNamespacesBareHost(t *testing.T) {
	bare(t)
	var runs, ended atomic.Int32
	s := siotest.NewServer(t, func(io *socket.Server) {
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			runs.Add(1)
			if s.Request().Request().Context().Err() == nil {
				t.Error("the context of the request is alive")
			}
			_ = s.On("disconnect", func(...any) { ended.Add(1) })
			_ = s.Emit("early") // reaches a client that is then refused
			next(socket.NewExtendedError("no", nil))
		})
		io.Of("/admin", nil)
	})
	c := s.Dial(t, siotest.Dial{Namespace: "/admin", Settled: true})
	c.Connected(t)
	const n = 1000
	for range n {
		c.Connect("/", nil)
		c.NextEvent(t, "early")
		c.ConnectError(t)
	}
	if runs.Load() != n {
		t.Errorf("%d runs", runs.Load())
	}
	c.Close()
	siotest.Eventually(t, "the session is over", func() bool { return s.IO.Engine().ClientsCount() == 0 })
	if ended.Load() != 0 {
		t.Errorf("disconnect for %d refused sockets", ended.Load())
	}
}

func TestConcurrentPacketsBareHost(t *testing.T) {
	bare(t)
	second := make(chan struct{})
	s := siotest.NewServer(t, func(io *socket.Server) {
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			s.Use(func(ev []any, next func(error)) {
				if ev[0] == "first" {
					<-second
				} else {
					close(second)
				}
				next(nil)
			})
			_ = s.On("first", func(args ...any) { args[0].(socket.Ack)(nil, nil) })
			next(nil)
		})
	})
	c := s.Dial(t, siotest.Dial{Settled: true})
	c.Connected(t)
	time.AfterFunc(20*time.Millisecond, func() { c.Emit("second") })
	c.EmitAck(t, "first")
}

func TestGhostBareHost(t *testing.T) {
	bare(t)
	current := make(chan *socket.Socket, 1)
	o := socket.DefaultServerOptions()
	o.SetAdapter(adapters(func(nsp socket.Namespace) socket.Adapter {
		return &closingAdapter{(&socket.AdapterBuilder{}).New(nsp), func() { (<-current).Conn().Close(true) }}
	}))
	s := siotest.Config{Options: o}.NewServer(t, func(io *socket.Server) {
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) { current <- s; next(nil) })
	})
	connected := make(chan *socket.Socket, 1)
	_ = s.IO.On("connection", func(args ...any) { connected <- args[0].(*socket.Socket) })
	s.Dial(t, siotest.Dial{Settled: true}).AwaitDone(t)
	ghost := <-connected
	if _, there := s.IO.Sockets().Sockets().Load(ghost.Id()); !there || !ghost.Connected() || ghost.Conn().ReadyState() != "closed" {
		t.Error("the ghost has gone")
	}
	ghost.Disconnect(false)
}

func TestDisconnectTwiceBareHost(t *testing.T) {
	bare(t)
	var ended atomic.Int32
	s := siotest.NewServer(t, func(io *socket.Server) {
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			var closing atomic.Bool
			_ = s.On("disconnecting", func(...any) {
				if closing.CompareAndSwap(false, true) {
					s.Conn().Close(true) // the client may do so just then
				}
			})
			_ = s.On("disconnect", func(...any) { ended.Add(1) })
			next(nil)
		})
	})
	c := s.Dial(t, siotest.Dial{Settled: true})
	c.Connected(t)
	c.Disconnect("/")
	siotest.Eventually(t, "two disconnects", func() bool { return ended.Load() == 2 })
}

// leaving has each client go while OPEN is on its way, before the engine listens.
func leaving(s *siotest.Server, gone chan<- engine.Socket) {
	_ = s.IO.Engine().On("flush", func(args ...any) {
		conn := args[0].(engine.Socket)
		conn.Transport().OnError("gone", nil)
		gone <- conn
	})
}

func TestForgottenSessionBareHost(t *testing.T) {
	bare(t)
	gone := make(chan engine.Socket, 1)
	s := siotest.NewServer(t, nil)
	leaving(s, gone)
	_, _ = s.Open(t, siotest.Dial{})
	conn := <-gone
	siotest.Eventually(t, "a session that is over", func() bool { return s.IO.Engine().ClientsCount() == 1 })
	<-time.After(50 * time.Millisecond)
	if n := s.IO.Engine().ClientsCount(); n != 1 || conn.ReadyState() != "closed" {
		t.Errorf("%d sessions", n)
	}
	conn.Emit("close", "transport close", nil)
}

func TestForgottenSession(t *testing.T) {
	t.Parallel()
	for name, d := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan engine.Socket, 1)
			s := serve(t, nil)
			leaving(s, gone)
			if c, err := s.Open(t, d); err == nil {
				c.Kill()
			}
			conn := <-gone
			siotest.Eventually(t, "no session is left", func() bool {
				_, there := s.IO.Engine().Clients().Load(conn.Id())
				return conn.ReadyState() == "closed" && !there && s.IO.Engine().ClientsCount() == 0
			})
		})
	}
}

func TestRecoveryBareHost(t *testing.T) {
	bare(t)
	o := socket.DefaultServerOptions()
	o.SetConnectionStateRecovery(&socket.ConnectionStateRecovery{})
	if !strings.HasPrefix(runtime.Version(), "go1.25") { // fine there, and else
		func() {
			defer func() {
				if recover() == nil {
					t.Error("NewServer does not panic")
				}
			}()
			socket.NewServer(nil, o)
		}()
	}
	// Missed packets are sent before any middleware runs.
	no := false
	o, sessions := recovering(&no, []any{"missed"})
	s := siotest.Config{Options: o}.NewServer(t, func(io *socket.Server) {
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			if s.Recovered() {
				next(socket.NewExtendedError("revoked", nil))
				return
			}
			next(nil)
		})
	})
	d := lose(t, s, siotest.Dial{Settled: true}, sessions)
	c := s.Dial(t, d)
	c.NextEvent(t, "missed")
	c.ConnectError(t)
}

func TestRemoveListenerBareHost(t *testing.T) {
	bare(t)
	var ran bytes.Buffer
	e := events.New()
	var listeners []events.Listener
	for i := range 3 {
		listeners = append(listeners, func(...any) { fmt.Fprint(&ran, i) })
		_ = e.On("x", listeners[i])
	}
	e.RemoveListener("x", listeners[2])
	e.Emit("x")
	if ran.String() != "12" {
		t.Errorf("ran %s", &ran)
	}
}
