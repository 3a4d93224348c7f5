package prommetrics_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/logging/prommetrics"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// scrape returns the non-zero samples, as Prometheus gets them, except those that depend
// on how long something took, or on how the host frames it.
func scrape(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res.Status, err)
	}
	var out []string
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "#") && !strings.HasSuffix(line, " 0") && !strings.Contains(line, "_bucket") && !strings.Contains(line, "_sum") && !strings.Contains(line, "_bytes_") {
			out = append(out, strings.TrimPrefix(line, "sioware_"))
		}
	}
	return strings.Join(out, "\n")
}

// Real sockets behind a Logger, scraped over HTTP.
func TestScrape(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]siotest.Dial{"websocket": {}, "polling": {Polling: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, reg := fresh(t, &prommetrics.Options{Events: []string{"say"}, Codes: []string{"room_full"}, Namespaces: []string{"/chat"}})
			page := httptest.NewServer(promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
			t.Cleanup(page.Close)
			l, err := logging.New(slog.New(slog.DiscardHandler), &logging.Options{Observer: m})
			if err != nil {
				t.Fatal(err)
			}
			s := siotest.Config{
				Options: wrap.Harden(nil),
				Handler: func(h http.Handler) http.Handler { return wrap.Handler(h, l.Handler) },
				Engine:  l.Engine,
			}.NewServer(t, func(io *socket.Server) {
				wrap.UseAll(io, l.Middleware(), wrap.Packet(func(_ context.Context, _ *socket.Socket, e *wrap.Event) error {
					switch e.Name {
					case "soon":
						return &wrap.Error{Code: "rate_limited"}
					case "mine":
						e.Ack([]any{"ok"}, nil)
						return wrap.ErrHandled
					}
					return nil
				}))
				for _, name := range []string{"/", "/chat", "/hall"} {
					_ = io.Of(name, nil).On("connection", func(args ...any) {
						_ = args[0].(*socket.Socket).On("say", func(args ...any) { args[len(args)-1].(socket.Ack)([]any{"ok"}, nil) })
					})
				}
				io.Of("/full", nil).Use(wrap.Named("doorman", wrap.Func(func(context.Context, *socket.Socket) error {
					return &wrap.Error{Code: "room_full"}
				})))
			})
			c := s.Dial(t, d)
			c.Connected(t)
			for _, nsp := range []string{"/chat", "/hall"} {
				c.Connect(nsp, nil)
				c.Connected(t)
			}
			c.Connect("/full", nil)
			c.ConnectError(t)
			if _, err := s.Open(t, siotest.Dial{Polling: true, EIO: 9}); err == nil {
				t.Error("a protocol that does not exist")
			}
			for _, event := range []string{"say", "say", "soon", "mine"} {
				c.EmitAck(t, event, "x")
			}
			siotest.Eventually(t, "both refusals are told", func() bool {
				got := values(t, reg) // a client may know before the Observer
				return got["connections_refused_total{by=doorman,code=room_full,namespace=other}"] == 1 &&
					got["connections_refused_total{by=engine,code=engine_4,namespace=none}"] == 1 // 4 with v2.5.0, 5 with Node
			})
			const open = `connections_in_flight{namespace="/"} 1
connections_in_flight{namespace="/chat"} 1
connections_in_flight{namespace="other"} 1
`
			const opened = `connections_opened_total{namespace="/"} 1
connections_opened_total{namespace="/chat"} 1
connections_opened_total{namespace="other"} 1
connections_refused_total{by="doorman",code="room_full",namespace="other"} 1
connections_refused_total{by="engine",code="engine_4",namespace="none"} 1
events_received_total{event="other",namespace="/",outcome="handled"} 1
events_received_total{event="other",namespace="/",outcome="limited"} 1
events_received_total{event="say",namespace="/",outcome="ok"} 2`
			if got := scrape(t, page.URL); got != open+opened {
				t.Errorf("while connected:\n%s\nwant\n%s", got, open+opened)
			}
			c.Disconnect("/chat")
			siotest.Eventually(t, "it has left", func() bool { return values(t, reg)["connections_in_flight{namespace=/chat}"] == 0 })
			c.Close()
			siotest.Eventually(t, "all have gone", func() bool {
				got := values(t, reg)
				return got["connections_in_flight{namespace=/}"] == 0 && got["connections_in_flight{namespace=other}"] == 0
			})
			got := values(t, reg)
			for k, want := range map[string]float64{
				"connections_closed_total{class=client,namespace=/chat}": 1,
				"connections_closed_total{class=client,namespace=/}":     1,
				"connections_closed_total{class=client,namespace=other}": 1,
				"connection_duration_seconds_count{class=client}":        3,
			} {
				if got[k] != want {
					t.Errorf("%s is %v, want %v", k, got[k], want)
				}
			}
			if got["received_bytes_total{namespace=/}"] == 0 || got["sent_bytes_total{namespace=/}"] == 0 {
				t.Errorf("no bytes: %v", got)
			}
			if text := scrape(t, page.URL); !strings.HasSuffix(text, opened) || strings.Contains(text, "in_flight") {
				t.Errorf("at the end:\n%s", text)
			}
		})
	}
}
