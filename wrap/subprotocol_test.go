package wrap_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/internal/mark"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/types"
)

// A chain may choose one of the subprotocols that the client offers.
func TestSubprotocol(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		offer []string
		set   []string
		want  string
	}{
		"offered":           {[]string{"bearer", "token123"}, []string{"bearer"}, "bearer"},
		"second":            {[]string{"a", "b"}, []string{"b"}, "b"},
		"not offered":       {[]string{"a"}, []string{"b"}, ""},
		"none offered":      {nil, []string{"bearer"}, ""},
		"none set":          {[]string{"a"}, nil, ""},
		"two set":           {[]string{"a", "b"}, []string{"a", "b"}, ""},
		"list set":          {[]string{"a", "b"}, []string{"a, b"}, ""},
		"other case":        {[]string{"bearer"}, []string{"Bearer"}, ""},
		"empty":             {[]string{"a"}, []string{""}, ""},
		"empty, none":       {nil, []string{""}, ""},
		"followed by lines": {[]string{"a"}, []string{"a\r\nX-Evil: 1"}, ""},
	} {
		for _, p := range places[:3] {
			for _, key := range []string{"Sec-Websocket-Protocol", "Sec-WebSocket-Protocol"} {
				t.Run(name+"/"+p.name+"/"+key, func(t *testing.T) {
					t.Parallel()
					r := newRig(t, p, siotest.Dial{}, []wrap.Middleware{mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
						if tt.set != nil {
							w.Header()[key] = tt.set
						}
						r.Header.Del("Sec-WebSocket-Protocol") // it held a token
						next.ServeHTTP(w, r)
					})})
					d := websocket.Dialer{Subprotocols: tt.offer}
					ws, res, err := d.Dial("ws"+r.URL[4:]+siotest.Path+"?EIO=4&transport=websocket", nil)
					if err != nil {
						t.Fatal(err)
					}
					defer ws.Close()
					if got := res.Header["Sec-Websocket-Protocol"]; ws.Subprotocol() != tt.want || len(got) > 1 || (tt.want == "" && len(got) > 0) {
						t.Errorf("subprotocol %q, header %q, want %q", ws.Subprotocol(), got, tt.want)
					}
					settle(t, r.Server, ws)
				})
			}
		}
	}
}

// settle reads OPEN, and waits until the host listens to the session.
func settle(t *testing.T, s *siotest.Server, ws *websocket.Conn) {
	t.Helper()
	_, data, err := ws.ReadMessage()
	var open struct{ SID string }
	if err != nil || len(data) == 0 || json.Unmarshal(data[1:], &open) != nil {
		t.Fatalf("not OPEN: %q, %v", data, err)
	}
	s.Settle(t, open.SID)
}

// A subprotocol chosen by a middleware of the engine itself is not sent twice.
func TestSubprotocolTwice(t *testing.T) {
	t.Parallel()
	choose := mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Sec-WebSocket-Protocol", "a")
		next.ServeHTTP(w, r)
	})
	s := siotest.Config{
		Options: wrap.Harden(nil),
		Handler: func(h http.Handler) http.Handler { return wrap.Handler(h, choose) },
		Engine: func(e engine.BaseServer) {
			e.Use(func(ctx *types.HttpContext, next func(error)) {
				ctx.ResponseHeaders.Set("Sec-Websocket-Protocol", "b")
				next(nil)
			})
		},
	}.NewServer(t, nil)
	d := websocket.Dialer{Subprotocols: []string{"a", "b"}}
	ws, res, err := d.Dial("ws"+s.URL[4:]+siotest.Path+"?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	if got := res.Header["Sec-Websocket-Protocol"]; len(got) != 1 || got[0] != "b" {
		t.Errorf("header %q", got)
	}
}

// The mark says that wrap is running a chain, only while it is, and nothing else says so.
func TestMark(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		type seen struct{ before, after, opens bool }
		runs := make(chan seen, 64)
		var kept context.Context
		r := start(mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			s := seen{before: mark.Connecting(ctx), opens: wrap.IsHandshake(r)}
			next.ServeHTTP(w, r)
			if s.opens {
				kept = ctx
			}
			s.after = mark.Connecting(ctx)
			runs <- s
		}))
		_, s := r.admitted(t)
		if got := <-runs; got != (seen{true, true, true}) {
			t.Errorf("on the handshake: %+v", got)
		}
		siotest.Eventually(t, "the chain has returned, and nothing says that it runs", func() bool {
			return !mark.Connecting(kept) && !mark.Connecting(wrap.Context(s)) && !mark.Connecting(wrap.Request(s).Context())
		})
		for len(runs) > 0 {
			if got := <-runs; got.before && !got.opens {
				t.Error("connecting on a poll")
			}
		}
	})
}

// A request that does not reach wrap has no mark, whatever it looks like.
func TestMarkElsewhere(t *testing.T) {
	t.Parallel()
	var connecting, ran bool
	s := siotest.Config{Handler: func(h http.Handler) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/socket.io/", wrap.Handler(h))
		mux.HandleFunc("/socket.io/api/", func(_ http.ResponseWriter, r *http.Request) {
			connecting, ran = mark.Connecting(r.Context()), true
		})
		return mux
	}}.NewServer(t, nil)
	res, err := http.Get(s.URL + "/socket.io/api/?EIO=4&transport=polling")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if !ran || connecting || mark.Connecting(context.Background()) {
		t.Errorf("ran %t, connecting %t", ran, connecting)
	}
}
