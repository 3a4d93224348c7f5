package main

import (
	"context"

	"github.com/alexedwards/scs/v2"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
	"go.opentelemetry.io/otel/trace"
)

// listen adds the handlers of sockets: what the chain has put into the context of the
// handshake is in the sockets' contexts, as long as they live.
func listen(sio *socket.Server, sessions *scs.SessionManager, tracer trace.Tracer) {
	wrap.UseAll(sio, wrap.Require(), wrap.Func(func(ctx context.Context, _ *socket.Socket) error {
		if sessions.GetString(ctx, keyUser) == "" {
			return &wrap.Error{Code: "forbidden", Message: "Sign in first"}
		}
		return nil
	}))
	_ = sio.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		ctx := wrap.Context(s)
		s.Emit("arrived", map[string]any{
			"user":       sessions.GetString(ctx, keyUser),
			"handshakes": sessions.GetInt(ctx, keyHandshakes),
			"requestId":  middleware.GetReqID(ctx),
			"traceId":    trace.SpanContextFromContext(ctx).TraceID().String(),
		})
		_ = s.On("whoami", func(args ...any) {
			answer := whoami(s, sessions, tracer)
			if len(args) == 0 { // a client may omit arguments, and a panic ends the process
				return
			}
			if ack, ok := args[len(args)-1].(socket.Ack); ok {
				ack([]any{answer}, nil)
			}
		})
	})
}

// whoami has a span of its own, below that of the handshake, and looks at the current
// session: the one in the context remains that of the handshake, and must not be
// committed again, which could undo what pages have changed since.
func whoami(s *socket.Socket, sessions *scs.SessionManager, tracer trace.Tracer) map[string]any {
	handshake := wrap.Context(s)
	ctx, span := tracer.Start(handshake, "whoami")
	defer span.End()
	// Load does nothing if the context has a session already, so use a bare one.
	now, err := sessions.Load(trace.ContextWithSpan(context.Background(), span), sessions.Token(handshake))
	if err != nil {
		span.RecordError(err)
		return map[string]any{"error": "unavailable"}
	}
	user := sessions.GetString(now, keyUser)
	if user == "" { // signed out, or expired
		wrap.Kick(s, &wrap.Error{Code: "session_expired", Message: "Signed out"})
		return map[string]any{"error": "session_expired"}
	}
	return map[string]any{"user": user, "handshakes": sessions.GetInt(now, keyHandshakes), "requestId": middleware.GetReqID(ctx)}
}
