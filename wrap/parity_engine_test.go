package wrap_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/engine.io/v2/utils"
	"github.com/zishang520/socket.io/v2/socket"
)

// eachPlace runs f with a config, containing mws, for each place that answers HTTP. The
// host writes into options, so each server needs its own.
func eachPlace(t *testing.T, set func(o *socket.ServerOptions), f func(t *testing.T, c siotest.Config), mws ...wrap.Middleware) {
	for _, p := range places[:3] {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			c := siotest.Config{Options: wrap.Harden(nil)}
			if set != nil {
				set(c.Options)
			}
			p.add(&c, mws)
			f(t, c)
		})
	}
}

// Rows 20, 21: the host's own CORS.
func TestParityCORS(t *testing.T) {
	t.Parallel()
	set := func(o *socket.ServerOptions) {
		o.SetCors(&types.Cors{
			Origin: "http://localhost:54023", Methods: []string{"GET", "POST"}, AllowedHeaders: []string{"content-type"}, Credentials: true,
		})
	}
	eachPlace(t, set, func(t *testing.T, c siotest.Config) {
		s := c.NewServer(t, nil)
		want := map[string]string{
			"Access-Control-Allow-Origin": "http://localhost:54023", "Access-Control-Allow-Credentials": "true",
			"Access-Control-Allow-Methods": "GET,POST", "Access-Control-Allow-Headers": "content-type", "Vary": "Origin",
		}
		for method, status := range map[string]int{"OPTIONS": 204, "GET": 200} {
			res, body := request(t, method, s.URL+siotest.Path+"?EIO=4&transport=polling", nil, http.Header{"Origin": {"http://localhost:54023"}})
			if res.StatusCode != status || (method == "OPTIONS") != (body == "") {
				t.Errorf("%s: %d %q", method, res.StatusCode, body)
			}
			for k, v := range want {
				if preflight := strings.HasSuffix(k, "-Methods") || strings.HasSuffix(k, "Allow-Headers"); preflight && method == "GET" {
					v = ""
				}
				if got := strings.Join(res.Header.Values(k), "|"); got != v {
					t.Errorf("%s: %s %q, want %q", method, k, got, v)
				}
			}
		}
	})
}

// Rows 22, 23, 41.
func TestParityAllowRequest(t *testing.T) {
	t.Parallel()
	set := func(o *socket.ServerOptions) {
		o.SetAllowRequest(func(ctx *types.HttpContext) error {
			if ctx.Request().Header.Get("X-In") == "" {
				return errors.New("Thou shall not pass")
			}
			return nil
		})
	}
	eachPlace(t, set, func(t *testing.T, c siotest.Config) {
		s := c.NewServer(t, nil)
		for _, polling := range []bool{true, false} {
			d := siotest.Dial{Polling: polling}
			_, err := s.Open(t, d)
			var re *siotest.RefusedError
			if !errors.As(err, &re) || re.Status != 403 || re.Body != `{"code":4,"message":"Thou shall not pass"}` {
				t.Errorf("polling %t: %v", polling, err)
			}
			d.Header = http.Header{"X-In": {"1"}}
			s.Dial(t, d).Connected(t)
		}
	}, before(func(h http.Header) { h.Set("X-Chain", "1") }))
}

// Rows 33, 34: a failing middleware of the engine beside ours.
func TestParityEngineError(t *testing.T) {
	t.Parallel()
	eachPlace(t, nil, func(t *testing.T, c siotest.Config) {
		inner := c.Engine
		c.Engine = func(e engine.BaseServer) {
			if inner != nil {
				inner(e)
			}
			e.Use(func(_ *types.HttpContext, next func(error)) { next(errors.New("hunter2")) })
		}
		s := c.NewServer(t, nil)
		for _, polling := range []bool{true, false} {
			_, err := s.Open(t, siotest.Dial{Polling: polling})
			var re *siotest.RefusedError
			if !errors.As(err, &re) || re.Status != 400 || strings.Contains(re.Body, "hunter2") {
				t.Errorf("polling %t: %v", polling, err)
			}
		}
		if n := s.IO.Engine().ClientsCount(); n != 0 {
			t.Errorf("%d sessions", n)
		}
	}, before(func(http.Header) {}))
}

// Row 35.
func TestParityOversize(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(o *socket.ServerOptions) { o.SetMaxHttpBufferSize(1000) }, func(t *testing.T, c siotest.Config) {
		var got atomic.Int32
		s := c.NewServer(t, func(io *socket.Server) {
			_ = io.On("connection", func(args ...any) {
				_ = args[0].(*socket.Socket).On("x", func(args ...any) {
					got.Add(1)
					args[len(args)-1].(socket.Ack)(nil, nil)
				})
			})
		})
		for _, polling := range []bool{true, false} {
			c := s.Dial(t, siotest.Dial{Polling: polling})
			c.Connected(t)
			c.EmitAck(t, "x", strings.Repeat("x", 900))
			c.Emit("x", strings.Repeat("x", 1000))
			c.AwaitDone(t)
		}
		if n := got.Load(); n != 2 {
			t.Errorf("%d messages, want 2", n)
		}
	}, before(func(http.Header) {}))
}

// Rows 36 to 40: the header events of the host keep working over long-polling.
func TestParityHeaderEvents(t *testing.T) {
	t.Parallel()
	eachPlace(t, nil, func(t *testing.T, c siotest.Config) {
		s := c.NewServer(t, nil)
		for _, event := range []string{"initial_headers", "headers"} {
			_ = s.IO.Engine().On(types.EventName(event), func(args ...any) {
				args[0].(*utils.ParameterBag).Set("X-"+event, "1")
			})
		}
		u := s.URL + siotest.Path + "?EIO=4&transport=polling"
		open, body := request(t, "GET", u, nil, nil)
		_, rest, _ := strings.Cut(body, `"sid":"`)
		sid, _, _ := strings.Cut(rest, `"`)
		post, _ := request(t, "POST", u+"&sid="+sid, strings.NewReader("40"), nil)
		poll, _ := request(t, "GET", u+"&sid="+sid, nil, nil)
		for name, res := range map[string]*http.Response{"open": open, "post": post, "poll": poll} {
			if res.StatusCode != 200 || res.Header.Get("X-Headers") != "1" || res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d %v", name, res.StatusCode, res.Header)
			}
			if initial := res.Header.Get("X-Chain"); (initial != "") != (name == "open") && t.Name()[len(t.Name())-5:] != "Every" {
				t.Errorf("%s: header of the chain %q", name, initial)
			}
		}
		if open.Header.Get("X-Initial_headers") != "1" {
			t.Errorf("initial_headers: %v", open.Header)
		}
		ws := s.Dial(t, siotest.Dial{})
		ws.Connected(t)
		if ws.Handshake.Header.Get("X-Chain") != "1" {
			t.Errorf("WebSocket: %v", ws.Handshake.Header)
		}
		request(t, "POST", u+"&sid="+sid, strings.NewReader("1"), nil)
	}, before(func(h http.Header) { h.Set("X-Chain", "1") }))
}
