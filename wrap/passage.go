package wrap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"

	"github.com/gorilla/websocket"
	"github.com/sioware/sioware/wrap/internal/header"
)

// passage is the way of one request through Handler into the engine. Only its answer
// outlives the request.
type passage struct {
	exchange
	front front

	h     *handler
	opens bool   // the request opens a session
	probe *probe // of an upgrade, or nil

	offered []string // WebSocket subprotocols
	late    func()   // runs before an answer of 200 goes out, or nil

	w    http.ResponseWriter // what the innermost middleware was given
	gate chan struct{}       // of the connection, once hijacked
	sent int32               // the status that the engine answered with
}

// enter is called by the chain, as its innermost handler.
func (p *passage) enter(w http.ResponseWriter, r *http.Request) {
	r = withMark(r, p.mark)
	if r.Context().Done() != p.ctx.Done() {
		// The engine waits on a goroutine for the request's context to be done
		// (types/http-context.go:64). A middleware may have replaced the context with one
		// that never is.
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		r = r.WithContext(ctx)
	}
	p.sent = p.serve(w, r)
}

// serve runs the engine, and returns the status that it answered with, or 0.
func (p *passage) serve(w http.ResponseWriter, r *http.Request) int32 {
	p.w = w
	a := &answer{p: p, header: make(http.Header, 4)}
	defer func() {
		a.release()
		if p.gate != nil {
			close(p.gate)
		}
	}()
	p.h.next.ServeHTTP(a, p.h.prepare(r))
	status := a.seal()
	switch {
	case p.front.hijacked.Load():
		return http.StatusSwitchingProtocols
	case status == 0:
		return 0
	case status == http.StatusOK && p.late != nil:
		p.late()
	}
	a.replay(w, p.opens)
	return int32(status)
}

// hijack takes the connection from the client's own writer, whatever the middlewares have
// wrapped it in.
func (p *passage) hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := p.front.take(0)
	if err != nil {
		if errors.Is(err, http.ErrNotSupported) {
			p.h.warnHidden.Do(func() { tellHidden(p.ctx, p.front.ResponseWriter) })
		}
		return nil, nil, err
	}
	p.gate = make(chan struct{})
	c := newConn(nc, p.gate, p.mark)
	// Something other than the host may upgrade here; and a client that has left by then
	// gets a session, whereas the response alone would have failed: see heal.
	c.hold = p.opens && p.h.engine != nil
	if p.opens {
		p.mark.conn.Store(c)
	}
	// Late headers (a session's cookie) are set in WriteHeader, and loggers take the
	// status from it.
	p.w.WriteHeader(http.StatusSwitchingProtocols)
	p.read(http.StatusSwitchingProtocols, func() { c.head = header.Upgrade(p.offered, p.w.Header(), p.front.Header()) })
	if p.probe != nil {
		p.probe.conn = c
		return p.probe, rw, nil
	}
	return c, rw, nil
}

// tellHidden warns of a handler in front that has replaced the server's writer by w. The
// host answers 400, which a client that upgrades does not report: it stays with
// long-polling.
func tellHidden(ctx context.Context, w http.ResponseWriter) {
	slog.LogAttrs(ctx, slog.LevelWarn, "wrap: no WebSocket can be opened: a handler around Handler hides http.Hijacker; give its writer an Unwrap method",
		slog.String("writer", fmt.Sprintf("%T", w)))
}

// prepare returns r without an offer of WebSocket compression if none is wanted. The host
// must be told that compression is on, or it loses broadcasts, but then a compressing
// client could send a bomb: the host's read limit counts compressed bytes.
func (h *handler) prepare(r *http.Request) *http.Request {
	const extensions = "Sec-Websocket-Extensions"
	if !h.noDeflate || r.Header[extensions] == nil || !websocket.IsWebSocketUpgrade(r) {
		return r
	}
	p := new(http.Request)
	*p = *r
	p.Header = maps.Clone(r.Header)
	delete(p.Header, extensions)
	return p
}
