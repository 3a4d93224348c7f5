package wrap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/zishang520/socket.io/v2/socket"
)

// Error is a refusal: what the client may know, and what is only for the log.
//
// The client receives Code, Message, RetryAfter and Data as the data of its
// connect_error (or of the ack of a refused event):
//
//	{code, message, retryable, retryAfterMs?, ...Data}
//
// Err never leaves the server. A returned Error is only read, so one value may serve many
// clients.
type Error struct {
	// Code is the stable, machine-readable name of the refusal, such as
	// "forbidden" or "rate_limited". Empty means "internal".
	Code string

	// Message is a fixed text for people. Empty means a default text for Code.
	Message string

	// Data holds further keys for the client. The keys code, message, retryable and
	// retryAfterMs are reserved and skipped, as is a value that cannot be marshaled to
	// JSON.
	Data map[string]any

	// RetryAfter is how long the client should wait before it tries again; zero means
	// unknown. A positive value makes the refusal retryable; the codes rate_limited,
	// too_many_connections, unavailable, http_429, http_502, http_503 and http_504 are
	// retryable by themselves. A negative value makes it final, whatever the code: the
	// same request will never be accepted.
	RetryAfter time.Duration

	// Err is the cause, for the log only. At level Error this package logs only refusals
	// with code internal, and those with code unavailable that have a cause.
	Err error
}

// Codes that this package itself sends. The other packages add their own.
const (
	codeForbidden   = "forbidden"
	codeInternal    = "internal"
	codeOrigin      = "origin_denied"
	codeUnavailable = "unavailable"
)

// texts are the default messages. Clients should branch on codes, not on these.
var texts = map[string]string{
	"token_missing":        "Authentication required",
	"token_invalid":        "Token invalid",
	"token_expired":        "Token expired",
	"token_revoked":        "Token revoked",
	"user_disabled":        "User disabled",
	codeForbidden:          "Forbidden",
	"rate_limited":         "Too many requests",
	"too_many_connections": "Too many connections",
	"session_missing":      "Session required",
	"session_expired":      "Session expired",
	codeOrigin:             "Origin denied",
	"replaced":             "Signed in elsewhere",
	codeUnavailable:        "Service unavailable",
	codeInternal:           "Internal error",
}

// retryable are the codes that are worth another try even without a RetryAfter.
var retryable = map[string]bool{
	"rate_limited": true, "too_many_connections": true, codeUnavailable: true,
	"http_429": true, "http_502": true, "http_503": true, "http_504": true,
}

// Error returns the text for the log: the code, the message and the cause.
func (e *Error) Error() string {
	if e == nil {
		return "wrap: nil *Error"
	}
	s := e.code() + ": " + e.message()
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

func (e *Error) code() string {
	if e.Code == "" {
		return codeInternal
	}
	return e.Code
}

// serverFault reports whether the fault is on our side and should be logged. An unavailable
// without a cause is not: whoever reports it has logged it.
func (e *Error) serverFault() bool {
	return e.code() == codeInternal || e.code() == codeUnavailable && e.Err != nil
}

func (e *Error) message() string {
	if e.Message != "" {
		return e.Message
	}
	code := e.code()
	if text, ok := texts[code]; ok {
		return text
	}
	if status, err := strconv.Atoi(strings.TrimPrefix(code, "http_")); err == nil {
		if text := http.StatusText(status); text != "" {
			return text
		}
	}
	return "Refused"
}

// ClientData returns what the client is told, as described at [Error]: the data of a
// connect_error, or the argument of an event or ack that reports a refusal. Each call
// returns a new map, which belongs to the caller.
//
// It holds only plain JSON values, copied from Data: the host drops the whole payload of
// a packet that it cannot marshal, and an official client throws on the bare packet that
// is left (socket.io-go-parser encoder.go:81).
func (e *Error) ClientData() map[string]any {
	data := make(map[string]any, len(e.Data)+4)
	for k, v := range e.Data {
		if v, err := plain(v); err == nil {
			data[k] = v
		}
	}
	code := e.code()
	data["code"] = code
	data["message"] = e.message()
	data["retryable"] = e.RetryAfter > 0 || e.RetryAfter == 0 && retryable[code]
	delete(data, "retryAfterMs")
	if e.RetryAfter > 0 {
		// Rounded up: a client that comes back a moment early is refused again.
		data["retryAfterMs"] = ceil(e.RetryAfter, time.Millisecond)
	}
	return data
}

// ceil returns d in units, rounded up.
func ceil(d, unit time.Duration) int64 { return int64((d-1)/unit) + 1 }

// extended returns the refusal in the host's form.
func (e *Error) extended() *socket.ExtendedError {
	return socket.NewExtendedError(e.message(), e.ClientData())
}

// plain copies v through JSON, so that what the host marshals later, on another
// goroutine, can neither fail nor change.
func plain(v any) (out any, err error) {
	switch v.(type) {
	case nil, bool, string, int, int64:
		return v, nil
	}
	defer func() {
		if p := recover(); p != nil { // a MarshalJSON method of the application
			err = fmt.Errorf("wrap: marshal: panic: %v", p)
		}
	}()
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber() // large integers keep their digits
	return out, d.Decode(&out)
}

// asError maps what a middleware returned to a refusal. A typed nil pointer is a fault of
// the middleware, not an admission.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		if e == nil {
			return errNil()
		}
		return e
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &Error{Code: codeUnavailable, Err: err}
	}
	return &Error{Code: codeInternal, Err: err}
}

// errNil stands in for a nil *Error, which is a fault of the application.
func errNil() *Error { return &Error{Err: errors.New("wrap: nil *Error")} }
