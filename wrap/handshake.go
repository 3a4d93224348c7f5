package wrap

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/internal/mark"
	"github.com/sioware/sioware/internal/wire"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// IsHandshake reports whether the engine would treat r as the opening of a new session: a
// GET whose last sid value is empty or missing. This is the engine's own test
// (engine/base-server.go:182, which reads the query with url.URL.Query and
// utils.ParameterBag, whose Peek returns the last value), so no spelling of the query
// makes the two disagree.
//
// Other tests can be fooled: one that looks at the first value does not take
// "?sid=x&sid=" for a handshake, and the session would start without its middleware.
func IsHandshake(r *http.Request) bool {
	return plainHandshake(r) || opens(r, r.URL.Query())
}

// plainHandshake is IsHandshake for requests that can be recognized without parsing the
// query, because it contains no sid in any spelling.
func plainHandshake(r *http.Request) bool {
	return r.Method == http.MethodGet && !strings.Contains(r.URL.RawQuery, "sid") && !strings.Contains(r.URL.RawQuery, "%")
}

// opens is IsHandshake for a query that has been parsed.
func opens(r *http.Request, query url.Values) bool {
	return strings.ToUpper(r.Method) == http.MethodGet && wire.Last(query["sid"]) == ""
}

// isPost reports whether the engine takes r for a POST: it upper-cases the method
// (types/http-context.go:163).
func isPost(r *http.Request) bool { return strings.ToUpper(r.Method) == http.MethodPost }

// sessionMark marks the request of a session that has passed Handler, Engine or Every. It
// lives as long as the session and is kept small.
type sessionMark struct {
	outer   *sessionMark             // the mark of a chain around this one
	opens   bool                     // the chain runs for a client that is connecting
	x       atomic.Pointer[exchange] // while the chain runs
	conn    atomic.Pointer[conn]     // the WebSocket of the session, if we hijacked it
	revoked atomic.Bool              // refused after the session had been created
	probe   atomic.Pointer[probe]    // of a running upgrade

	followed sync.Once
	life     context.Context // of the session, once it is followed
	over     context.CancelFunc

	mu       sync.Mutex
	settling int                           // sockets that the host is currently connecting
	settled  atomic.Pointer[chan struct{}] // closed when settling drops to 0; nil while it is 0
}

// maxSettle limits how long a client's packets wait for the host.
const maxSettle = time.Second

// settle starts holding the client's packets back, until the function that it returns is
// called. The host answers CONNECT before it records the socket (socket/namespace.go:356,
// socket/client.go:123): a packet that the client sends on receiving the answer may find
// the socket unknown, which closes the connection.
func (h *sessionMark) settle() (settled func()) {
	if h == nil {
		return func() {}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.settling++; h.settling == 1 {
		ch := make(chan struct{})
		h.settled.Store(&ch)
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.settling--; h.settling == 0 {
			close(*h.settled.Swap(nil))
		}
	}
}

// wait holds a packet of the client back while the host is connecting a socket.
func (h *sessionMark) wait() {
	if h == nil {
		return
	}
	if ch := h.settled.Load(); ch != nil {
		awaitSettled(*ch)
	}
}

// awaitSettled waits until ch is closed, but at most maxSettle.
func awaitSettled(ch <-chan struct{}) {
	timer := time.NewTimer(maxSettle)
	defer timer.Stop()
	select {
	case <-ch:
	case <-timer.C:
	}
}

// session returns the mark that stands for the session: the outermost, which is that of
// Handler if there is one.
func (h *sessionMark) session() *sessionMark {
	for h != nil && h.outer != nil {
		h = h.outer
	}
	return h
}

// Connecting implements mark.Run.
func (h *sessionMark) Connecting() bool { return h.opens && h.x.Load() != nil }

// Passed implements mark.Run.
func (h *sessionMark) Passed() bool {
	x := h.x.Load()
	return x == nil || x.state.Load() == nextCalled
}

// marked finds the innermost handshake in the context of r.
func marked(r *http.Request) *sessionMark {
	h, _ := r.Context().Value(mark.Key{}).(*sessionMark)
	return h
}

// withMark returns r with h in its context, from which a middleware may have dropped it.
func withMark(r *http.Request, h *sessionMark) *http.Request {
	if marked(r) == h {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), mark.Key{}, h))
}

// socketConn returns the WebSocket of the session, or nil.
func (h *sessionMark) socketConn() *conn {
	for ; h != nil; h = h.outer {
		if c := h.conn.Load(); c != nil {
			return c
		}
	}
	return nil
}

// exchange returns the exchange of the outermost chain that is still running.
func (h *sessionMark) exchange() (x *exchange) {
	for ; h != nil; h = h.outer {
		if running := h.x.Load(); running != nil {
			x = running
		}
	}
	return x
}

// refused reports whether a chain has refused the session after calling next.
func (h *sessionMark) refused() bool {
	for ; h != nil; h = h.outer {
		if h.revoked.Load() {
			return true
		}
	}
	return false
}

// markOf returns the mark of the session of s, or nil.
func markOf(s *socket.Socket) *sessionMark { return marked(s.Request().Request()) }

// opensSession is IsHandshake in terms of the engine's own types.
func opensSession(ctx *types.HttpContext) bool {
	return ctx.Method() == http.MethodGet && ctx.Query().Peek("sid") == ""
}

var errUnwrapped = errors.New("wrap: the session did not come through Handler, Engine or Every")

// Require refuses, with code forbidden, a socket whose session was opened past [Handler],
// [Engine] and [Every] and that has not passed [Namespace] either: a WebTransport
// session, which the engine opens without its middlewares, or a session of a server that
// was mounted without them. If only Namespace is in use, put Require behind it.
func Require() socket.NamespaceMiddleware {
	return within(defaultTimeout, "wrap.Require", func(_ context.Context, s *socket.Socket) error {
		if markOf(s) != nil || stateOf(s).wrapped.Load() {
			return nil
		}
		return &Error{Code: codeForbidden, Err: errUnwrapped}
	})
}
