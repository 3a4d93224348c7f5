package wrap_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// zipped is the writer of a middleware that compresses and leaves the length to net/http.
type zipped struct {
	http.ResponseWriter
	gzip *gzip.Writer
}

func (z zipped) Write(p []byte) (int, error) { return z.gzip.Write(p) }

func TestChainChangesBody(t *testing.T) {
	t.Parallel()
	s := siotest.Config{Handler: func(h http.Handler) http.Handler {
		return wrap.Handler(h, mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			next.ServeHTTP(zipped{w, z}, r)
		}))
	}}.NewServer(t, nil)
	for query, want := range map[string]string{"transport=polling": `"sid"`, "transport=nonsense": `"code"`} {
		req, err := http.NewRequest("GET", s.URL+siotest.Path+"?EIO=4&"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", "gzip") // set explicitly, so that net/http does not decode it
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		z, err := gzip.NewReader(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(z); err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %q, %v", query, body, err)
		}
	}
	s.IO.Engine().Close() // nobody polls
}

// The media type of a body is case-insensitive (RFC 9110, section 8.3.1), and may have
// parameters.
func TestNamespaceMessage(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]string{
		"Text/Plain ; charset=utf-8": "not today",
		"text/plain":                 "not today",
		"text/plainer":               "Unauthorized",
	} {
		s := serve(t, func(io *socket.Server) {
			io.Use(wrap.Namespace(mw(func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", contentType)
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = w.Write([]byte("not today"))
			})))
		})
		if got := s.Dial(t, siotest.Dial{}).ConnectError(t).Message(); got != want {
			t.Errorf("%s: message %q, want %q", contentType, got, want)
		}
	}
}

// statusless is the writer of a middleware that buffers the body and writes only that, at
// its end.
type statusless struct {
	http.ResponseWriter
	body bytes.Buffer
}

func (s *statusless) WriteHeader(int)             {}
func (s *statusless) Write(p []byte) (int, error) { return s.body.Write(p) }

func TestChainKeepsStatus(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, start func(...wrap.Middleware) *rig) {
		r := start(mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			if !wrap.IsHandshake(r) {
				next.ServeHTTP(w, r)
				return
			}
			s := &statusless{ResponseWriter: w}
			next.ServeHTTP(s, r)
			_, _ = w.Write(s.body.Bytes()) // an upgrade has none
		}))
		r.admitted(t)
	})
}
