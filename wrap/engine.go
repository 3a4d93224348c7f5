package wrap

import (
	"net/http"
	"slices"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/wrap/internal/header"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/types"
)

// Engine runs mws, the first outermost, on the Engine.IO handshake, for servers that are
// mounted without [Handler]:
//
//	io.ServeHandler(nil)
//	io.Engine().Use(wrap.Engine(secureHeaders, sessions)) // before serving
//
// It behaves like Handler, except where the engine allows no one in between:
//
//   - a middleware that counts or compresses the body sees none;
//   - one that records the status sees 200 or 101, although the engine may refuse the
//     request afterwards (by AllowRequest, or because of its protocol version);
//   - handlers around the engine also see what the chain makes of the request, since the
//     engine has only one;
//   - a session that the chain takes back after next (see Handler) is closed over
//     WebSocket; over long-polling it is refused when it sends CONNECT, if a [Func]
//     guards the namespace;
//   - the faults of the host that Handler works around remain.
func Engine(mws ...Middleware) engine.Middleware {
	h := chain(mws)
	return func(ctx *types.HttpContext, next func(error)) {
		repair(ctx)
		if !opensSession(ctx) {
			next(nil)
			return
		}
		serveEngine(h, ctx, next)
	}
}

// Every is [Engine] for every request: handshakes, polls, posts, upgrades and the rest,
// such as the OPTIONS of a CORS preflight. It is for what each response needs; the chain
// of a poll lasts as long as the poll.
func Every(mws ...Middleware) engine.Middleware {
	h := chain(mws)
	return func(ctx *types.HttpContext, next func(error)) {
		repair(ctx)
		serveEngine(h, ctx, next)
	}
}

// repair fixes headers that were set around the engine. The host copies them and then
// writes only the first value of each (types/http-context.go:113), which loses the rest
// of a list, and panics in a way that ends the process if there is none.
func repair(ctx *types.HttpContext) {
	upgrade := websocket.IsWebSocketUpgrade(ctx.Request())
	for k, vs := range ctx.ResponseHeaders.All() {
		if len(vs) == 0 || (len(vs) > 1 && !upgrade && slices.Equal(ctx.Response().Header()[k], vs)) {
			ctx.ResponseHeaders.Remove(k)
		}
	}
}

// engaged is the exchange of a chain that runs inside the engine.
type engaged struct {
	exchange
	rec  recorder
	ctx  *types.HttpContext
	next func(error)
	want int32 // the status of success

	offered []string // WebSocket subprotocols
}

// enter is called by the chain. The engine writes its own answer, so late headers must be
// set now.
func (e *engaged) enter(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(int(e.want))
	e.read(e.want, func() { e.commit(w.Header()) })
	replace(e.ctx, withMark(r, e.mark))
	e.next(nil)
	if e.want == http.StatusOK {
		// The answer is written on another goroutine; what the chain does after next must
		// come after it.
		<-e.ctx.Done()
	}
}

// commit hands over the headers of the chain; h are those that its innermost handler
// sees.
func (e *engaged) commit(h http.Header) {
	if e.want == http.StatusSwitchingProtocols {
		// Lists may already have values of handlers around the engine, and of earlier
		// chains.
		all := make(http.Header)
		header.Merge(all, e.ctx.ResponseHeaders.All())
		header.Merge(all, header.Upgrade(e.offered, h, e.rec.header))
		e.ctx.ResponseHeaders.Replace(all)
		return
	}
	for _, k := range []string{"Content-Encoding", "Content-Length", "Transfer-Encoding"} {
		h.Del(k) // they describe a body that does not pass through the chain
	}
	commit(e.ctx, h, e.rec.header)
	// The host sets its own cookie late, replacing all others (engine/base-server.go:318)
	// except those spelled differently.
	out := map[string][]string(e.ctx.Response().Header())
	for _, v := range out["Set-Cookie"] {
		if !slices.Contains(out["set-cookie"], v) { // of an earlier chain
			out["set-cookie"] = append(out["set-cookie"], v)
		}
	}
	delete(out, "Set-Cookie")
}

// serveEngine runs the chain for a request that the engine is handling.
func serveEngine(h http.Handler, ctx *types.HttpContext, next func(error)) {
	e := &engaged{ctx: ctx, next: next, want: http.StatusOK}
	e.rec = recorder{header: make(http.Header), x: &e.exchange, whole: true}
	r := e.start(ctx.Request(), e, opensSession(ctx))
	if websocket.IsWebSocketUpgrade(r) {
		e.want = http.StatusSwitchingProtocols
		e.offered = header.Offered(r)
	}
	ok := false
	defer func() {
		if !ok && ctx.Websocket != nil {
			_ = ctx.Websocket.Close()
		}
	}()
	called := e.run(h, &e.rec, r)

	status := e.status.Load()
	ok = !called || status == 0 || status == e.want
	switch {
	case !ok:
		e.revoke()
	case called:
	case e.exchange.ctx.Err() != nil:
		e.late(int(status))
	case status == 0:
		ctx.ResponseHeaders.Set("Content-Type", "text/plain; charset=utf-8")
		ctx.SetStatusCode(http.StatusInternalServerError)
		_, _ = ctx.Write([]byte(http.StatusText(http.StatusInternalServerError)))
	default:
		commit(ctx, e.rec.header)
		ctx.SetStatusCode(int(status))
		_, _ = ctx.Write(e.rec.body.Bytes())
	}
}

// late answers a request whose context has ended. Usually nobody is left to read it, but
// see http.Server.BaseContext. The host's own Write may do nothing by now
// (types/http-context.go:66), in which case nobody else writes.
func (e *engaged) late(status int) {
	w := e.ctx.Response()
	commit(e.ctx, e.rec.header)
	if status == 0 {
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
	} else {
		w.WriteHeader(status)
		_, _ = w.Write(e.rec.body.Bytes())
	}
	e.ctx.Flush() // HandleRequest waits for this
}

// commit puts the headers of a chain where the engine does not truncate lists.
func commit(ctx *types.HttpContext, hs ...http.Header) {
	out := ctx.Response().Header()
	for _, h := range hs {
		for k, vs := range h {
			if len(vs) == 0 {
				continue
			}
			if own, ok := ctx.ResponseHeaders.Gets(k); ok {
				header.Merge(out, http.Header{k: own})
				ctx.ResponseHeaders.Remove(k)
			}
			header.Merge(out, http.Header{k: slices.Clone(vs)})
		}
	}
}

// replace makes r the engine's request. It runs on the engine's own goroutine, which so
// far shares the request with no other.
func replace(ctx *types.HttpContext, r *http.Request) {
	held := ctx.Request()
	query := held.URL.RawQuery
	*held = *r
	ctx.Headers().Replace(held.Header)
	if held.URL.RawQuery != query {
		ctx.Query().Replace(held.URL.Query())
	}
}
