package wrap

import (
	"bufio"
	"context"
	"maps"
	"net"
	"net/http"

	"github.com/gorilla/websocket"
	"github.com/zishang520/engine.io/v2/engine"
)

// Middleware is the standard form of net/http middleware.
type Middleware = func(http.Handler) http.Handler

// defaultMaxBody is the engine's own default of MaxHttpBufferSize.
const defaultMaxBody = 1e6

// Handler returns a handler that runs mws, the first outermost, on the
// Engine.IO handshake and on nothing else, and h, which is io.ServeHandler(nil),
// on every request:
//
//	http.Handle("/socket.io/", wrap.Handler(io.ServeHandler(nil), secureHeaders, sessions))
//
// Over long-polling and over WebSocket alike the client sees the headers that a
// middleware sets, also late ones, with all values of a list; and a refusal with
// its status, headers and body. If a chain neither answers nor calls next, the
// client gets 500. next counts once, while the middleware runs, and before
// anything is written; other calls do nothing. A chain that answers otherwise
// after next has opened a session, or panics, loses that session. What a
// middleware puts into the request is in [Request] and [Context] of the sockets.
// The chain has returned when the handshake has been answered, not when the
// connection ends. A middleware that records the status sees 101 for an upgrade.
//
// Headers that are needed on every response, CORS above all, go around it:
// cors.Handler(wrap.Handler(...)). A handler around it must pass http.Hijacker
// on, as for any WebSocket.
//
// Handler also mends what makes the bare host lose packets or the process:
//
//   - it holds back what the client sends before the host listens, which is else
//     lost (1 to 9 of 5,000 WebSocket handshakes) or ends the process;
//   - it bounds bodies of unknown length by MaxHttpBufferSize (413), refuses
//     payloads that the host's decoder cannot survive (400), and delivers
//     long-polling messages over 64 KB, which the host drops silently;
//   - it negotiates no compression where [Harden] has set that none is wanted.
//
// For the bounds h must be the engine itself; of a handler around the engine
// only the defaults are known.
func Handler(h http.Handler, mws ...Middleware) http.Handler {
	hd := &handler{next: h, chain: chain(mws), maxBody: defaultMaxBody}
	if eng, ok := h.(engine.BaseServer); ok {
		hd.engine = eng
		hd.maxBody = eng.Opts().MaxHttpBufferSize()
		if d := eng.Opts().PerMessageDeflate(); d != nil && d.Threshold == noCompression {
			hd.plain = true
		}
		_ = eng.On("connection", func(args ...any) { opened(args[0].(engine.Socket)) })
	}
	return hd
}

type handler struct {
	next    http.Handler
	chain   http.Handler
	engine  engine.BaseServer // nil if next is not the engine itself
	maxBody int64
	plain   bool // negotiate no WebSocket compression
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if IsHandshake(r) {
		h.handshake(w, r)
		return
	}
	h.session(w, r)
}

// handshake runs the chain, and the engine as its innermost handler.
func (h *handler) handshake(w http.ResponseWriter, r *http.Request) {
	x, r := start(r)
	f := &front{ResponseWriter: w, x: x}
	var sent int32 // what the engine has answered
	x.next = func(w http.ResponseWriter, r *http.Request) {
		// Canceled when the handler returns, whatever the chain has made of it:
		// the engine waits for that on a goroutine (types/http-context.go:70).
		ctx, cancel := context.WithCancel(withMark(r, x.mark).Context())
		defer cancel()
		sent = h.serve(f, w, r.WithContext(ctx), x.mark, nil)
	}
	called := x.run(h.chain, f, r)

	got := x.status.Load()
	switch {
	case f.hijacked.Load():
		if got != 0 && got != http.StatusSwitchingProtocols {
			x.revoke()
		}
	case got == 0 || got == http.StatusSwitchingProtocols:
		if called {
			x.revoke()
		}
		if x.ctx.Err() == nil {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		}
	case got != sent || x.ctx.Err() != nil:
		x.revoke()
	}
}

// session serves a request that belongs to a running session, or to none.
func (h *handler) session(w http.ResponseWriter, r *http.Request) {
	r, late, ok := h.checkBody(w, r)
	if !ok {
		return
	}
	f := &front{ResponseWriter: w, x: new(exchange)}
	h.serve(f, f, r, nil, late)
}

// serve runs the engine, and returns the status that it answered with. base is
// what the connection is taken from, w what the innermost middleware was given,
// mark that of a handshake. late runs before an answer of 200 goes out.
func (h *handler) serve(base *front, w http.ResponseWriter, r *http.Request, mark *handshake, late func()) int32 {
	gate := make(chan struct{})
	a := &answer{header: make(http.Header, 4)}
	a.hijack = func() (net.Conn, *bufio.ReadWriter, error) {
		nc, rw, err := http.NewResponseController(base.ResponseWriter).Hijack()
		if err != nil {
			return nil, nil, err
		}
		c := newConn(nc, gate, nil)
		if mark != nil {
			mark.conn.Store(c)
		}
		base.hijacked.Store(true)
		// Late headers (a session's cookie) are set in WriteHeader, and loggers
		// take the status from there.
		w.WriteHeader(http.StatusSwitchingProtocols)
		c.head = upgradeHeader(w.Header(), base.Header())
		return c, rw, nil
	}
	defer close(gate)
	h.next.ServeHTTP(a, h.prepare(r))
	status := a.seal()
	switch {
	case base.hijacked.Load():
		return http.StatusSwitchingProtocols
	case status == 0:
		return 0
	case status == http.StatusOK && late != nil:
		late()
	}
	a.replay(w)
	return int32(status)
}

// prepare returns r without an offer of WebSocket compression where none is
// wanted. The host has to be told that compression is on, or it loses
// broadcasts, but a client that compresses could send a bomb: the host's read
// limit counts compressed bytes.
func (h *handler) prepare(r *http.Request) *http.Request {
	const extensions = "Sec-Websocket-Extensions"
	if !h.plain || r.Header[extensions] == nil || !websocket.IsWebSocketUpgrade(r) {
		return r
	}
	p := new(http.Request)
	*p = *r
	p.Header = maps.Clone(r.Header)
	delete(p.Header, extensions)
	return p
}
