package wrap_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// tlsPlaces are the places on servers with TLS, where long-polling is HTTP/2.
func tlsPlaces() []place {
	var secure []place
	for _, p := range places {
		add := p.add
		p.add = func(c *siotest.Config, mws []wrap.Middleware) socket.NamespaceMiddleware {
			c.TLS = true
			return add(c, mws)
		}
		secure = append(secure, p)
	}
	return secure
}

// Long-polling over HTTP/2 and WebSocket over TLS are as over plain TCP: the chain runs
// once, headers and values arrive, and sessions are upgraded.
func TestTLS(t *testing.T) {
	type key struct{}
	for _, p := range tlsPlaces() {
		for name, d := range dials {
			t.Run(p.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				protos := make(chan string, 64)
				r := newRig(t, p, d, []wrap.Middleware{mw(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
					protos <- r.Proto
					w.Header().Set("X-Chain", "ran")
					next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "value")))
				})})
				c, s := r.admitted(t)
				want := "HTTP/1.1"
				if d.Polling {
					want = "HTTP/2.0"
				}
				if got := c.Handshake; got.Proto != want || r.http && got.Header.Get("X-Chain") != "ran" {
					t.Errorf("handshake over %s with %v, want %s", got.Proto, got.Header, want)
				}
				if got := wrap.Context(s).Value(key{}); got != "value" {
					t.Errorf("value %v", got)
				}
				if got := wrap.Request(s); got.TLS == nil || got.Proto != want {
					t.Errorf("request over %s, TLS %v, want %s with TLS", got.Proto, got.TLS, want)
				}

				_ = s.On("echo", func(args ...any) { args[1].(socket.Ack)(args[:1], nil) })
				echo := func(size int) {
					t.Helper()
					text := strings.Repeat("é", size)
					if got := c.EmitAck(t, "echo", text).Args(); len(got) != 1 || got[0] != text {
						t.Errorf("an echo of %d characters is %.100q", size, got)
					}
				}
				echo(1)
				if r.name == "Handler" || r.name == "Namespace" { // the host alone loses it over long-polling
					echo(100_000) // more than a frame of HTTP/2 and than its window
				}
				if d.Polling {
					c.Upgrade(t)
					echo(1)
				}
				wrap.Kick(s, &wrap.Error{Code: "over", Message: "over"})
				c.NextEvent(t, "kicked")
				c.AwaitDone(t)
				if got := <-protos; got != want || r.name != "Every" && len(protos) != 0 {
					t.Errorf("the chain ran over %s, and %d more times", got, len(protos))
				}
			})
			t.Run(p.name+"/"+name+"/refused", func(t *testing.T) {
				t.Parallel()
				r := newRig(t, p, d, []wrap.Middleware{mw(func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("X-Chain", "ran")
					http.Error(w, "not today", http.StatusForbidden)
				})})
				if h, body := r.refused(t, http.StatusForbidden); r.http && (h.Get("X-Chain") != "ran" || body != "not today") {
					t.Errorf("header %v, body %q", h, body)
				}
			})
		}
	}
}

// A client that leaves in the middle of a poll over HTTP/2 ends its session, although its
// connection stays open for other requests.
func TestHTTP2PollAbandoned(t *testing.T) {
	for _, p := range tlsPlaces() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, p, siotest.Dial{Polling: true}, nil)
			c, s := r.admitted(t)
			over := make(chan string, 1)
			_ = s.On("disconnect", func(args ...any) { over <- fmt.Sprint(args[0]) })
			siotest.Eventually(t, "the next poll is under way", s.Conn().Transport().Writable)
			c.Kill()
			if got := <-over; got != "transport close" && got != "transport error" {
				t.Errorf("reason %q", got)
			}
		})
	}
}
