package compat_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rs/cors"
)

const app = "https://app.example"

func newCORS() *cors.Cors {
	return cors.New(cors.Options{
		AllowedOrigins: []string{app}, AllowCredentials: true,
		AllowedHeaders: []string{"X-Token"}, ExposedHeaders: []string{"Retry-After"}, MaxAge: 60,
	})
}

func TestCORS(t *testing.T) {
	const allow, vary = "Access-Control-Allow-Origin", "Vary"
	from := http.Header{"Origin": {app}}
	run(t, []row{
		// Not in a namespace, which has no response.
		{name: "session", at: every | around, test: func(t *testing.T, e env) {
			s := e.serve(t, newCORS().Handler)
			v := s.admit(t, from)
			equal(t, v.header, allow, app)
			equal(t, v.header, "Access-Control-Allow-Credentials", "true")
			equal(t, v.header, "Access-Control-Expose-Headers", "Retry-After")
			equal(t, v.header, vary, "Origin")
			if e.mode == upgraded {
				equal(t, v.UpgradeResponse.Header, allow, app)
			}
		}},
		{name: "each request", at: every | around, refuses: true, test: func(t *testing.T, e env) {
			s := e.serve(t, newCORS().Handler)
			resp, body := s.fetch(t, http.MethodOptions, "", "", http.Header{
				"Origin": {app}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"x-token"},
			})
			if resp.StatusCode != http.StatusNoContent || body != "" {
				t.Errorf("preflight: %d %q", resp.StatusCode, body)
			}
			equal(t, resp.Header, allow, app)
			equal(t, resp.Header, "Access-Control-Allow-Methods", "POST")
			equal(t, resp.Header, "Access-Control-Allow-Headers", "x-token")
			equal(t, resp.Header, "Access-Control-Max-Age", "60")
			if n := s.runs.Load(); n != 0 {
				t.Errorf("the preflight has reached the end of the chain")
			}

			resp, body = s.fetch(t, http.MethodGet, "", "", from)
			equal(t, resp.Header, allow, app)
			query := "&sid=" + sidOf(t, body)
			resp, _ = s.fetch(t, http.MethodPost, query, "40", from)
			equal(t, resp.Header, allow, app)
			equal(t, resp.Header, vary, "Origin")
			resp, body = s.fetch(t, http.MethodGet, query, "", from)
			equal(t, resp.Header, allow, app)
			if !strings.HasPrefix(body, "40{") {
				t.Errorf("poll: %q", body)
			}
			// What the engine itself refuses.
			resp, _ = s.fetch(t, http.MethodGet, "&sid=unknown", "", from)
			equal(t, resp.Header, allow, app)
			if resp.StatusCode != http.StatusBadRequest {
				t.Errorf("unknown session: %d", resp.StatusCode)
			}
		}},
		{name: "other origin", at: every | around | handshake, test: func(t *testing.T, e env) {
			// This is not access control: the session opens, and the browser keeps it
			// from the page. For WebSocket there is wrap.Origin.
			v := e.serve(t, newCORS().Handler).admit(t, http.Header{"Origin": {"https://evil.example"}})
			equal(t, v.header, allow)
			equal(t, v.header, vary, "Origin")
		}},
		// Handler and Engine run only for the handshake, so a browser refuses the second
		// request. They are not the place for CORS over long-polling.
		{name: "handshake alone", at: handshake, test: func(t *testing.T, e env) {
			s := e.serve(t, newCORS().Handler)
			equal(t, s.admit(t, from).header, allow, app)
			_, body := s.fetch(t, http.MethodGet, "", "", from)
			resp, _ := s.fetch(t, http.MethodPost, "&sid="+sidOf(t, body), "40", from)
			equal(t, resp.Header, allow)
			resp, _ = s.fetch(t, http.MethodOptions, "", "", http.Header{
				"Origin": {app}, "Access-Control-Request-Method": {"POST"},
			})
			equal(t, resp.Header, allow)
		}},
		// rs/cors returns slices that it shares between requests.
		{name: "lists", at: requests | around, test: func(t *testing.T, e env) {
			s := e.serve(t, newCORS().Handler, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Add(vary, "Accept-Language")
					w.Header().Add("Set-Cookie", "a=1")
					w.Header().Add("Set-Cookie", "b=2")
					next.ServeHTTP(w, r)
				})
			})
			for range 2 {
				v := s.admit(t, from)
				equal(t, v.header, vary, "Origin", "Accept-Language")
				equal(t, v.header, "Set-Cookie", "a=1", "b=2")
			}
		}},
		// Unsafe methods only: a handshake is a GET, and passes from anywhere.
		{name: "CrossOriginProtection", at: anywhere, test: func(t *testing.T, e env) {
			site := ifElse(e.at == every, "none", "cross-site") // the client posts
			e.serve(t, http.NewCrossOriginProtection().Handler).
				admit(t, http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {site}})
		}},
		{name: "CrossOriginProtection/post", at: every | around, refuses: true, test: func(t *testing.T, e env) {
			s := e.serve(t, http.NewCrossOriginProtection().Handler)
			_, body := s.fetch(t, http.MethodGet, "", "", nil)
			query := "&sid=" + sidOf(t, body)
			resp, _ := s.fetch(t, http.MethodPost, query, "40", http.Header{"Sec-Fetch-Site": {"cross-site"}})
			if resp.StatusCode != http.StatusForbidden {
				t.Errorf("cross-site: %d", resp.StatusCode)
			}
			resp, body = s.fetch(t, http.MethodPost, query, "40", http.Header{"Sec-Fetch-Site": {"same-origin"}})
			if resp.StatusCode != http.StatusOK || body != "ok" {
				t.Errorf("same-origin: %d %q", resp.StatusCode, body)
			}
		}},
	})
}
