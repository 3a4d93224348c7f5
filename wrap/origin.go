package wrap

import (
	"net/http"

	"github.com/sioware/sioware/internal/origin"
)

// Origin returns a middleware that stops cross-site WebSocket hijacking, in which a
// foreign page opens a session with its visitor's cookies. The host accepts WebSockets
// from every Origin (engine/server.go:124 in v2.5.0), browsers do not apply CORS to them,
// and CSRF packages let GET pass. So whatever reads cookies in the handshake belongs
// behind this middleware.
//
// An Origin header must hold one value, "scheme://host[:port]", that has the host and
// port of the request (r.Host) or matches an entry of allow; "null" never passes. A
// missing port means the default of the Origin's scheme; ws and wss count as http and
// https. Behind a proxy that rewrites Host, the public origin must be an entry.
//
// A request without Origin is refused if it has a Sec-Fetch-Site other than "same-origin"
// and "none", or has none and asks for a script: the answer to a JSONP client would
// reveal the session id to a foreign page, and browsers send Sec-Fetch-Site only over
// HTTPS and to localhost. Any other request with neither header is taken to come from
// something other than a browser, and passes.
//
// Entries are compared case-insensitively:
//
//	https://app.example.com       this scheme, default port
//	https://app.example.com:8443
//	app.example.com               http or https, default port
//	app.example.com:8443          http or https
//	*.example.com                 one or more labels below, never example.com
//	http://localhost:*            any port
//	capacitor://localhost         other schemes: without wildcards only
//	*                             every well-formed origin, never "null"
//
// Write non-ASCII names as browsers send them ("xn--..."). The entry "*" is unsafe with
// cookies and anything else that a browser adds by itself. Origin panics if entries are
// malformed; the panic text names them all.
//
// A refused client gets status 403 and the code "origin_denied"; the cause goes only to
// the default slog logger, at level Debug. The middleware is safe for concurrent use.
//
// Three gaps remain. Behind a proxy the scheme of the request is not known, so a page of
// http://example.com reaches https://example.com; HSTS prevents this. Browsers send
// Sec-Fetch-Site only to https and localhost, so over plain http the <script> passes;
// SameSite cookies prevent this. A foreign name whose DNS points here counts as its own
// host; a front end that knows its names prevents this.
func Origin(allow ...string) Middleware {
	p, err := origin.New(allow)
	if err != nil {
		panic("wrap: Origin: " + err.Error())
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := p.Check(r); err != nil {
				(&Error{Code: codeOrigin, Err: err}).ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
