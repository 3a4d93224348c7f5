package logging

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/types"
)

// byEngine is the By of refusals by the host itself.
const byEngine = "engine"

// Engine records what e itself refuses: requests with another version of the protocol, an
// unknown session, or a method or transport that does not exist. Call it after
// io.ServeHandler(nil), which creates the engine:
//
//	h := io.ServeHandler(nil)
//	logs.Engine(io.Engine())
//
// A request that passes [Logger.Handler] has a single record, which says so. Calling
// Engine twice for one engine has no further effect. Engine panics if e is nil.
func (l *Logger) Engine(e engine.BaseServer) {
	if e == nil {
		panic("logging: Engine: nil engine; call io.ServeHandler(nil) first")
	}
	// The engine is an interface: its map of clients identifies it.
	if _, first := l.engines.LoadOrStore(e.Clients(), new(struct{})); !first {
		return
	}
	_ = e.On("connection_error", func(args ...any) {
		if len(args) == 0 {
			return
		}
		m, ok := args[0].(*types.ErrorMessage)
		if ok && m.CodeMessage != nil && m.Req != nil {
			l.engineRefused(m)
		}
	})
}

// engineError is the reason why the engine refuses a request.
type engineError string

func (e engineError) Error() string { return string(e) }

// engineRefused reports a request that the engine refuses.
func (l *Logger) engineRefused(m *types.ErrorMessage) {
	code, text := "engine_"+strconv.Itoa(m.Code), m.Message
	for _, key := range []string{"name", "message"} { // the rest is up to the client
		if detail, ok := m.Context[key].(string); ok {
			text += ": " + detail
		}
	}
	r := m.Req.Request()
	ctx := context.WithoutCancel(r.Context())
	if n := noteOf(ctx, l); n != nil && n.engine(code, text) {
		return
	}
	status := http.StatusBadRequest
	switch {
	case m.Req.Websocket != nil: // the host closes it
		status = http.StatusSwitchingProtocols
	case m.CodeMessage == engine.FORBIDDEN:
		status = http.StatusForbidden
	}
	c := l.connOf(r, time.Now(), true)
	l.tellRefused(ctx, c, Refusal{By: byEngine, Code: code, Status: status, Err: engineError(text)})

	level := slog.LevelWarn
	if m.Req.Query().Peek("sid") != "" {
		level = l.opts.Level.Level() // usually a session that has ended or was upgraded
	}
	if !l.enabled(ctx, level) {
		return
	}
	attrs := newRecord()
	attrs.add(c.group())
	attrs.count("status", int64(status))
	attrs.text("by", byEngine)
	attrs.text("code", code)
	attrs.text("error", text)
	attrs.agent(agentOf(r.Header))
	l.write(ctx, level, "engine refused", attrs)
}
