package wrap_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/socket.io/v2/socket"
)

// A place is one of those where a chain of HTTP middleware can run.
type place struct {
	name string
	// http reports whether the client's HTTP handshake sees what the chain does.
	http bool
	add  func(c *siotest.Config, mws []wrap.Middleware) socket.NamespaceMiddleware
}

var places = []place{
	{"Handler", true, func(c *siotest.Config, mws []wrap.Middleware) socket.NamespaceMiddleware {
		c.Handler = func(h http.Handler) http.Handler { return wrap.Handler(h, mws...) }
		return nil
	}},
	{"Engine", true, func(c *siotest.Config, mws []wrap.Middleware) socket.NamespaceMiddleware {
		c.Engine = func(e engine.BaseServer) { e.Use(wrap.Engine(mws...)) }
		return nil
	}},
	{"Every", true, func(c *siotest.Config, mws []wrap.Middleware) socket.NamespaceMiddleware {
		c.Engine = func(e engine.BaseServer) { e.Use(wrap.Every(mws...)) }
		return nil
	}},
	{"Namespace", false, func(c *siotest.Config, mws []wrap.Middleware) socket.NamespaceMiddleware {
		c.Handler = func(h http.Handler) http.Handler { return wrap.Handler(h) }
		return wrap.Namespace(mws...)
	}},
}

// rig is a server with a chain at one place, and a client that connects to it.
type rig struct {
	*siotest.Server
	place
	dial    siotest.Dial
	sockets chan *socket.Socket // the connected ones
}

// everywhere runs f at each place over each transport, with Engine.IO 4 and 3.
func everywhere(t *testing.T, f func(t *testing.T, start func(mws ...wrap.Middleware) *rig)) {
	for _, p := range places {
		for _, polling := range []bool{true, false} {
			for _, eio := range []int{4, 3} {
				transport := map[bool]string{true: "polling", false: "websocket"}[polling]
				t.Run(fmt.Sprintf("%s/%s/EIO%d", p.name, transport, eio), func(t *testing.T) {
					t.Parallel()
					f(t, func(mws ...wrap.Middleware) *rig {
						t.Helper()
						return newRig(t, p, siotest.Dial{Polling: polling, EIO: eio, Eager: p.name[0] != 'E'}, mws)
					})
				})
			}
		}
	}
}

func newRig(t *testing.T, p place, d siotest.Dial, mws []wrap.Middleware) *rig {
	t.Helper()
	r := &rig{place: p, dial: d, sockets: make(chan *socket.Socket, 64)}
	opts := socket.DefaultServerOptions()
	opts.SetAllowEIO3(true)
	c := siotest.Config{Options: wrap.Harden(opts)}
	use := p.add(&c, mws)
	r.Server = c.NewServer(t, func(io *socket.Server) {
		if use != nil {
			io.Use(use)
		}
		_ = io.On("connection", func(args ...any) { r.sockets <- args[0].(*socket.Socket) })
	})
	return r
}

// admitted connects a client and returns the server's socket.
func (r *rig) admitted(t *testing.T) (*siotest.Client, *socket.Socket) {
	t.Helper()
	c := r.Dial(t, r.dial)
	c.Connected(t)
	select {
	case s := <-r.sockets:
		return c, s
	case <-time.After(5 * time.Second):
		t.Fatal("no connection event")
		return nil, nil
	}
}

// refused expects a refusal with this status. It returns its header and body if the
// client can see them: at Namespace these are empty, and the message replaces the body.
func (r *rig) refused(t *testing.T, status int) (http.Header, string) {
	t.Helper()
	defer r.noSession(t)
	if r.http {
		_, err := r.Open(t, r.dial)
		var re *siotest.RefusedError
		if !errors.As(err, &re) {
			t.Fatalf("handshake: %v, want a refusal with %d", err, status)
		}
		if re.Status != status {
			t.Fatalf("status %d %q, want %d", re.Status, re.Body, status)
		}
		return re.Header, strings.TrimSpace(re.Body)
	}
	c := r.Dial(t, r.dial)
	p := c.ConnectError(t)
	data := refusalData(t, p)
	if want := fmt.Sprintf("http_%d", status); data["code"] != want || data["status"] != float64(status) {
		t.Fatalf("refused with %v, want code %s", data, want)
	}
	c.Close()
	return nil, fmt.Sprint(data["message"])
}

// refusalData returns the data of a CONNECT_ERROR, which in Engine.IO 3 is the
// whole payload.
func refusalData(t *testing.T, p siotest.Packet) map[string]any {
	t.Helper()
	data, _ := p.Data.(map[string]any)
	if inner, ok := data["data"].(map[string]any); ok {
		if inner["message"] != data["message"] {
			t.Errorf("message %q differs from that in the data %v", data["message"], inner)
		}
		data = inner
	}
	return data
}

// noSession expects the engine to have no session, or to end it soon.
func (r *rig) noSession(t *testing.T) {
	t.Helper()
	siotest.Eventually(t, "no session is left", func() bool { return r.IO.Engine().ClientsCount() == 0 })
	select {
	case s := <-r.sockets:
		if r.dial.EIO == 4 { // Engine.IO 3 connects to "/" within the handshake
			t.Errorf("socket %s has connected", s.Id())
		}
	default:
	}
}

// before sets headers and goes on.
func before(set func(http.Header)) wrap.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			set(w.Header())
			next.ServeHTTP(w, r)
		})
	}
}

// late sets headers at the last moment, as session managers do. Its writer has neither
// Hijack nor Unwrap.
func late(set func(http.Header)) wrap.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&lateWriter{ResponseWriter: w, set: set}, r)
		})
	}
}

type lateWriter struct {
	http.ResponseWriter
	set  func(http.Header)
	done bool
}

func (w *lateWriter) WriteHeader(status int) {
	if !w.done {
		w.done = true
		w.set(w.Header())
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *lateWriter) Write(p []byte) (int, error) {
	if !w.done {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}
