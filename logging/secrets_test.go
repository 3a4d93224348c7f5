package logging_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/socket.io/v2/socket"
)

// What must not be readable in a log.
const (
	secretToken = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZGEiLCJleHAiOjQ4MDAwMDAwMDB9.Zm9yZ2VkLXNpZ25hdHVyZS1mb3ItYS10ZXN0MTIz"
	secretWord  = "Tr0ub4dor-battery-staple"
)

// TestSecrets: wherever a client or the application puts a token or a password, neither
// is in any output.
func TestSecrets(t *testing.T) {
	out := new(sink)
	before := slog.Default()
	t.Cleanup(func() {
		slog.SetDefault(before)
		log.SetOutput(os.Stderr)
	})
	slog.SetDefault(slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug - 4})))
	for _, format := range []string{"json", "text"} {
		for _, d := range []siotest.Dial{{}, {Polling: true}, {EIO: 3}} {
			t.Run(fmt.Sprint(format, transport(d), d.EIO), func(t *testing.T) { secrets(t, out, format, d) })
		}
	}
	got := out.String()
	for _, piece := range []string{secretToken, secretWord, "Zm9yZ2VkLXNpZ25h", "eyJzdWIiOiJhZGEi", "dTpUcjB1YjRkb3I"} {
		if i := strings.Index(got, piece); i >= 0 {
			t.Errorf("%s is in the log: %s", piece, got[max(0, i-300):min(len(got), i+300)])
		}
	}
	for _, message := range []string{
		"handshake accepted", "handshake refused", "engine refused", "request", "socket connected", "socket refused",
		"socket disconnected", "socket fault", "event",
	} {
		if !strings.Contains(got, message) {
			t.Errorf("no record %q", message)
		}
	}
}

func secrets(t *testing.T, out *sink, format string, d siotest.Dial) {
	options := &slog.HandlerOptions{Level: slog.LevelDebug - 4}
	var h slog.Handler = slog.NewTextHandler(out, options)
	if format == "json" {
		h = slog.NewJSONHandler(out, options)
	}
	o := new(observer)
	l, err := logging.New(slog.New(h), &logging.Options{
		Events: &logging.Sample{First: 1000}, Observer: o,
		User:  func(*socket.Socket) (string, bool) { return "ada " + secretToken, true },
		Attrs: func(*socket.Socket) []slog.Attr { return []slog.Attr{slog.String("session_id", secretWord)} },
	})
	if err != nil {
		t.Fatal(err)
	}
	cause := fmt.Errorf("store: dial redis://u:%s@cache:6379: bad token %s, password=%s", secretWord, secretToken, secretWord)
	refuse := func(s *socket.Socket) error {
		switch s.Handshake().Headers["X-Do"] {
		case nil:
			return nil
		default:
			switch s.Handshake().Headers["X-Do"][0] {
			case "refuse":
				return &wrap.Error{Code: "forbidden", Err: cause}
			case "panic":
				panic("token=" + secretWord + " " + secretToken)
			}
		}
		return nil
	}
	o2 := socket.DefaultServerOptions()
	o2.SetAllowEIO3(true)
	s := siotest.Config{
		Options: wrap.Harden(o2), Engine: func(e engine.BaseServer) { l.Engine(e) },
		Handler: func(h http.Handler) http.Handler {
			return wrap.Handler(h, l.Handler, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					switch r.Header.Get("X-Do") {
					case "http":
						(&wrap.Error{Code: "token_invalid", Err: cause}).ServeHTTP(w, r)
					case "http panic":
						panic(cause)
					default:
						next.ServeHTTP(w, r)
					}
				})
			})
		},
	}.NewServer(t, func(io *socket.Server) {
		wrap.UseAll(io, l.Middleware(), wrap.Func(func(_ context.Context, s *socket.Socket) error { return refuse(s) }),
			wrap.Packet(func(_ context.Context, _ *socket.Socket, e *wrap.Event) error {
				switch e.Name {
				case "refuse":
					return &wrap.Error{Code: "forbidden", Err: cause}
				case "fault":
					panic(cause)
				}
				return nil
			}))
		io.Of(regexp.MustCompile("^/room-.*$"), nil)
		_ = io.On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			logger, _ := l.From(s)
			logger.Info("handshake", "handshake", s.Handshake(), "auth", s.Handshake().Auth, "headers", s.Request().Headers().All())
			_ = s.On("end", func(...any) {
				_ = s.On("disconnecting", func(...any) { panic(cause) })
				wrap.Kick(s, &wrap.Error{Code: "replaced", Err: cause})
			})
		})
	})
	d.Header = http.Header{
		"Authorization": {"Bearer " + secretToken}, "Cookie": {"sid=" + secretWord + "; jwt=" + secretToken},
		"Referer": {"https://u:" + secretWord + "@example.com/reset/" + secretToken + "?password=" + secretWord},
		"Origin":  {"https://u:" + secretWord + "@example.com"}, "User-Agent": {"client/1 Bearer " + secretToken},
	}
	d.Query = url.Values{"token": {secretToken}, "password": {secretWord}}
	if d.EIO != 3 {
		d.Auth = object{"token": secretToken, "nested": object{"password": secretWord, "list": []any{secretToken}}}
	}
	for _, do := range []string{"refuse", "panic", "http", "http panic"} {
		d := d
		d.Header = d.Header.Clone()
		d.Header.Set("X-Do", do)
		if c, err := s.Open(t, d); err == nil {
			if d.EIO != 3 {
				c.Connect("/", d.Auth)
			}
			c.ConnectError(t)
			c.Kill()
		}
	}
	for _, query := range []string{"&EIO=1", "&sid=" + secretWord, "&transport=" + secretToken} {
		if resp, err := http.Get(s.Endpoint(siotest.Dial{Polling: true, Query: d.Query}) + query); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}
	c := s.Dial(t, d)
	c.Connected(t)
	if d.EIO != 3 {
		c.Connect("/room-"+secretToken, d.Auth)
		c.Connected(t)
	}
	for _, name := range []string{
		"login " + secretToken, `{"password":"` + secretWord + `"}`, "token=" + secretWord, "refuse", "fault",
		strings.Repeat("x", 50) + " " + secretToken, "access_token=" + strings.Repeat(secretWord, 5),
	} {
		c.Emit(name, secretToken, object{"password": secretWord})
	}
	siotest.Eventually(t, "events", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.events) == 7
	})
	c.Emit("end")
	siotest.Eventually(t, "the end", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.closed) > 0
	})
	c.Close()
	if d.EIO != 3 {
		o.mu.Lock()
		told, err := json.Marshal(o.opened)
		o.mu.Unlock()
		if err != nil || strings.Contains(string(told), secretToken) {
			t.Errorf("observed %s, %v", told, err)
		}
	}

	page := l.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Do") == "panic" {
			panic(errors.Join(cause))
		}
	}))
	web := httptest.NewUnstartedServer(page)
	web.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(out, nil), slog.LevelError)
	web.Start()
	defer web.Close()
	for _, do := range []string{"", "panic"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", web.URL+"/reset/"+secretToken+"?password="+secretWord, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = d.Header.Clone()
		r.Header.Set("X-Do", do)
		if resp, err := http.DefaultClient.Do(r); err == nil {
			resp.Body.Close()
		}
	}
}
