package compat_test

import (
	"log"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
)

func TestChi(t *testing.T) {
	run(t, []row{
		{name: "RequestID", at: anywhere, test: func(t *testing.T, e env) {
			v := e.serve(t, middleware.RequestID).admit(t, http.Header{"X-Request-Id": {"r-7"}})
			if got := middleware.GetReqID(wrap.Context(v.socket)); got != "r-7" {
				t.Errorf("request id of the socket %q", got)
			}
			if got := middleware.GetReqID(wrap.Request(v.socket).Context()); got != "r-7" {
				t.Errorf("request id of its request %q", got)
			}
		}},
		{name: "RealIP", at: anywhere, test: func(t *testing.T, e env) {
			//nolint:staticcheck // deprecated, and in use everywhere
			v := e.serve(t, middleware.RealIP).admit(t, http.Header{"X-Forwarded-For": {"203.0.113.9, 10.0.0.1"}})
			if got := wrap.Request(v.socket).RemoteAddr; got != "203.0.113.9" {
				t.Errorf("address %q", got)
			}
		}},
		{name: "ClientIP", at: anywhere, test: func(t *testing.T, e env) {
			v := e.serve(t, middleware.ClientIPFromXFF("10.0.0.0/8", "127.0.0.0/8")).
				admit(t, http.Header{"X-Forwarded-For": {"203.0.113.9, 10.0.0.1"}})
			if got := middleware.GetClientIP(wrap.Context(v.socket)); got != "203.0.113.9" {
				t.Errorf("address %q", got)
			}
		}},
		{name: "RequestLogger", at: anywhere, test: func(t *testing.T, e env) {
			var out buffer
			s := e.serve(t, middleware.RequestLogger(&middleware.DefaultLogFormatter{
				Logger: log.New(&out, "", 0), NoColor: true,
			}))
			s.admit(t, nil)
			want := "- " + text(e.status()) + " "
			siotest.Eventually(t, "a line with "+want, func() bool { return strings.Contains(out.String(), want) })
			if n := strings.Count(out.String(), "\n"); e.once() && n != 1 {
				t.Errorf("%d lines for one session:\n%s", n, out.String())
			}
			if e.at == handler && e.mode != webSocket && strings.Contains(out.String(), " 0B ") {
				t.Errorf("the body was not counted: %s", out.String())
			}
		}},
		{name: "NoCache", at: requests, test: func(t *testing.T, e env) { // a namespace has no response
			v := e.serve(t, middleware.NoCache).admit(t, http.Header{"Etag": {"x"}})
			equal(t, v.header, "Pragma", "no-cache")
			equal(t, v.header, "X-Accel-Expires", "0")
			if wrap.Request(v.socket).Header.Get("Etag") != "" {
				t.Error("the ETag is still there")
			}
		}},
		{name: "BasicAuth", at: anywhere, test: func(t *testing.T, e env) {
			s := e.serve(t, middleware.BasicAuth("here", map[string]string{"ada": "lovelace"}))
			s.admit(t, basic("ada", "lovelace"))
			for _, h := range []http.Header{nil, basic("ada", "byron")} {
				got := s.refuse(t, h)
				got.want(t, http.StatusUnauthorized, ifElse(e.heard(), "", "Unauthorized"))
				if e.heard() {
					equal(t, got.header, "Www-Authenticate", `Basic realm="here"`)
				}
			}
		}},
		{name: "Recoverer", at: anywhere, refuses: true, test: func(t *testing.T, e env) {
			// On an upgrade Recoverer writes nothing; it is wrap that answers 500.
			var log panics
			got := e.serve(t, log.middleware, middleware.Recoverer, bang).refuse(t, nil)
			if got.status != http.StatusInternalServerError {
				t.Errorf("status %d", got.status)
			}
			if n := log.n.Load(); n != 1 {
				t.Errorf("%d panics", n)
			}
		}},
		// Late: the client has been told that all is well, and so it is.
		{name: "Recoverer/late", at: handshake | namespace, test: func(t *testing.T, e env) {
			var log panics
			e.serve(t, log.middleware, middleware.Recoverer, bangAfter).admit(t, nil)
			siotest.Eventually(t, "the panic is in the log", func() bool { return log.n.Load() == 1 })
		}},
		{name: "Timeout", at: anywhere, test: func(t *testing.T, e env) {
			v := e.serve(t, middleware.Timeout(time.Minute)).admit(t, nil)
			ctx := wrap.Context(v.socket)
			if _, ok := ctx.Deadline(); ok || ctx.Err() != nil {
				t.Errorf("the socket has the deadline of its handshake; %v", ctx.Err())
			}
		}},
		{name: "Timeout/slow", at: anywhere, refuses: true, test: func(t *testing.T, e env) {
			e.serve(t, middleware.Timeout(time.Millisecond), untilDone).refuse(t, nil).
				want(t, http.StatusGatewayTimeout, ifElse(e.heard(), "", "Gateway Timeout"))
		}},
		// Late: the answer has gone out, and the session exists. On each request (Every)
		// it delays the polls, which a timeout should not do.
		{name: "Timeout/late", at: handshake | namespace, test: func(t *testing.T, e env) {
			e.serve(t, middleware.Timeout(300*time.Millisecond), thenUntilDone).admit(t, nil)
		}},
		// Engine and Every pass no body through the chain: there Compress does nothing,
		// and must not announce anything.
		{name: "Compress", at: requests, test: func(t *testing.T, e env) {
			s := e.serve(t, middleware.Compress(5, "text/plain"))
			v := s.admit(t, e.encodings())
			compressed := e.at == handler && e.mode != webSocket
			if v.Handshake.Uncompressed != compressed {
				t.Errorf("compressed: %v", v.Handshake.Uncompressed)
			}
			if v.header.Get("Content-Encoding") != "" {
				t.Error("Content-Encoding without an encoding")
			}
		}},
		{name: "Compress/refused", at: namespace, refuses: true, test: func(t *testing.T, e env) {
			got := e.serve(t, middleware.Compress(5, "text/plain"), answer(http.StatusForbidden, "not you")).refuse(t, e.encodings())
			if got.status != http.StatusForbidden || !readable(got.body) {
				t.Errorf("refused with %d %q", got.status, got.body)
			}
		}},
		{name: "Compress/around", at: around, test: compressed(middleware.Compress(5, "text/plain"))},
		// A handler that answers itself, without next.
		{name: "Heartbeat", at: anywhere, refuses: true, test: func(t *testing.T, e env) {
			e.serve(t, middleware.Heartbeat(siotest.Path)).refuse(t, nil).want(t, http.StatusOK, ".")
		}},
		{name: "SetHeader+WithValue", at: anywhere, test: func(t *testing.T, e env) {
			v := e.serve(t, middleware.SetHeader("X-Here", "yes"), middleware.WithValue(key{}, 42)).admit(t, nil)
			if e.heard() {
				equal(t, v.header, "X-Here", "yes")
			}
			if wrap.Context(v.socket).Value(key{}) != 42 {
				t.Error("the value is not in the context of the socket")
			}
		}},
		// A router runs its middlewares on each request.
		{name: "Router", at: around, test: func(t *testing.T, e env) {
			v := e.serve(t, func(h http.Handler) http.Handler {
				r := chi.NewRouter()
				r.Use(middleware.RequestID, middleware.CleanPath, middleware.Recoverer, middleware.NoCache)
				r.Route("/socket.io", func(r chi.Router) {
					r.With(middleware.SetHeader("X-Here", "yes")).Handle("/*", h)
				})
				return r
			}).admit(t, http.Header{"X-Request-Id": {"r-7"}})
			if got := middleware.GetReqID(wrap.Context(v.socket)); got != "r-7" {
				t.Errorf("request id of the socket %q", got)
			}
			equal(t, v.header, "X-Here", "yes")
			equal(t, v.header, "Pragma", "no-cache")
		}},
	})
}
