package compat_test

import (
	"io"
	"log"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/httplog/v3"
	"github.com/go-chi/httprate"
	"github.com/go-chi/jwtauth/v5"
	"github.com/gorilla/handlers"
	"github.com/justinas/alice"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/unrolled/secure"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/socket.io/v2/socket"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

func TestChains(t *testing.T) {
	run(t, []row{
		{name: "alice", at: anywhere, test: func(t *testing.T, e env) {
			chain := alice.New(middleware.RequestID, header("X-Here", "yes")).
				Append(middleware.BasicAuth("here", map[string]string{"ada": "lovelace"}))
			s := e.serve(t, chain.Then)
			v := s.admit(t, basic("ada", "lovelace"))
			if e.heard() {
				equal(t, v.header, "X-Here", "yes")
			}
			if middleware.GetReqID(wrap.Context(v.socket)) == "" {
				t.Error("no request id")
			}
			got := s.refuse(t, nil)
			if got.status != http.StatusUnauthorized {
				t.Errorf("status %d", got.status)
			}
			if e.heard() {
				equal(t, got.header, "X-Here", "yes")
			}
		}},
		{name: "StripPrefix", at: handshake | namespace, test: func(t *testing.T, e env) {
			v := e.serve(t, func(h http.Handler) http.Handler { return http.StripPrefix("/socket.io", h) }).admit(t, nil)
			if got := wrap.Request(v.socket).URL.Path; got != "/" {
				t.Errorf("path %q", got)
			}
		}},
		{name: "everything", at: anywhere, test: everything},
	})
}

// everything is one chain of everything that this package tests.
func everything(t *testing.T, e env) {
	var lines, access, plain buffer
	m, tr, sessions := newMetrics(), tracer{tracetest.NewSpanRecorder()}, scs.New()
	auth := jwtauth.New("HS256", []byte("secret"), nil)
	_, token, err := auth.Encode(map[string]any{"sub": "ada"})
	if err != nil {
		t.Fatal(err)
	}
	s := e.serve(t,
		middleware.RequestID,
		middleware.RealIP, //nolint:staticcheck // deprecated, and in use everywhere
		handlers.ProxyHeaders,
		tr.middleware(),
		m.middleware,
		logger(&lines, httplog.Options{}),
		middleware.RequestLogger(&middleware.DefaultLogFormatter{Logger: log.New(&plain, "", 0), NoColor: true}),
		func(h http.Handler) http.Handler { return handlers.LoggingHandler(&access, h) },
		middleware.Recoverer,
		handlers.RecoveryHandler(handlers.RecoveryLogger(log.New(io.Discard, "", 0))),
		timeout(time.Minute), // replaces what is set outside it
		alice.New(
			secure.New(secure.Options{FrameDeny: true, SSLRedirect: true, SSLProxyHeaders: map[string]string{"X-Forwarded-Proto": "https"}}).Handler,
			newCORS().Handler,
			http.NewCrossOriginProtection().Handler,
		).Then,
		middleware.Throttle(100),
		httprate.LimitByIP(1000, time.Hour),
		middleware.Timeout(time.Minute),
		middleware.NoCache,
		middleware.Compress(5, "text/plain"),
		handlers.CompressHandler,
		maxBytes(1<<20),
		jwtauth.Verifier(auth), jwtauth.Authenticator(auth),
		sessions.LoadAndSave, login(sessions),
		middleware.WithValue(key{}, 42),
	)
	h := http.Header{
		"X-Request-Id": {"r-7"}, "X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"},
		"Origin": {app}, "Authorization": {"Bearer " + token}, "Sec-Fetch-Site": {"same-site"},
	}
	if e.at == every {
		h.Set("Sec-Fetch-Site", "same-origin") // its POST requests are not safe
	}
	v := s.admit(t, h)

	ctx, r := wrap.Context(v.socket), wrap.Request(v.socket)
	_, claims, _ := jwtauth.FromContext(ctx)
	if middleware.GetReqID(ctx) != "r-7" || claims["sub"] != "ada" || ctx.Value(key{}) != 42 ||
		sessions.GetString(ctx, "user") != "ada" || r.RemoteAddr != "203.0.113.9" || r.URL.Scheme != "https" {
		t.Errorf("id %q, claims %v, value %v, address %s", middleware.GetReqID(ctx), claims, ctx.Value(key{}), r.RemoteAddr)
	}
	span := tr.first(t)
	if trace.SpanContextFromContext(ctx).SpanID() != span.SpanContext().SpanID() || statusOf(span) != e.status() {
		t.Errorf("span %v with status %d", span.SpanContext(), statusOf(span))
	}
	if _, ok := ctx.Deadline(); ok || ctx.Err() != nil {
		t.Errorf("the context of the socket has a deadline, or %v", ctx.Err())
	}
	m.await(t, e.status(), 1)
	if line := firstLine(t, &lines); line["http.response.status_code"] != float64(e.status()) {
		t.Errorf("httplog: %v", line)
	}
	for _, out := range []*buffer{&access, &plain} {
		siotest.Eventually(t, "a log has the status", func() bool { return strings.Contains(out.String(), " "+text(e.status())+" ") })
	}
	if e.heard() {
		sessionCookie(t, v.header)
		equal(t, v.header, "X-Frame-Options", "DENY")
		equal(t, v.header, "Access-Control-Allow-Origin", app)
		equal(t, v.header, "X-Ratelimit-Limit", "1000")
		equal(t, v.header, "Pragma", "no-cache")
		equal(t, v.header, "Vary", "Origin", "Accept-Encoding", "Cookie")
		if got := v.Handshake.Uncompressed; got != (e.at == handler && e.mode != webSocket) {
			t.Errorf("compressed: %v", got)
		}
	}
	h = h.Clone() // the first client still reads it
	h.Del("Authorization")
	got := s.refuse(t, h)
	if got.status != http.StatusUnauthorized || !readable(got.body) {
		t.Errorf("refused with %d %q", got.status, got.body)
	}
	if testutil.ToFloat64(m.requests.WithLabelValues("401", "get")) != 1 {
		t.Error("the refusal was not counted")
	}
}

// TestThreePlaces has chains in three places of one server.
func TestThreePlaces(t *testing.T) {
	t.Parallel()
	ids := make(chan [3]any, 3)
	config := siotest.Config{
		Handler: func(h http.Handler) http.Handler {
			return wrap.Handler(h, middleware.RequestID, middleware.WithValue(key{}, "handler"))
		},
		Engine: func(eng engine.BaseServer) {
			eng.Use(wrap.Every(header("X-Every", "yes")))
			eng.Use(wrap.Engine(middleware.WithValue(key{}, "engine"), header("X-Engine", "yes")))
		},
	}
	s := config.NewServer(t, func(io *socket.Server) {
		io.Use(wrap.Namespace(handlers.ProxyHeaders))
		io.Use(wrap.Namespace(middleware.BasicAuth("here", map[string]string{"ada": "lovelace"})))
		_ = io.On("connection", func(args ...any) {
			sock := args[0].(*socket.Socket)
			ctx := wrap.Context(sock)
			ids <- [3]any{middleware.GetReqID(ctx), ctx.Value(key{}), wrap.Request(sock).RemoteAddr}
		})
	})
	for _, polling := range []bool{false, true} {
		h := basic("ada", "lovelace")
		h.Set("X-Request-Id", "r-7")
		h.Set("X-Forwarded-For", "203.0.113.9")
		c := s.Dial(t, siotest.Dial{Header: h, Polling: polling})
		c.Connected(t)
		equal(t, c.Handshake.Header, "X-Every", "yes")
		equal(t, c.Handshake.Header, "X-Engine", "yes")
		if got, want := <-ids, [3]any{"r-7", "engine", "203.0.113.9"}; got != want {
			t.Errorf("%v, want %v", got, want)
		}
		if polling {
			c.Upgrade(t)
		}
		refused := s.Dial(t, siotest.Dial{Header: http.Header{}, Polling: polling}).ConnectError(t)
		if refused.Message() != "Unauthorized" {
			t.Errorf("refused with %s", refused)
		}
	}
}
