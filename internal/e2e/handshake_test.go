package e2e

import (
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/zishang520/socket.io/v2/socket"
)

// TestRefusedHandshake: a client whose handshake is refused by HTTP middleware keeps
// reconnecting, learns as much of the refusal as its transport lets through, and gets in
// when the server admits it.
func TestRefusedHandshake(t *testing.T) {
	const refusals = 2
	each(t, func(t *testing.T, v variant) {
		var attempts atomic.Int32
		mw := func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if attempts.Add(1) > refusals {
					next.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = w.Write([]byte(`{"code":"token_missing"}`))
			})
		}
		s := serve(t, nil, func(io *socket.Server) { onConnection(io.Sockets(), echo) }, mw)
		c := connect(t, v, s, func(sc *scenario) { sc.Responses = true })
		c.await(t, 1, "connect")
		c.call(t, "echo")
		if got := attempts.Load(); got != refusals+1 {
			t.Errorf("%d handshakes, want %d", got, refusals+1)
		}

		// On the wire, whatever the client makes of it.
		for _, r := range c.all("response")[:refusals] {
			if r.Status != http.StatusUnauthorized || !reflect.DeepEqual(r.Headers["retry-after"], []string{"1"}) {
				t.Errorf("refused with %s", r.raw)
			}
		}
		errs := append(c.all("connect_error"), c.all("reconnect_error")...)
		if len(errs) < refusals {
			t.Errorf("%d errors; %s", len(errs), c.history())
		}
		for _, err := range errs {
			wantTransportError(t, v, err)
		}
		if got := c.all("reconnect"); len(got) != 1 || len(c.all("reconnect_attempt")) != refusals {
			t.Errorf("reconnected: %v; %s", got, c.history())
		}
	})
}

// wantTransportError checks what a client observed of a handshake that was
// refused with 401.
func wantTransportError(t *testing.T, v variant, err record) {
	t.Helper()
	message, description := "xhr poll error", any(401.0)
	if !v.polls() {
		message, description = "websocket error", "Unexpected server response: 401"
	}
	if err.Message != message || err.Description != description {
		t.Errorf("%s = %s", err.Type, err.raw)
	}
	if v.client == 2 || err.Type != "connect_error" {
		return
	}
	if err.Active == nil || !*err.Active {
		t.Errorf("socket.active is not true: %s", err.raw)
	}
	if v.polls() && (err.Status != 401 || err.RetryAfter != "1" || err.Body != `{"code":"token_missing"}`) {
		t.Errorf("err.context: %s", err.raw)
	}
}

// TestHandshakeHeaders: all values of a list arrive, over both transports, with the
// handshake only.
func TestHandshakeHeaders(t *testing.T) {
	mw := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Set-Cookie", "sid=1; Path=/; HttpOnly")
			w.Header().Add("Set-Cookie", "lang=en")
			w.Header().Add("Vary", "Origin")
			w.Header().Add("Vary", "Cookie, Accept-Language")
			next.ServeHTTP(w, r)
		})
	}
	each(t, func(t *testing.T, v variant) {
		s := serve(t, nil, func(io *socket.Server) { onConnection(io.Sockets(), echo) }, mw)
		c := connect(t, v, s, func(sc *scenario) {
			sc.Responses = true
			sc.Options["withCredentials"] = true // of version 4 in Node: keep cookies
		})
		c.await(t, 1, "connect")
		c.call(t, "echo")
		if v.upgrades() {
			c.await(t, 1, "upgrade")
		}
		status := http.StatusOK
		if !v.polls() {
			status = http.StatusSwitchingProtocols
		}
		responses := c.all("response")
		if len(responses) == 0 {
			t.Fatal(c.history())
		}
		first := responses[0]
		if first.Status != status {
			t.Errorf("handshake: %s", first.raw)
		}
		if got, want := first.Headers["set-cookie"], []string{"sid=1; Path=/; HttpOnly", "lang=en"}; !reflect.DeepEqual(got, want) {
			t.Errorf("Set-Cookie = %q, want %q", got, want)
		}
		if got, want := strings.Join(first.Headers["vary"], ", "), "Origin, Cookie, Accept-Language"; got != want {
			t.Errorf("Vary = %q, want %q", got, want)
		}
		for _, r := range responses[1:] {
			if r.Headers["set-cookie"] != nil || r.Headers["vary"] != nil {
				t.Errorf("headers of the handshake again: %s", r.raw)
			}
			if v.client == 4 && r.Cookie != "sid=1; lang=en" {
				t.Errorf("the client does not return the cookies: %s", r.raw)
			}
		}
		if n := len(responses); v.polls() && n < 2 || !v.polls() && n != 1 {
			t.Errorf("%d responses; %s", n, c.history())
		}
	})
}
