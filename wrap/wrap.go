package wrap

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/sioware/sioware/internal/wire"
	"github.com/sioware/sioware/wrap/internal/header"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/types"
)

// Middleware is the standard form of net/http middleware.
type Middleware = func(http.Handler) http.Handler

// defaultMaxBody is the engine's own default of MaxHttpBufferSize.
const defaultMaxBody = 1e6

// Handler returns a handler that runs mws, the first outermost, on the Engine.IO
// handshake and on nothing else, and runs h, which is io.ServeHandler(nil), on every
// request:
//
//	http.Handle("/socket.io/", wrap.Handler(io.ServeHandler(nil), secureHeaders, sessions))
//
// Over long-polling and WebSocket alike, the client sees the headers that a middleware
// sets, late ones included, with all values of a list, and sees a refusal with its
// status, headers and body. If a chain neither answers nor calls next, the client gets
// 500.
//
// Only one call of next counts, made while the middleware runs, before anything is
// written and before the request's context ends (if nobody answers after that, a client
// that is still there gets 503); other calls do nothing. What a middleware writes after
// next has answered is dropped: to refuse, do so before. A chain that holds back what
// next has answered (http.TimeoutHandler does) and sends a different answer loses the
// session that next has opened, and so does one that panics.
//
// What a middleware puts into the request is found in [Request] and [Context] of the
// sockets. A Sec-WebSocket-Protocol set by a chain is sent if it is one of those that the
// client offers. The chain returns when the handshake has been answered, not when the
// connection ends. A middleware that records the status sees 101 for an upgrade; the
// connection itself is taken directly from the server, past any wrapper of http.Hijacker
// in the chain.
//
// Headers that are needed on every response, CORS above all, go around it:
// cors.Handler(wrap.Handler(...)). A handler around it must pass on http.Hijacker, as for
// any WebSocket.
//
// Handler also works around faults that make the bare host slow, lose packets or crash:
//
//   - it holds back what the client sends before the host listens, which would otherwise
//     be lost (1 to 9 of 5,000 WebSocket handshakes) or end the process;
//   - it guards upgrades from long-polling, which a client can time so that they end the
//     process, and refuses requests that the host would leave unanswered;
//   - it limits bodies of unknown length to MaxHttpBufferSize (413), refuses payloads
//     that the host's decoder does not survive (400), and delivers long-polling messages
//     over 64 KB, which the host silently drops;
//   - it negotiates no compression if [Harden] has set the options so;
//   - it sends the first packet of a WebSocket in one write with the 101 response.
//
// For the last four, h must be the engine itself: a handler around the engine hides its
// sessions and options. Call Handler once per engine, before serving. It panics if h or one
// of mws is nil, as [Engine], [Every] and [Namespace] do.
func Handler(h http.Handler, mws ...Middleware) http.Handler {
	demand(h != nil, "Handler: nil handler; pass io.ServeHandler(nil)")
	hd := &handler{next: h, chain: chain(mws), maxBody: defaultMaxBody}
	if eng, ok := h.(engine.BaseServer); ok {
		hd.engine = eng
		hd.maxBody = eng.Opts().MaxHttpBufferSize()
		if d := eng.Opts().PerMessageDeflate(); d != nil && d.Threshold == noCompression {
			hd.noDeflate = true
		}
		_ = eng.On("connection", func(args ...any) { opened(args[0].(engine.Socket)) })
		// The host calls this on a goroutine that may run before it is set
		// (transports/polling.go:90).
		eng.Use(func(ctx *types.HttpContext, next func(error)) {
			ctx.Cleanup = func() {}
			next(nil)
		})
	}
	return hd
}

type handler struct {
	next      http.Handler
	chain     http.Handler
	engine    engine.BaseServer // nil if next is not the engine itself
	maxBody   int64
	noDeflate bool // negotiate no WebSocket compression

	warnHidden sync.Once // logs that there is no http.Hijacker
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if plainHandshake(r) {
		h.handshake(w, r)
		return
	}
	query := r.URL.Query()
	if opens(r, query) {
		h.handshake(w, r)
		return
	}
	h.session(w, r, query)
}

// handshake runs the chain, with the engine as its innermost handler.
func (h *handler) handshake(w http.ResponseWriter, r *http.Request) {
	p := &passage{h: h, opens: true, offered: header.Offered(r)}
	p.front.ResponseWriter, p.front.x = w, &p.exchange
	r = p.start(r, p, true)
	called := p.run(h.chain, &p.front, r)
	h.heal(p.session)

	got := p.status.Load()
	switch {
	case p.front.hijacked.Load():
		if got != 0 && got != http.StatusSwitchingProtocols {
			p.revoke()
		}
	case got == 0 || got == http.StatusSwitchingProtocols:
		if called {
			p.revoke()
		}
		status := http.StatusInternalServerError
		if p.ctx.Err() != nil { // usually nobody is left; for other cases see http.Server.BaseContext
			status = http.StatusServiceUnavailable
		}
		http.Error(w, http.StatusText(status), status)
	case got != p.sent || p.ctx.Err() != nil:
		p.revoke()
	}
}

// session serves a request that belongs to an existing session, or to none.
func (h *handler) session(w http.ResponseWriter, r *http.Request, query url.Values) {
	var s engine.Socket // nil if there is none
	if h.engine != nil {
		s, _ = h.engine.Clients().Load(wire.Last(query["sid"]))
	}
	p := &passage{h: h, offered: header.Offered(r)}
	p.front.ResponseWriter, p.front.x = w, &p.exchange
	if s != nil {
		p.mark = marked(s.Request().Request()).session()
		var ok bool
		if p.probe, ok = h.claimUpgrade(r, query, s, p.mark); !ok {
			badRequest(w)
			return
		}
		if p.probe != nil {
			defer p.free()
		}
	}
	r, late, ok := h.screenBody(w, r, query, s)
	if !ok {
		return
	}
	p.late = late
	if isPost(r) {
		p.mark.wait()
	}
	if p.mark != nil && p.probe == nil && strings.ToUpper(r.Method) == http.MethodGet {
		p.mark.follow(s)
		p.poll(w, r)
		return
	}
	p.serve(&p.front, r)
}

// heal removes a session that ended before the engine listened for its end: the engine
// would keep it for ever (engine/base-server.go:332).
func (h *handler) heal(s engine.Socket) {
	if s == nil || s.ReadyState() != "closed" {
		return
	}
	if _, ok := h.engine.Clients().Load(s.Id()); ok {
		s.Emit("close", "transport close", nil)
	}
}

// badRequest answers as the engine does.
func badRequest(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, `{"code":3,"message":"Bad request"}`)
}
