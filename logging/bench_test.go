package logging_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// discard returns a Logger whose records are encoded and then discarded.
func discard(b *testing.B, level slog.Level, o *logging.Options) *logging.Logger {
	b.Helper()
	l, err := logging.New(slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: level})), o)
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// nobody is an Observer that does nothing.
type nobody struct{}

func (nobody) Opened(logging.Conn)                   {}
func (nobody) Refused(logging.Conn, logging.Refusal) {}
func (nobody) Event(logging.Conn, logging.Event)     {}
func (nobody) Closed(logging.Conn, logging.Summary)  {}

var cases = []struct {
	name  string
	level slog.Level
	o     *logging.Options // nil: no Logger at all
}{
	{"bare", 0, nil},
	{"disabled", slog.LevelError + 1, &logging.Options{}},
	{"on", slog.LevelInfo, &logging.Options{}},
	{"observed", slog.LevelInfo, &logging.Options{Observer: nobody{}}},
	{"sampled", slog.LevelDebug, &logging.Options{Events: &logging.Sample{}}},
	{"every event", slog.LevelDebug, &logging.Options{Events: &logging.Sample{Every: 1}}},
}

// BenchmarkJoin measures a client that joins a namespace and leaves it.
func BenchmarkJoin(b *testing.B) {
	for _, bm := range cases[:4] {
		b.Run(bm.name, func(b *testing.B) {
			connected, gone := make(chan struct{}), make(chan struct{})
			s := siotest.Config{
				Options: wrap.Harden(nil), Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) },
			}.NewServer(b, func(io *socket.Server) {
				mw := wrap.Func(func(context.Context, *socket.Socket) error { return nil })
				if bm.o != nil {
					mw = discard(b, bm.level, bm.o).Middleware()
				}
				nsp := io.Of("/room", nil)
				nsp.Use(mw)
				_ = nsp.On("connection", func(args ...any) {
					_ = args[0].(*socket.Socket).On("disconnect", func(...any) { gone <- struct{}{} })
					connected <- struct{}{}
				})
			})
			c := s.Dial(b, siotest.Dial{})
			c.Connected(b)
			b.ReportAllocs()
			for b.Loop() {
				c.Connect("/room", nil)
				<-connected
				c.Disconnect("/room")
				<-gone
			}
		})
	}
}

// BenchmarkEvents measures how long an event takes from a client at full speed to its
// handler.
func BenchmarkEvents(b *testing.B) {
	const batch = 500
	for _, bm := range cases {
		b.Run(bm.name, func(b *testing.B) {
			done := make(chan struct{}, batch)
			s := siotest.Config{
				Options: wrap.Harden(nil), Handler: func(h http.Handler) http.Handler { return wrap.Handler(h) },
			}.NewServer(b, func(io *socket.Server) {
				mw := wrap.Func(func(context.Context, *socket.Socket) error { return nil })
				if bm.o != nil {
					mw = discard(b, bm.level, bm.o).Middleware()
				}
				io.Use(mw)
				_ = io.On("connection", func(args ...any) {
					_ = args[0].(*socket.Socket).On("x", func(...any) { done <- struct{}{} })
				})
			})
			c := s.Dial(b, siotest.Dial{})
			c.Connected(b)
			b.ReportAllocs()
			for b.Loop() {
				for range batch {
					c.Send(`42["x","hello"]`)
				}
				for range batch {
					<-done
				}
			}
			b.ReportMetric(float64(b.N)*batch/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func BenchmarkFrom(b *testing.B) {
	l := discard(b, slog.LevelInfo, nil)
	sockets := make(chan *socket.Socket, 1)
	s := siotest.NewServer(b, func(io *socket.Server) {
		io.Use(l.Middleware())
		_ = io.On("connection", func(args ...any) { sockets <- args[0].(*socket.Socket) })
	})
	s.Dial(b, siotest.Dial{}).Connected(b)
	sock := <-sockets
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := l.From(sock); !ok {
			b.Fatal("not there")
		}
	}
}

func BenchmarkHandler(b *testing.B) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	for _, bm := range cases[:4] {
		b.Run(bm.name, func(b *testing.B) {
			var h http.Handler = next
			if bm.o != nil {
				h = discard(b, bm.level, bm.o).Handler(next)
			}
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/path", nil)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}
