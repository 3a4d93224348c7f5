package wrap

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"
)

// IsHandshake reports whether the engine would take r for the opening of a new
// session: a GET whose last sid value is empty or missing. That is the engine's
// own test (engine/base-server.go:178, which reads the query by url.URL.Query
// and utils.ParameterBag, whose Peek returns the last value), so that no
// spelling of the query makes the two disagree.
//
// Another test can be talked round: by the first value, "?sid=x&sid=" is no
// handshake, and the session would start without its middleware.
func IsHandshake(r *http.Request) bool {
	if strings.ToUpper(r.Method) != http.MethodGet {
		return false
	}
	sid := r.URL.Query()["sid"]
	return len(sid) == 0 || sid[len(sid)-1] == ""
}

// handshake marks the request of a session that has passed Handler, Engine or
// Every. It lives as long as the session and is kept small.
type handshake struct {
	outer   *handshake               // of a chain around this one
	x       atomic.Pointer[exchange] // while the chain runs
	conn    atomic.Pointer[conn]     // the WebSocket of the session, if we hijacked it
	revoked atomic.Bool              // refused after the session had been made
}

// handshakeKey finds the innermost handshake in a request's context.
type handshakeKey struct{}

func marked(r *http.Request) *handshake {
	h, _ := r.Context().Value(handshakeKey{}).(*handshake)
	return h
}

// withMark returns r with h in its context, which a middleware may have lost.
func withMark(r *http.Request, h *handshake) *http.Request {
	if marked(r) == h {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), handshakeKey{}, h))
}

// socketConn returns the WebSocket of the session, or nil.
func (h *handshake) socketConn() *conn {
	for ; h != nil; h = h.outer {
		if c := h.conn.Load(); c != nil {
			return c
		}
	}
	return nil
}

// exchange returns the exchange of the outermost chain that is still running.
func (h *handshake) exchange() (x *exchange) {
	for ; h != nil; h = h.outer {
		if running := h.x.Load(); running != nil {
			x = running
		}
	}
	return x
}

// refused reports whether a chain has refused the session after all.
func (h *handshake) refused() bool {
	for ; h != nil; h = h.outer {
		if h.revoked.Load() {
			return true
		}
	}
	return false
}

// handshakeOf returns the mark of the session of s, or nil.
func handshakeOf(s *socket.Socket) *handshake { return marked(s.Request().Request()) }

// isHandshake is IsHandshake in the engine's own terms.
func isHandshake(ctx *types.HttpContext) bool {
	return ctx.Method() == http.MethodGet && ctx.Query().Peek("sid") == ""
}

var errUnwrapped = errors.New("wrap: the session was opened past Handler, Engine and Every")

// Require refuses, with code forbidden, a socket whose session was opened past
// [Handler], [Engine] and [Every] and which has not passed [Namespace] either:
// a WebTransport session, which the engine opens without its middlewares, or one
// of a server that was mounted without them. Put it behind Namespace where that
// is the only one in use.
func Require() socket.NamespaceMiddleware {
	return Func(func(_ context.Context, s *socket.Socket) error {
		if handshakeOf(s) != nil || stateOf(s).wrapped.Load() {
			return nil
		}
		return &Error{Code: codeForbidden, Err: errUnwrapped}
	})
}
