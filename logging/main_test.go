package logging_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/socket.io/v2/socket"
)

func TestMain(m *testing.M) { siotest.Main(m, nil, siotest.IgnoreHostTimers()...) }

// object is a JSON object: a record, or what a client has received.
type object = map[string]any

// sink keeps what is written, as JSON or as text.
type sink struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// all returns the records with one of these messages, in order; with none, all.
func (s *sink) all(t testing.TB, messages ...string) (records []object) {
	t.Helper()
	for line := range strings.Lines(s.String()) {
		var r object
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		if msg, _ := r["msg"].(string); len(messages) == 0 || slices.Contains(messages, msg) {
			records = append(records, r)
		}
	}
	return records
}

// wait waits for n records with a message, and returns them.
func (s *sink) wait(t testing.TB, n int, message string) []object {
	t.Helper()
	siotest.Eventually(t, message, func() bool { return len(s.all(t, message)) >= n })
	got := s.all(t, message)
	if len(got) != n {
		t.Fatalf("%d records %q, want %d:\n%s", len(got), message, n, s)
	}
	return got
}

// one waits for the only record with a message.
func (s *sink) one(t testing.TB, message string) object {
	t.Helper()
	return s.wait(t, 1, message)[0]
}

// check compares some attributes of a record; those that are nil must be missing. A dot
// leads into a group.
func check(t testing.TB, r object, want object) {
	t.Helper()
	for path, want := range want {
		var got any = r
		for key := range strings.SplitSeq(path, ".") {
			group, _ := got.(object)
			got = group[key]
		}
		if n, ok := want.(int); ok {
			want = float64(n)
		}
		if got != want {
			t.Errorf("%s is %v, want %v, in %v", path, got, want, r)
		}
	}
}

// newLogger returns a Logger that writes to the sink from level on.
func newLogger(t testing.TB, level slog.Leveler, o *logging.Options) (*logging.Logger, *sink) {
	t.Helper()
	s := new(sink)
	l, err := logging.New(slog.New(slog.NewJSONHandler(s, &slog.HandlerOptions{Level: level})), o)
	if err != nil {
		t.Fatal(err)
	}
	return l, s
}

// serve starts a hardened server behind wrap.Handler and mws. l watches its engine.
func serve(t testing.TB, l *logging.Logger, setup func(io *socket.Server), mws ...wrap.Middleware) *siotest.Server {
	t.Helper()
	o := socket.DefaultServerOptions()
	o.SetAllowEIO3(true)
	return siotest.Config{
		Options: wrap.Harden(o),
		Engine:  func(e engine.BaseServer) { l.Engine(e); l.Engine(e) },
		Handler: func(h http.Handler) http.Handler { return wrap.Handler(h, mws...) },
	}.NewServer(t, setup)
}

// logged starts a server that l watches, with an event "echo" that answers its ack.
func logged(t testing.TB, l *logging.Logger, more ...socket.NamespaceMiddleware) *siotest.Server {
	t.Helper()
	return serve(t, l, func(io *socket.Server) {
		wrap.UseAll(io, l.Middleware())
		for _, mw := range more {
			io.Use(mw)
		}
		for _, nsp := range []socket.Namespace{io.Sockets(), io.Of("/other", nil)} {
			_ = nsp.On("connection", func(args ...any) {
				s := args[0].(*socket.Socket)
				_ = s.On("echo", func(args ...any) {
					if ack, ok := args[len(args)-1].(socket.Ack); ok {
						ack([]any{"ok"}, nil)
					}
				})
				_ = s.On("leave", func(...any) { wrap.Kick(s, &wrap.Error{Code: "replaced"}) })
			})
		}
	}, l.Handler)
}

// eachTransport runs f for each of the two.
func eachTransport(t *testing.T, f func(t *testing.T, d siotest.Dial)) {
	for _, d := range []siotest.Dial{{}, {Polling: true}} {
		t.Run(transport(d), func(t *testing.T) {
			t.Parallel()
			f(t, d)
		})
	}
}

func transport(d siotest.Dial) string {
	if d.Polling {
		return "polling"
	}
	return "websocket"
}
