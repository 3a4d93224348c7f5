package compat_test

import (
	"io"
	"log"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/handlers"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/unrolled/secure"
)

func TestGorilla(t *testing.T) {
	recovery := handlers.RecoveryHandler(handlers.RecoveryLogger(log.New(io.Discard, "", 0)))
	run(t, []row{
		{name: "LoggingHandler", at: anywhere, test: func(t *testing.T, e env) {
			var out buffer
			e.serve(t, func(h http.Handler) http.Handler { return handlers.LoggingHandler(&out, h) }).admit(t, nil)
			want := `HTTP/1.1" ` + text(e.status()) + " "
			siotest.Eventually(t, "a line with "+want, func() bool { return strings.Contains(out.String(), want) })
			if n := strings.Count(out.String(), "\n"); e.once() && n != 1 {
				t.Errorf("%d lines for one session:\n%s", n, out.String())
			}
			if e.at == handler && e.mode != webSocket && strings.HasSuffix(out.String(), " 0\n") {
				t.Errorf("the body was not counted: %s", out.String())
			}
		}},
		// It announces an encoding before next; only Handler has a body to encode.
		{name: "CompressHandler", at: requests, test: func(t *testing.T, e env) {
			v := e.serve(t, handlers.CompressHandler).admit(t, e.encodings())
			if got := v.Handshake.Uncompressed; got != (e.at == handler && e.mode != webSocket) {
				t.Errorf("compressed: %v", got)
			}
			equal(t, v.header, "Content-Encoding")
			equal(t, v.header, "Vary", "Accept-Encoding")
		}},
		// A browser offers encodings with WebSocket too, and a refusal has a body.
		{name: "CompressHandler/refused", at: anywhere | around, refuses: true, test: func(t *testing.T, e env) {
			got := e.serve(t, handlers.CompressHandler, answer(http.StatusForbidden, "not you")).refuse(t, e.encodings())
			if got.status != http.StatusForbidden || (e.heard() && got.body != "not you") || !readable(got.body) {
				t.Errorf("refused with %d %q", got.status, got.body)
			}
		}},
		{name: "CompressHandler/around", at: around, test: compressed(handlers.CompressHandler)},
		{name: "ProxyHeaders", at: anywhere, test: func(t *testing.T, e env) {
			v := e.serve(t, handlers.ProxyHeaders).admit(t, http.Header{
				"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"chat.example"},
			})
			r := wrap.Request(v.socket)
			if r.RemoteAddr != "203.0.113.9" || r.URL.Scheme != "https" || r.Host != "chat.example" {
				t.Errorf("address %q, scheme %q, host %q", r.RemoteAddr, r.URL.Scheme, r.Host)
			}
		}},
		{name: "RecoveryHandler", at: anywhere, refuses: true, test: func(t *testing.T, e env) {
			e.serve(t, recovery, bang).refuse(t, nil).
				want(t, http.StatusInternalServerError, ifElse(e.heard(), "", "Internal Server Error"))
		}},
		{name: "RecoveryHandler/late", at: handshake | namespace, test: func(t *testing.T, e env) {
			e.serve(t, recovery, bangAfter).admit(t, nil)
		}},
	})
}

func TestSecure(t *testing.T) {
	proxied := map[string]string{"X-Forwarded-Proto": "https"}
	run(t, []row{
		{name: "headers", at: requests | around, test: func(t *testing.T, e env) { // a namespace has no response
			v := e.serve(t, secure.New(secure.Options{
				FrameDeny: true, ContentTypeNosniff: true, ContentSecurityPolicy: "default-src 'self'",
				STSSeconds: 60, SSLProxyHeaders: proxied,
			}).Handler).admit(t, http.Header{"X-Forwarded-Proto": {"https"}})
			hs := []http.Header{v.header}
			if e.mode == upgraded && !e.once() {
				hs = append(hs, v.UpgradeResponse.Header)
			}
			for _, h := range hs {
				equal(t, h, "X-Frame-Options", "DENY")
				equal(t, h, "X-Content-Type-Options", "nosniff")
				equal(t, h, "Content-Security-Policy", "default-src 'self'")
				equal(t, h, "Strict-Transport-Security", "max-age=60")
			}
		}},
		{name: "SSLRedirect", at: anywhere | around, refuses: true, test: func(t *testing.T, e env) {
			s := e.serve(t, secure.New(secure.Options{SSLRedirect: true, SSLHost: "chat.example", SSLProxyHeaders: proxied}).Handler)
			got := s.refuse(t, nil)
			if got.status != http.StatusMovedPermanently {
				t.Errorf("status %d", got.status)
			}
			if to := got.header.Get("Location"); e.heard() && !strings.HasPrefix(to, "https://chat.example"+siotest.Path+"?EIO=4&") {
				t.Errorf("to %q", to)
			}
			s.admit(t, http.Header{"X-Forwarded-Proto": {"https"}})
		}},
		{name: "AllowedHosts", at: anywhere | around, refuses: true, test: func(t *testing.T, e env) {
			s := e.serve(t, secure.New(secure.Options{AllowedHosts: []string{"chat.example"}}).Handler)
			s.refuse(t, nil).want(t, http.StatusInternalServerError, "Bad Host")
			s.admit(t, http.Header{"Host": {"chat.example"}})
		}},
	})
}
