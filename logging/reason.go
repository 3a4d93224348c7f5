package logging

import (
	"cmp"
	"context"
	"errors"

	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// Codes of package wrap that this package treats specially.
const (
	codeInternal    = "internal"
	codeUnavailable = "unavailable"
	codeLimited     = "rate_limited"
)

// codeAborted is that of a request whose handler has panicked with http.ErrAbortHandler.
const codeAborted = "aborted"

// The host's reasons for a connection that the server has closed. Over polling it is the
// second if a request of the client is in progress at that moment.
const (
	reasonForced = "forced close"
	reasonBroken = "transport error"
)

// reasonRefused is that of package wrap for a socket that a middleware has refused.
const reasonRefused = "refused"

// classes are those of the host's reasons (socket/client.go, socket/socket.go:619,
// engine/socket.go:452).
var classes = map[string]Class{
	"client namespace disconnect": ClassClient,
	"transport close":             ClassClient, // usually the tab was closed
	reasonBroken:                  ClassNetwork,
	"ping timeout":                ClassTimeout,
	"parse error":                 ClassProtocol,
	"server namespace disconnect": ClassServer,
	reasonForced:                  ClassServer,
	"forced server close":         ClassServer,
	"server shutting down":        ClassServer,
	"server close":                ClassServer,
	reasonRefused:                 ClassServer, // by a middleware that had admitted it before
}

// classOf returns the class of a reason.
func classOf(reason string) Class {
	if c, ok := classes[reason]; ok {
		return c
	}
	return ClassUnknown
}

// verdict is what the cause of a socket's context says.
type verdict struct {
	refused bool
	reason  string // the host's reason
	by      string
	code    string
	message string // what the client was told
	err     error  // the cause
}

// judge interprets the cause of a context that has ended.
func judge(ctx context.Context) verdict {
	cause := context.Cause(ctx)
	var d wrap.Disconnected
	if !errors.As(cause, &d) {
		return verdict{reason: "unknown"}
	}
	v := verdict{refused: d.Reason == reasonRefused, reason: d.Reason, by: d.By}
	v.explain(cause)
	return v
}

// explain sets code, message and cause from err.
func (v *verdict) explain(err error) {
	v.code, v.message, v.err = explain(err)
	if e := (*wrap.Error)(nil); v.message == "" && errors.As(err, &e) && e != nil {
		v.message, _ = e.ClientData()["message"].(string) // that of the code
	}
}

// explain returns the code of a refusal, what the client is told if that is a text of its
// own, and the cause.
func explain(err error) (code, message string, cause error) {
	var e *wrap.Error
	if errors.As(err, &e) && e != nil {
		return cmp.Or(e.Code, codeInternal), e.Message, e.Err
	}
	var ext *socket.ExtendedError
	if errors.As(err, &ext) && ext != nil {
		switch data := ext.Data().(type) {
		case map[string]any:
			code, _ = data["code"].(string)
		case map[string]string:
			code = data["code"]
		}
		return code, ext.Error(), nil
	}
	return "", "", nil
}

// serverCode reports whether a refusal with this code is a fault on our side.
func serverCode(code string) bool { return code == codeInternal || code == codeUnavailable }

// serverFault reports whether a refused event is to be recorded whatever Options.Events says: if
// it is our fault, and nobody has logged it. An unavailable without a cause was logged by
// whoever reported it (as in package wrap).
func serverFault(code string, cause error) bool {
	return code == codeInternal || code == codeUnavailable && cause != nil
}

// stackOf returns the stack of a recovered panic, or "". Causes are the application's: one
// that is a nil pointer may panic when it is asked for its own cause.
func stackOf(err error) string {
	defer func() { _ = recover() }()
	var p interface{ Stack() []byte }
	if errors.As(err, &p) {
		return string(p.Stack())
	}
	return ""
}

// is is errors.Is for a cause of the application's, as in stackOf.
func is(err, target error) bool {
	defer func() { _ = recover() }()
	return errors.Is(err, target)
}
