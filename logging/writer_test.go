package logging_test

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// bareWriter has nothing but the methods of http.ResponseWriter.
type bareWriter struct{ http.ResponseWriter }

type flushWriter struct {
	http.ResponseWriter
	flushed bool
}

func (w *flushWriter) Flush() { w.flushed = true }

type hijackWriter struct {
	http.ResponseWriter
	err error
}

func (w *hijackWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, w.err }

// unwrapWriter is the writer of a middleware that relies on http.ResponseController.
type unwrapWriter struct{ bareWriter }

func (w unwrapWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type bothWriter struct {
	*flushWriter
	*hijackWriter
	http.ResponseWriter
}

func (w bothWriter) Header() http.Header         { return w.ResponseWriter.Header() }
func (w bothWriter) Write(p []byte) (int, error) { return w.ResponseWriter.Write(p) }
func (w bothWriter) WriteHeader(status int)      { w.ResponseWriter.WriteHeader(status) }

// TestWriter: the writer has the capabilities of the one below.
func TestWriter(t *testing.T) {
	t.Parallel()
	base := bareWriter{httptest.NewRecorder()}
	for _, c := range []struct {
		name            string
		w               http.ResponseWriter
		flushes, hijack bool
		status          int
	}{
		{"bare", base, false, false, 200},
		{"flusher", &flushWriter{ResponseWriter: base}, true, false, 200},
		{"hijacker", &hijackWriter{ResponseWriter: base}, false, true, 101},
		{"failing hijacker", &hijackWriter{base, errors.New("no")}, false, true, 200},
		{"unwraps to a hijacker", unwrapWriter{bareWriter{&hijackWriter{ResponseWriter: base}}}, false, true, 101},
		{"both", bothWriter{&flushWriter{}, &hijackWriter{}, base}, true, true, 200}, // flushed first
	} {
		l, log := newLogger(t, slog.LevelDebug, nil)
		l.Handler(http.HandlerFunc(func(inner http.ResponseWriter, _ *http.Request) {
			f, flusher := inner.(http.Flusher)
			h, hijacker := inner.(http.Hijacker)
			_, reads := inner.(io.ReaderFrom)
			if flusher != c.flushes || hijacker != c.hijack || reads {
				t.Errorf("%s: flusher %v, hijacker %v", c.name, flusher, hijacker)
			}
			if flusher {
				f.Flush()
			}
			if hijacker {
				_, _, _ = h.Hijack()
			}
			if u, ok := inner.(interface{ Unwrap() http.ResponseWriter }); !ok || u.Unwrap() != c.w {
				t.Errorf("%s: no way to the writer below", c.name)
			}
		})).ServeHTTP(c.w, httptest.NewRequest("GET", "/", nil))
		check(t, log.one(t, "request"), object{"status": c.status})
	}
}

func TestWriterHTTP2(t *testing.T) {
	t.Parallel()
	l, log := newLogger(t, slog.LevelDebug, nil)
	s := httptest.NewUnstartedServer(l.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, flusher := w.(http.Flusher)
		_, hijacker := w.(http.Hijacker)
		_, pusher := w.(http.Pusher)
		if !flusher || hijacker || !pusher {
			t.Error("not the writer of HTTP/2")
		}
		_ = w.(http.Pusher).Push("/x", nil)
		w.(http.Flusher).Flush()
	})))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	resp, err := s.Client().Get(s.URL)
	if err != nil || resp.ProtoMajor != 2 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	log.one(t, "request")
}
