package wrap

import (
	"bufio"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"sync"

	"github.com/gorilla/websocket"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/types"
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
//   - it guards upgrades from long-polling, which a client can time so that they
//     end the process, and refuses requests that the host leaves unanswered;
//   - it bounds bodies of unknown length by MaxHttpBufferSize (413), refuses
//     payloads that the host's decoder does not survive (400), and delivers
//     long-polling messages over 64 KB, which the host drops silently;
//   - it negotiates no compression where [Harden] has set that none is wanted.
//
// For the last three h must be the engine itself: a handler around the engine
// hides its sessions and options. Call it once per engine, before serving.
func Handler(h http.Handler, mws ...Middleware) http.Handler {
	hd := &handler{next: h, chain: chain(mws), maxBody: defaultMaxBody}
	if eng, ok := h.(engine.BaseServer); ok {
		hd.engine = eng
		hd.maxBody = eng.Opts().MaxHttpBufferSize()
		if d := eng.Opts().PerMessageDeflate(); d != nil && d.Threshold == noCompression {
			hd.plain = true
		}
		_ = eng.On("connection", func(args ...any) {
			s := args[0].(engine.Socket)
			opened(s)
			hd.follow(s)
		})
		// The host calls this on a goroutine which can come before it is set
		// (transports/polling.go:91).
		eng.Use(func(ctx *types.HttpContext, next func(error)) {
			ctx.Cleanup = func() {}
			next(nil)
		})
	}
	return hd
}

type handler struct {
	next    http.Handler
	chain   http.Handler
	engine  engine.BaseServer // nil if next is not the engine itself
	maxBody int64
	plain   bool     // negotiate no WebSocket compression
	probes  sync.Map // of running upgrades: *probe by session id
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if opens(r, query) {
		h.handshake(w, r)
		return
	}
	h.session(w, r, query)
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
		sent = h.serve(&entry{front: f, mark: x.mark, opens: true}, w, r.WithContext(ctx))
	}
	called := x.run(h.chain, f, r)
	h.heal(x.session)

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

// heal removes a session that ended before the engine listened for its end, and
// which it would keep for ever (engine/base-server.go:330).
func (h *handler) heal(s engine.Socket) {
	if s == nil || s.ReadyState() != "closed" {
		return
	}
	if _, ok := h.engine.Clients().Load(s.Id()); ok {
		s.Emit("close", "transport close", nil)
	}
}

// session serves a request that belongs to a running session, or to none.
func (h *handler) session(w http.ResponseWriter, r *http.Request, query url.Values) {
	var s engine.Socket // nil if there is none
	var p *probe
	if h.engine != nil {
		s, _ = h.engine.Clients().Load(lastOf(query["sid"]))
	}
	if s != nil {
		var ok bool
		if p, ok = h.checkRoute(r, query, s); !ok {
			badRequest(w)
			return
		}
	}
	r, late, ok := h.checkBody(w, r, query, s)
	if !ok {
		return
	}
	e := &entry{front: &front{ResponseWriter: w, x: new(exchange)}, probe: p, late: late}
	if s != nil {
		e.mark = marked(s.Request().Request()).session()
		if r.Method == http.MethodPost {
			e.mark.wait()
		}
	}
	h.serve(e, e.front, r)
	if p != nil && !e.front.hijacked.Load() {
		h.probes.CompareAndDelete(s.Id(), p)
	}
}

// badRequest answers as the engine does.
func badRequest(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, `{"code":3,"message":"Bad request"}`)
}

// entry is one passage of a request into the engine.
type entry struct {
	front *front     // what the connection is taken from
	mark  *handshake // of the session, or nil
	opens bool       // the request opens the session
	probe *probe     // of an upgrade, or nil
	late  func()     // runs before an answer of 200 goes out, or nil
}

// serve runs the engine, and returns the status that it answered with. w is what
// the innermost middleware was given.
func (h *handler) serve(e *entry, w http.ResponseWriter, r *http.Request) int32 {
	gate := make(chan struct{})
	a := &answer{header: make(http.Header, 4)}
	a.hijack = func() (net.Conn, *bufio.ReadWriter, error) {
		nc, rw, err := http.NewResponseController(e.front.ResponseWriter).Hijack()
		if err != nil {
			return nil, nil, err
		}
		c := newConn(nc, gate, e.mark)
		if e.opens {
			e.mark.conn.Store(c)
		}
		e.front.hijacked.Store(true)
		// Late headers (a session's cookie) are set in WriteHeader, and loggers
		// take the status from there.
		w.WriteHeader(http.StatusSwitchingProtocols)
		c.head = upgradeHeader(w.Header(), e.front.Header())
		if e.probe != nil {
			e.probe.conn = c
			return e.probe, rw, nil
		}
		return c, rw, nil
	}
	defer close(gate)
	h.next.ServeHTTP(a, h.prepare(r))
	status := a.seal()
	switch {
	case e.front.hijacked.Load():
		return http.StatusSwitchingProtocols
	case status == 0:
		return 0
	case status == http.StatusOK && e.late != nil:
		e.late()
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
