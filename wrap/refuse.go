package wrap

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sioware/sioware/internal/mark"
)

// statuses are the HTTP statuses of the codes that have one of their own.
var statuses = map[string]int{
	"token_missing":        http.StatusUnauthorized,
	"token_invalid":        http.StatusUnauthorized,
	"token_expired":        http.StatusUnauthorized,
	"token_revoked":        http.StatusUnauthorized,
	"replaced":             http.StatusUnauthorized,
	"session_missing":      http.StatusUnauthorized,
	"session_expired":      http.StatusUnauthorized,
	"rate_limited":         http.StatusTooManyRequests,
	"too_many_connections": http.StatusTooManyRequests,
	codeUnavailable:        http.StatusServiceUnavailable,
	codeInternal:           http.StatusInternalServerError,
}

// status returns the HTTP status of the refusal.
func (e *Error) status() int {
	code := e.code()
	if status, ok := statuses[code]; ok {
		return status
	}
	if digits, ok := strings.CutPrefix(code, "http_"); ok && len(digits) == 3 {
		if status, err := strconv.Atoi(digits); err == nil && status >= 400 && status <= 599 {
			return status
		}
	}
	return http.StatusForbidden
}

// ServeHTTP refuses an HTTP request with e, as the end of a middleware chain: the body is
// [Error.ClientData] as a JSON object, sent with Cache-Control: no-store and, for a
// positive RetryAfter, Retry-After in seconds, rounded up (RFC 9110, section 10.2.3).
// Headers set before are kept, as the WWW-Authenticate of a 401 must be, except these,
// Content-Type and Content-Length. The status depends on the code:
//
//	401  token_missing, token_invalid, token_expired, token_revoked,
//	     replaced, session_missing, session_expired
//	429  rate_limited, too_many_connections
//	500  internal
//	503  unavailable
//	NNN  http_NNN, from 400 to 599
//	403  forbidden, user_disabled, origin_denied and every other code
//
// In a chain that [Namespace] runs, where no HTTP client listens, e itself becomes the
// connect_error. Err goes only to the default slog logger: at level Error for the code
// internal, and for unavailable if there is an Err, otherwise at level Debug. Behind the
// Handler of package logging, only that Handler records it.
//
// ServeHTTP does not change e and may run concurrently with itself.
func (e *Error) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e == nil {
		e = errNil()
	}
	status := e.status()
	if rec, ok := r.Context().Value(recorderKey{}).(*recorder); ok {
		rec.refusal.Store(e)
		w.WriteHeader(status)
		return
	}
	if !mark.Refused(r.Context(), e) {
		level := slog.LevelDebug
		if e.serverFault() {
			level = slog.LevelError
		}
		slog.LogAttrs(r.Context(), level, "wrap: request refused", slog.String("code", e.code()), slog.Any("error", e.Err))
	}
	body, err := json.Marshal(e.ClientData())
	if err != nil { // cannot happen: ClientData returns plain values
		body = []byte(`{}`)
	}
	h := w.Header()
	h.Del("Content-Length") // of another body
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(ceil(e.RetryAfter, time.Second), 10))
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
