package wrap_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
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
	"github.com/zishang520/socket.io/v2/socket"
)

// queries are handshakes (true) or not, as the engine sees them.
var queries = map[string]bool{
	"":                       true,
	"sid":                    true,
	"sid=":                   true,
	"s%69d=":                 true,
	"sid=x&sid=":             true,
	"sid=x&sid":              true,
	"sid=LIVE&sid=":          true,
	"%73id=x&sid=":           true,
	"sid=x;":                 true,
	"sid=LIVE;a=b":           true,
	"sid=%zz":                true,
	"SID=x":                  true,
	"sid[]=x":                true,
	"sid=x&sid=x&sid=":       true,
	"sid=x":                  false,
	"sid=LIVE":               false,
	"sid=&sid=x":             false,
	"sid=&sid=LIVE":          false,
	"sid=%20":                false,
	"sid=+":                  false,
	"sid=%00":                false,
	"sid=x%26sid=":           false,
	"sid==":                  false,
	"sid=x&sid=%zz":          false,
	"sid=x&sid=;":            false,
	"sid=LIVE&transport=x":   false,
	"sid=x&=":                false,
	"sid=%F0%9F%98%80&%ff=1": false,
}

func TestIsHandshake(t *testing.T) {
	t.Parallel()
	for query, want := range queries {
		for method, ok := range map[string]bool{"GET": true, "get": true, "POST": false, "HEAD": false, "OPTIONS": false, "PUT": false} {
			r := httptest.NewRequest("GET", siotest.Path+"?EIO=4&transport=polling&"+query, nil)
			r.Method = method
			if got := wrap.IsHandshake(r); got != (want && ok) {
				t.Errorf("%s %s: %v", method, query, got)
			}
		}
	}
}

// The engine's verdict: it opens a session, or says why not.
func TestIsHandshakeIsTheEngines(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	live := s.Dial(t, siotest.Dial{Polling: true, NoConnect: true})
	for query, want := range queries {
		query = strings.ReplaceAll(query, "LIVE", live.SID)
		if strings.HasSuffix(query, "="+live.SID) {
			continue // a poll, which waits
		}
		before := s.IO.Engine().ClientsCount()
		res, err := http.Get(s.URL + siotest.Path + "?EIO=4&transport=polling&" + query)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if got := s.IO.Engine().ClientsCount() > before; got != want || got != (res.StatusCode == 200) {
			t.Errorf("%s: handshake %v, want %v: %d %s", query, got, want, res.StatusCode, body)
		}
	}
}

func FuzzIsHandshake(f *testing.F) {
	for query := range queries {
		f.Add("GET", query)
	}
	f.Add("get", "a=1&"+strings.Repeat("b&", 20_000)+"sid=x") // more than net/url reads
	f.Fuzz(func(t *testing.T, method, query string) {
		r := &http.Request{Method: method, URL: &url.URL{Path: siotest.Path, RawQuery: query}, Header: http.Header{}}
		// The engine's own code: base-server.go reads Query().Peek("sid") and
		// Method(), as NewHttpContext sets them up.
		r = r.WithContext(t.Context())
		ctx := types.NewHttpContext(httptest.NewRecorder(), r)
		defer ctx.Flush()
		want := ctx.Query().Peek("sid") == "" && ctx.Method() == http.MethodGet
		if got := wrap.IsHandshake(r); got != want {
			t.Errorf("%q %q: %v, the engine says %v", method, query, got, want)
		}
	})
}

// Only handshakes run the chain, and every handshake does, whatever its query looks like.
func TestHandlerHandshakeOnly(t *testing.T) {
	t.Parallel()
	for _, p := range places[:2] {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			var runs atomic.Int32
			r := newRig(t, p, siotest.Dial{Polling: true}, []wrap.Middleware{
				mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
					runs.Add(1)
					next.ServeHTTP(w, r)
				}),
			})
			c, s := r.admitted(t)
			_ = s.On("echo", func(args ...any) { args[1].(socket.Ack)(args[:1], nil) })
			c.EmitAck(t, "echo", 1)
			c.Upgrade(t)
			c.EmitAck(t, "echo", 2)
			if n := runs.Load(); n != 1 {
				t.Errorf("%d runs for one session with posts, polls and an upgrade", n)
			}
			for _, method := range []string{"OPTIONS", "POST", "PUT", "HEAD", "DELETE"} {
				req, _ := http.NewRequest(method, r.URL+siotest.Path+"?EIO=4&transport=polling", strings.NewReader("x"))
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if res.StatusCode != 400 {
					t.Errorf("%s without sid: %d", method, res.StatusCode)
				}
			}
			if n := runs.Load(); n != 1 {
				t.Errorf("%d runs: requests that open nothing ran the chain", n)
			}
			refuse := runs.Load()
			for query, want := range queries {
				if !want {
					continue
				}
				for _, transport := range []string{"polling", "websocket"} {
					c := r.Dial(t, siotest.Dial{Polling: transport == "polling", RawQuery: query})
					c.Connected(t)
					c.Close()
					if refuse++; runs.Load() != refuse {
						t.Fatalf("%s %s: a session without its middleware", transport, query)
					}
				}
			}
		})
	}
}

// What is composed around Handler reaches every response, with complete lists.
func TestHandlerOuterHeaders(t *testing.T) {
	t.Parallel()
	outer := before(func(h http.Header) {
		h.Add("Vary", "Origin")
		h.Add("Vary", "Accept")
		h.Set("Access-Control-Allow-Origin", "https://app.example.com")
		h["X-Nothing"] = nil
		h["Date"] = nil
	})
	for name, inner := range map[string]func(http.Handler) http.Handler{
		"Handler": func(h http.Handler) http.Handler { return wrap.Handler(h) },
		"Engine":  func(h http.Handler) http.Handler { h.(engine.BaseServer).Use(wrap.Engine()); return h },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := siotest.Config{Handler: func(h http.Handler) http.Handler { return outer(inner(h)) }}.NewServer(t, nil)
			for _, polling := range []bool{true, false} {
				var c *siotest.Client
				if polling {
					c = polled(t, s) // none of its own POSTs is in progress below
				} else {
					c = s.Dial(t, siotest.Dial{})
					c.Connected(t)
				}
				check := func(what string, h http.Header) {
					t.Helper()
					if !slices.Equal(h.Values("Vary"), []string{"Origin", "Accept"}) || h.Get("Access-Control-Allow-Origin") == "" {
						t.Errorf("%s (polling %v): header %v", what, polling, h)
					}
				}
				check("handshake", c.Handshake.Header)
				if !polling {
					continue
				}
				for _, method := range []string{"POST", "PUT"} {
					req, _ := http.NewRequest(method, s.URL+siotest.Path+"?EIO=4&transport=polling&sid="+c.SID, strings.NewReader("6"))
					res, err := http.DefaultClient.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					res.Body.Close()
					check(method, res.Header)
				}
				c.Upgrade(t)
				check("upgrade", c.UpgradeResponse.Header)
			}
		})
	}
}

// The engine's own cookie and CORS join those of the chain.
func TestHandlerEngineHeaders(t *testing.T) {
	t.Parallel()
	for _, p := range places[:3] {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			o := wrap.Harden(nil)
			o.SetCookie(&http.Cookie{Name: "io", Value: "1"})
			o.SetCors(&types.Cors{Origin: "https://app.example.com", Credentials: true})
			c := siotest.Config{Options: o}
			p.add(&c, []wrap.Middleware{before(func(h http.Header) {
				h.Add("Set-Cookie", "a=1")
				h.Add("Set-Cookie", "b=2")
				h.Add("Vary", "Accept")
			})})
			s := c.NewServer(t, nil)
			client := s.Dial(t, siotest.Dial{Polling: true})
			client.Connected(t)
			h := client.Handshake.Header
			cookies := fmt.Sprint(h.Values("Set-Cookie"))
			for _, want := range []string{"a=1", "b=2", "io=1"} {
				// At Engine the host replaces all other cookies with its own, long after
				// the chain has returned.
				if !strings.Contains(cookies, want) && p.name == "Handler" {
					t.Errorf("cookies %s, want %s too", cookies, want)
				}
			}
			vary := strings.Join(h.Values("Vary"), ",")
			if !strings.Contains(vary, "Origin") || !strings.Contains(vary, "Accept") {
				t.Errorf("Vary: %s", vary)
			}
			if got := h.Values("Access-Control-Allow-Origin"); !slices.Equal(got, []string{"https://app.example.com"}) {
				t.Errorf("allowed origins %q", got)
			}
		})
	}
}

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
