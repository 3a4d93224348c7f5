package logging

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/sioware/sioware/internal/mark"
	"github.com/sioware/sioware/internal/wire"
	"github.com/zishang520/engine.io/v2/transports"
)

// statusGone is what some servers record when the client has left.
const statusGone = 499

// Handler returns a handler that runs next and records each request, as plain net/http
// middleware. Through wrap it sees only handshakes, and should be the outermost of the
// chain; the sockets of a connection then share the id of its handshake. Anywhere else it
// records each request. In wrap.Namespace it would mistake CONNECTs for handshakes.
//
// A refusal answered by a *wrap.Error is recorded here, with its cause, and not by
// package wrap. A panic of next is recorded with its stack, and continues as
// http.ErrAbortHandler, so that net/http does not log its text. A panic with
// http.ErrAbortHandler has no stack: nobody gets the answer, and the request is recorded
// with code "aborted", as it is if next ends its goroutine (runtime.Goexit). The writer
// that next gets implements those of http.Hijacker, http.Flusher, io.ReaderFrom and
// http.Pusher that the server's own does. If nothing would be logged and there is no
// Observer, requests go to next unchanged.
func (l *Logger) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if l.off(ctx) && !l.enabled(ctx, slog.LevelDebug) || noteOf(ctx, l) != nil {
			next.ServeHTTP(w, r)
			return
		}
		l.serve(next, w, r)
	})
}

// serve serves a request that is recorded.
func (l *Logger) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	// Read the request now: next may change its URL and headers, and http.TimeoutHandler
	// leaves a goroutine that still does.
	x := &request{l: l, r: r, agent: agentOf(r.Header), path: r.URL.Path, connecting: mark.Connecting(r.Context())}
	x.conn = l.connOf(r, time.Now(), x.connecting)
	x.conn.ID = newID()
	x.note = &note{Context: r.Context(), l: l, id: x.conn.ID}
	x.answer = &answer{ResponseWriter: w}
	returned := false
	defer func() {
		switch p := recover(); {
		case p == nil:
			x.aborted = !returned // by runtime.Goexit
			x.report(nil, "")
			return
		case isAbort(p):
			x.aborted = true
			x.report(nil, "")
		default:
			x.report(&panicError{panicText(p)}, string(debug.Stack()))
		}
		panic(http.ErrAbortHandler) //nolint:forbidigo // net/http would log what p says
	}()
	next.ServeHTTP(x.answer.wrapped(), r.WithContext(x.note))
	returned = true
}

// isAbort reports whether a handler has panicked to abort its request.
func isAbort(p any) bool {
	err, ok := p.(error)
	return ok && is(err, http.ErrAbortHandler)
}

// panicError is a recovered panic.
type panicError struct{ text string }

func (p *panicError) Error() string { return p.text }

// request is one request that is recorded.
type request struct {
	l          *Logger
	r          *http.Request
	note       *note
	agent      clientHeaders
	path       string
	conn       Conn
	answer     *answer // separate, since the host keeps it as long as the connection
	connecting bool    // it is a handshake
	aborted    bool    // by http.ErrAbortHandler or runtime.Goexit
}

// outcome is what became of a request.
type outcome struct {
	status  int
	by      string
	code    string
	err     error
	refused bool
	gone    bool // the client left before it was answered
}

// outcome returns what became of the request; panicked is the panic that ended it, or
// nil.
func (x *request) outcome(panicked error) (o outcome) {
	s := x.note.close()
	o.status = x.answer.final()
	if s.reason != nil {
		o.code, _, o.err = explain(s.reason)
	}
	if s.code != "" {
		o.by, o.code, o.err = byEngine, s.code, engineError(s.text)
	}
	left := x.r.Context().Err() != nil
	switch {
	case panicked != nil:
		o.refused, o.code, o.err = true, codeInternal, panicked
	case x.connecting && left && is(s.reason, context.Canceled):
		o.gone, o.code, o.err = true, "", nil // whoever refused it was waiting for something
	case o.code != "":
		o.refused = true
	case x.aborted && x.connecting && left:
		o.gone = true
	case x.aborted:
		// Nobody gets what net/http or wrap would answer.
		o.code, o.refused, o.gone = codeAborted, !left, left
		if x.connecting && o.status == http.StatusOK {
			o.status = 0 // nor does the engine's answer count: the session is taken back
		}
	case !x.connecting:
		if o.status == 0 && !left {
			o.status = http.StatusOK // as net/http answers
		}
	case left && (o.status == 0 || o.status == http.StatusOK || o.status == statusGone || o.status == http.StatusServiceUnavailable):
		o.gone = true
	case o.status == 0:
		o.status, o.refused = http.StatusInternalServerError, true // as wrap answers
	default:
		// A middleware that answers in the engine's place refuses, even with 200.
		o.refused = !mark.Passed(x.r.Context()) || o.status != http.StatusSwitchingProtocols &&
			(o.status != http.StatusOK || x.conn.Transport == transports.WEBSOCKET)
	}
	if o.refused && o.code == "" {
		o.code = "http_" + strconv.Itoa(o.status)
	}
	return o
}

// report reports what became of the request.
func (x *request) report(panicked error, stack string) {
	l, ctx, o := x.l, context.WithoutCancel(x.r.Context()), x.outcome(panicked)
	c := x.conn
	took := time.Since(c.Began)
	if o.refused || o.gone {
		l.tellRefused(ctx, c, Refusal{By: o.by, Code: o.code, Abandoned: o.gone, Status: o.status, Took: took, Err: o.err})
	}

	level, message := l.opts.Level.Level(), "request"
	switch {
	case panicked != nil, o.status >= 500 && !o.gone:
		level = slog.LevelError
	case o.gone:
	case x.connecting && o.refused, o.code == codeAborted:
		level = slog.LevelWarn
	case !x.connecting:
	default:
		level = slog.LevelDebug
	}
	if x.connecting {
		switch message = "handshake accepted"; {
		case o.gone:
			message = "handshake abandoned"
		case o.refused:
			message = "handshake refused"
		}
	}
	if !l.enabled(ctx, level) {
		return
	}
	attrs := newRecord()
	if x.connecting {
		attrs.add(c.group())
	} else {
		attrs.text("method", trim(x.r.Method, maxName, len(x.r.Method)))
		attrs.text("path", trim(x.path, maxURL, len(x.path)))
		attrs.text("addr", c.Addr)
	}
	if o.status != 0 {
		attrs.count("status", int64(o.status))
	}
	if !x.connecting {
		attrs.count("bytes", x.answer.bytes.Load())
	}
	attrs.text("by", o.by)
	attrs.text("code", o.code)
	attrs.cause(o.err)
	attrs.text("stack", stack)
	attrs.took("took", took)
	attrs.agent(x.agent)
	l.write(ctx, level, message, attrs)
}

// connOf returns what is known of the connection that r is for.
func (l *Logger) connOf(r *http.Request, began time.Time, handshake bool) Conn {
	c := Conn{Addr: l.addr(r), Began: began}
	if handshake {
		query := r.URL.Query()
		c.Transport = known(wire.Last(query["transport"]))
		switch wire.Last(query["EIO"]) {
		case "4":
			c.Protocol = 4
		case "3":
			c.Protocol = 3
		}
	}
	return c
}
