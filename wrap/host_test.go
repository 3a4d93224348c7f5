package wrap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// These tests show what v2.5.0 of the host does without this package, for docs/host.md.
// One that fails says which workaround may be dropped:
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

// hangs reports whether a request stays unanswered for a moment.
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
		h := s.Dial(t, siotest.Dial{Polling: polling}).Handshake.Header
		if !slices.Equal(h.Values("Set-Cookie"), want) || (h.Get("X-Engine") != "") != polling {
			t.Errorf("polling %t: %v", polling, h)
		}
	}
}

// A POST that ends its session is answered as if there had been too many requests.
func TestClosingPostBareHost(t *testing.T) {
	bare(t)
	s := siotest.Config{}.NewServer(t, func(*socket.Server) {})
	for _, body := range []string{"42", "4", "2probe"} {
		if res, text := request(t, "POST", openPoll(t, s), strings.NewReader(body), nil); res.StatusCode != 429 || text != "" {
			t.Errorf("%s: %d %q", body, res.StatusCode, text)
		}
	}
}

// A session that ends just as a poll arrives may end 30 seconds later: the host looks for a
// poll, and then says that the next one is to end it.
func TestClosingPollBareHost(t *testing.T) {
	bare(t)
	var late atomic.Int32
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for range 500 {
				siotest.Config{}.NewServer(t, func(io *socket.Server) {
					_ = io.On("connection", func(args ...any) {
						since := time.Now()
						_ = args[0].(*socket.Socket).On("disconnect", func(...any) {
							if time.Since(since) > 20*time.Second {
								late.Add(1)
							}
						})
					})
				}).Dial(t, siotest.Dial{Polling: true}).Send("42garbage")
			}
		})
	}
	all.Wait()
	siotest.Eventually(t, "a session ends late", func() bool { return late.Load() > 0 })
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
		if got := s.Dial(t, siotest.Dial{Polling: polling}).Handshake.Header.Values("Set-Cookie"); len(got) != 1 || !strings.HasPrefix(got[0], want) {
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

	// A truncated body is accepted as complete.
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
	c := s.Dial(t, siotest.Dial{})
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

// Harden must switch compression on, and Handler refuses it; an application that sets its
// own threshold gets it.
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
	c := s.Dial(t, siotest.Dial{})
	c.Connected(t)
	const n = 1000
	for range n {
		s.IO.Emit("n")
	}
	<-time.After(100 * time.Millisecond) // otherwise the mark is lost too
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
