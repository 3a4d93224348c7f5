package jwtauth_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/internal/mark"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// logs returns the default log, until the test ends, and one with a logger of its own.
func logs(t *testing.T) (all, own *journal, logger *slog.Logger) {
	t.Helper()
	all, own = new(journal), new(journal)
	debug := &slog.HandlerOptions{Level: slog.LevelDebug}
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(all, debug)))
	t.Cleanup(func() { slog.SetDefault(old) })
	return all, own, slog.New(slog.NewTextHandler(own, debug))
}

// keysAway are keys of a server that cannot be reached.
var keysAway = jwtauth.KeyFunc(func(context.Context, jwtauth.Unverified) ([]any, error) {
	return nil, errors.New("key server away")
})

// TestOutageLog: an outage is logged now and then, not whenever somebody sends a token.
// It sets the default logger, so that it is not parallel.
func TestOutageLog(t *testing.T) {
	store := newScripted()
	store.onAdmit(down)
	for name, tt := range map[string]struct {
		keys  jwtauth.Keys
		store jwtauth.Store
		cause string
	}{
		"keys":  {keysAway, nil, "key server away"},
		"store": {jwtauth.HMAC(secret), store, "10.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			all, own, logger := logs(t)
			a, err := jwtauth.New(tt.keys, &jwtauth.Options[claims]{Store: tt.store, Logger: logger})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = a.Close(t.Context()) }()
			s := serve(t, func(io *socket.Server) { io.Use(a.Middleware()) })
			const times = 20
			begin := time.Now()
			c := s.Dial(t, siotest.Dial{NoConnect: true})
			for range times {
				c.Connect("/", object{"token": token(t, "ada", time.Hour)})
				p := c.ConnectError(t)
				if data, _ := p.Data.(object)["data"].(object); data["code"] != "unavailable" || data["retryable"] != true {
					t.Fatalf("refused with %v", p.Data)
				}
			}
			most := 1 + int(time.Since(begin)/(10*time.Second))
			if n := strings.Count(all.String(), "level=ERROR"); n > most {
				t.Errorf("%d errors in the default log, want at most %d", n, most)
			}
			if n := strings.Count(own.String(), "level=WARN"); n < 1 || n > most {
				t.Errorf("%d warnings, want 1 to %d", n, most)
			}
			for _, line := range strings.Split(strings.TrimSpace(own.String()), "\n") {
				if !strings.Contains(line, tt.cause) {
					t.Errorf("no cause in %s", line)
				}
			}
			if n := strings.Count(own.String(), "level=DEBUG"); n != times {
				t.Errorf("%d refusals, want %d", n, times)
			}
			if _, err := a.Authenticate(t.Context(), token(t, "ada", time.Hour)); !errors.Is(err, jwtauth.ErrUnavailable) {
				t.Errorf("%v is not ErrUnavailable", err)
			}
		})
	}
}

// listener stands for package logging, on a request.
type listener struct{ reasons []error }

func (l *listener) Refused(reason error) { l.reasons = append(l.reasons, reason) }

// TestOutageLogHandler: the same for requests. A mark.Listener, which logs instead of
// package wrap, gets each cause.
func TestOutageLogHandler(t *testing.T) {
	all, own, logger := logs(t)
	synctest.Test(t, func(t *testing.T) {
		a, err := jwtauth.New(keysAway, &jwtauth.Options[claims]{Logger: logger})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = a.Close(t.Context()) }()
		h := a.Handler(http.NotFoundHandler())
		good := token(t, "ada", time.Hour)
		ask := func(ctx context.Context) {
			r := httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx)
			r.Header.Set("Authorization", "Bearer "+good)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != http.StatusServiceUnavailable {
				t.Errorf("status %d", w.Code)
			}
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		ask(gone)
		if text := all.String() + own.String(); strings.Contains(text, "level=ERROR") || strings.Contains(text, "level=WARN") {
			t.Errorf("a client that has left is told as an outage:\n%s", text)
		}
		for range 30 {
			ask(t.Context())
			time.Sleep(time.Second) // synctest's
		}
		if errs, warnings := strings.Count(all.String(), "level=ERROR"), strings.Count(own.String(), "level=WARN"); errs != 3 || warnings != 3 {
			t.Errorf("%d errors and %d warnings in half a minute, want 3 of each", errs, warnings)
		}

		time.Sleep(time.Minute)
		var told listener
		for range 3 {
			ask(context.WithValue(t.Context(), mark.ListenerKey{}, &told))
		}
		for _, err := range told.reasons {
			if e := (*wrap.Error)(nil); !errors.As(err, &e) || e.Err == nil || !errors.Is(err, jwtauth.ErrUnavailable) {
				t.Errorf("told %v", err)
			}
		}
		if n := strings.Count(own.String(), "level=WARN"); len(told.reasons) != 3 || n != 4 {
			t.Errorf("told of %d refusals, and %d warnings in all", len(told.reasons), n)
		}
	})
}

// TestOutageLogRefresh: the same for refreshes.
func TestOutageLogRefresh(t *testing.T) {
	t.Parallel()
	store, own := newScripted(), new(journal)
	a := newAuth(t, &jwtauth.Options[claims]{Store: store, Logger: slog.New(slog.NewTextHandler(own, nil))})
	s, _ := authenticated(t, a)
	clients := make([]*siotest.Client, 4)
	for i := range clients {
		clients[i] = s.Dial(t, with(token(t, "ada", time.Hour)))
		clients[i].Connected(t)
	}
	store.onAdmit(down)
	begin := time.Now()
	for _, c := range clients {
		for range 5 {
			if got := refresh(t, c, token(t, "ada", 2*time.Hour)); got != "unavailable" {
				t.Errorf("refresh: %q", got)
			}
		}
	}
	most := 1 + int(time.Since(begin)/(10*time.Second))
	if n := strings.Count(own.String(), "10.0.0.1"); n < 1 || n > most {
		t.Errorf("%d lines in the log, want 1 to %d", n, most)
	}
}

// TestHandlerLogs: why Handler refuses goes to Options.Logger.
func TestHandlerLogs(t *testing.T) {
	t.Parallel()
	own := new(journal)
	a := newAuth(t, &jwtauth.Options[claims]{Logger: slog.New(slog.NewTextHandler(own, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer x")
	a.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	if text := own.String(); !strings.Contains(text, "level=DEBUG") || !strings.Contains(text, "token invalid") {
		t.Errorf("the log has %q", text)
	}
}
