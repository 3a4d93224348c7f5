package main

import (
	"net/http"

	"github.com/alexedwards/scs/v2"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/httprate"
	"github.com/rs/cors"
	"github.com/sioware/sioware/wrap"
	"github.com/unrolled/secure"
	"github.com/zishang520/socket.io/v2/socket"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// newHandler returns a handler for /socket.io/, and for a page to look at it.
func newHandler(sio *socket.Server, c config, traces trace.TracerProvider) http.Handler {
	sessions := scs.New()
	tracing := otelhttp.NewMiddleware("handshake",
		otelhttp.WithTracerProvider(traces), otelhttp.WithPropagators(propagation.TraceContext{}))
	helmet := secure.New(secure.Options{
		FrameDeny:             true,
		ContentTypeNosniff:    true,
		ReferrerPolicy:        "no-referrer",
		ContentSecurityPolicy: "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'",
	})
	crossOrigin := cors.New(cors.Options{
		AllowedOrigins:   []string{c.origin},
		AllowedMethods:   []string{http.MethodGet, http.MethodPost},
		AllowedHeaders:   []string{middleware.RequestIDHeader, "Traceparent"}, // of extraHeaders
		AllowCredentials: true,                                                // the cookie of the session
	})

	mux := http.NewServeMux()
	// Around wrap.Handler goes what each request needs, inside it what a connection needs
	// once. What refuses cheaply comes first, and Origin before whatever trusts a cookie.
	mux.Handle("/socket.io/", crossOrigin.Handler(wrap.Handler(sio.ServeHandler(nil),
		tracing,
		middleware.RequestID,
		helmet.Handler,
		wrap.Origin(c.origin),
		middleware.ClientIPFromRemoteAddr, // behind a proxy ClientIPFromXFF
		httprate.LimitBy(c.limit, c.window, byAddress),
		sessions.LoadAndSave,
		count(sessions),
	)))
	// Two of them also guard the page: a visitor has one session for both.
	mux.Handle("/", helmet.Handler(http.NewCrossOriginProtection().Handler(sessions.LoadAndSave(newPages(sessions)))))

	listen(sio, sessions, traces.Tracer("httpmiddleware"))
	return mux
}

const (
	keyUser       = "user"
	keyHandshakes = "handshakes"
)

// byAddress treats all addresses of an IPv6 network as one client.
func byAddress(r *http.Request) (string, error) {
	return httprate.CanonicalizeIP(middleware.GetClientIP(r.Context())), nil
}

// count is a middleware of our own. It counts in the session how often it has run, which
// makes the session send its cookie with the answer, 101 or 200.
func count(sessions *scs.SessionManager) wrap.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sessions.Put(r.Context(), keyHandshakes, sessions.GetInt(r.Context(), keyHandshakes)+1)
			next.ServeHTTP(w, r)
		})
	}
}
