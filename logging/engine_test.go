package logging_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/socket.io/v2/socket"
)

// TestEngine: what the host itself refuses, with and without the Handler.
func TestEngine(t *testing.T) {
	t.Parallel()
	for _, handler := range []bool{true, false} {
		for _, c := range []struct {
			name, query, level, text string
			code                     int
			handshake                bool
		}{
			{"version", "?EIO=2&transport=polling", "WARN", "Unsupported protocol version", 4, true},
			{"transport", "?EIO=4&transport=carrier-pigeon", "WARN", "Transport unknown", 0, true},
			{"sid", "?EIO=4&transport=polling&sid=unknown", "INFO", "Session ID unknown", 1, false},
			{"transport of a session", "?EIO=4&transport=carrier-pigeon&sid=unknown", "INFO", "Transport unknown", 0, false},
		} {
			t.Run(fmt.Sprint(c.name, handler), func(t *testing.T) {
				t.Parallel()
				o := new(observer)
				l, log := newLogger(t, slog.LevelDebug, &logging.Options{Observer: o})
				var mws []wrap.Middleware
				if handler {
					mws = append(mws, l.Handler)
				}
				s := siotest.Config{
					Options: wrap.Harden(nil), Engine: l.Engine,
					Handler: func(h http.Handler) http.Handler { return wrap.Handler(h, mws...) },
				}.NewServer(t, nil)
				resp, err := http.Get(s.URL + siotest.Path + c.query)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				message := "engine refused"
				if handler && c.handshake {
					message = "handshake refused"
				}
				check(t, log.one(t, message), object{
					"level": c.level, "by": "engine", "code": fmt.Sprint("engine_", c.code), "error": c.text, "status": 400,
				})
				if n := len(log.all(t)); n != 1 {
					t.Errorf("%d records:\n%s", n, log)
				}
				o.mu.Lock()
				defer o.mu.Unlock()
				if len(o.refused) != 1 || o.refused[0].By != "engine" || o.refused[0].Status != 400 {
					t.Errorf("observed %+v", o.refused)
				}
			})
		}
	}
}

// TestEngineOutside: around everything, each request has one record.
func TestEngineOutside(t *testing.T) {
	t.Parallel()
	l, log := newLogger(t, slog.LevelDebug, nil)
	s := siotest.Config{
		Options: wrap.Harden(nil), Engine: l.Engine,
		Handler: func(h http.Handler) http.Handler { return l.Handler(wrap.Handler(h)) },
	}.NewServer(t, func(io *socket.Server) { io.Use(l.Middleware()) })
	s.Dial(t, siotest.Dial{}).Connected(t)
	check(t, log.one(t, "request"), object{"status": 101})
	resp, err := http.Get(s.URL + siotest.Path + "?EIO=4&transport=polling&sid=unknown")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	check(t, log.wait(t, 2, "request")[1], object{"status": 400, "code": "engine_1", "by": "engine", "level": "INFO"})
}

// TestInEngine: the same if run by the engine's own middleware.
func TestInEngine(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, d siotest.Dial) {
		l, log := newLogger(t, slog.LevelDebug, nil)
		refuse := func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("X-Do") != "" {
					(&wrap.Error{Code: "forbidden"}).ServeHTTP(w, r)
					return
				}
				next.ServeHTTP(w, r)
			})
		}
		s := siotest.Config{
			Options: wrap.Harden(nil), Engine: func(e engine.BaseServer) { l.Engine(e); e.Use(wrap.Engine(l.Handler, refuse)) },
		}.NewServer(t, func(io *socket.Server) { io.Use(l.Middleware()) })
		c := s.Dial(t, d)
		c.Connected(t)
		shook := log.one(t, "handshake accepted")
		check(t, shook, object{"status": map[bool]int{false: 101, true: 200}[d.Polling], "conn.transport": transport(d)})
		check(t, log.one(t, "socket connected"), object{"conn.id": shook["conn"].(object)["id"]})
		d.Header = http.Header{"X-Do": {"refuse"}}
		if _, err := s.Open(t, d); err == nil {
			t.Error("not refused")
		}
		check(t, log.one(t, "handshake refused"), object{"status": 403, "code": "forbidden"})
		if got := log.all(t, "engine refused"); len(got) != 0 {
			t.Errorf("also: %v", got)
		}
	})
}

// TestEngineUpgraded: a refusal by the host after the connection has become a WebSocket
// has the status that its client has seen, with and without the Handler.
func TestEngineUpgraded(t *testing.T) {
	t.Parallel()
	for _, handler := range []bool{true, false} {
		o := new(observer)
		l, log := newLogger(t, slog.LevelDebug, &logging.Options{Observer: o})
		var mws []wrap.Middleware
		message := "engine refused"
		if handler {
			mws, message = append(mws, l.Handler), "handshake refused"
		}
		s := siotest.Config{
			Options: wrap.Harden(nil), Engine: l.Engine,
			Handler: func(h http.Handler) http.Handler { return wrap.Handler(h, mws...) },
		}.NewServer(t, nil)
		var refused *siotest.RefusedError
		if _, err := s.Open(t, siotest.Dial{EIO: 3}); !errors.As(err, &refused) || refused.Status != 101 {
			t.Errorf("refused: %v", err)
		}
		check(t, log.one(t, message), object{"level": "WARN", "by": "engine", "code": "engine_4", "status": 101})
		o.mu.Lock()
		if len(o.refused) != 1 || o.refused[0].Status != 101 {
			t.Errorf("observed %+v", o.refused)
		}
		o.mu.Unlock()
	}
}

// TestNotUpgraded: a WebSocket handshake that a middleware answers with 200 does not
// count as accepted.
func TestNotUpgraded(t *testing.T) {
	t.Parallel()
	o := new(observer)
	l, log := newLogger(t, slog.LevelDebug, &logging.Options{Observer: o})
	s := serve(t, l, nil, l.Handler, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "closed for today") })
	})
	if _, err := s.Open(t, siotest.Dial{}); err == nil {
		t.Error("upgraded")
	}
	check(t, log.one(t, "handshake refused"), object{"level": "WARN", "status": 200, "code": "http_200"})
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.refused) != 1 || o.refused[0].Code != "http_200" {
		t.Errorf("observed %+v", o.refused)
	}
}

// TestEngineTooEarly: before io.ServeHandler there is no engine.
func TestEngineTooEarly(t *testing.T) {
	t.Parallel()
	l, _ := newLogger(t, slog.LevelInfo, nil)
	defer func() {
		if got := fmt.Sprint(recover()); !strings.Contains(got, "call io.ServeHandler(nil) first") {
			t.Error(got)
		}
	}()
	l.Engine(socket.NewServer(nil, nil).Engine())
}
