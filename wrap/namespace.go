package wrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/zishang520/socket.io/v2/socket"
)

// maxMessage limits the body of a refusal that becomes a connect_error message.
const maxMessage = 256

// Namespace runs mws, the first outermost, when a socket joins a namespace, on a copy of
// its handshake request. A chain that calls next admits the socket; what it puts into the
// request and its context is visible in [Request] and [Context] of that socket. A chain
// that answers instead refuses it:
//
//	connect_error {message, data: {code: "http_401", status: 401, message, retryable, retryAfterMs?}}
//
// The message is the body if that is a short text/plain one, otherwise the text of the
// status; Retry-After becomes retryAfterMs. If the chain does neither, the socket is
// refused with http_500; if it panics, with internal. All that [Func] says about
// deadlines, panics and clients that leave applies here too.
//
// The handshake was answered long ago, so response headers reach nobody: a middleware
// that sets a cookie belongs in [Handler] or [Engine].
func Namespace(mws ...Middleware) socket.NamespaceMiddleware {
	h := chain(mws)
	return within(defaultTimeout, "wrap.Namespace", func(ctx context.Context, s *socket.Socket) error {
		st := stateOf(s)
		rec := &recorder{header: make(http.Header)}
		j := &join{}
		rec.x = &j.exchange
		r := j.start(Request(s).Clone(ctx), j, true)
		r = r.WithContext(context.WithValue(r.Context(), recorderKey{}, rec))
		j.run(h, rec, r)
		if status := j.status.Load(); j.passed == nil || (status != 0 && status != http.StatusOK) {
			return rec.refused()
		}
		st.adopt(j.passed)
		return nil
	})
}

// join is the exchange of a chain that runs for a socket.
type join struct {
	exchange
	passed *http.Request // what the chain passed on
}

func (j *join) enter(w http.ResponseWriter, r *http.Request) {
	j.passed = r
	// What the chain writes after this should be 200 too, as it would over long-polling;
	// a timeout handler may disagree.
	w.WriteHeader(http.StatusOK)
}

// recorderKey finds the recorder in the context of a chain without an HTTP client.
type recorderKey struct{}

// recorder is the ResponseWriter of a chain that does not write to an HTTP client: of
// Namespace, Engine or Every.
type recorder struct {
	x       *exchange
	header  http.Header
	body    bytes.Buffer
	whole   bool                  // keep the whole body, not just enough for a message
	refusal atomic.Pointer[Error] // by one of our own middlewares
}

func (rec *recorder) exchange() *exchange { return rec.x }

func (rec *recorder) Header() http.Header { return rec.header }

func (rec *recorder) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		rec.x.mu.Lock()
		defer rec.x.mu.Unlock()
		rec.x.status.CompareAndSwap(0, int32(status))
	}
}

// begin sets the status for a write without one; see front.begin.
func (rec *recorder) begin() {
	if !rec.x.left.Load() {
		rec.WriteHeader(http.StatusOK)
	}
}

func (rec *recorder) Write(p []byte) (int, error) {
	rec.begin()
	keep := len(p)
	if !rec.whole {
		keep = min(keep, max(0, maxMessage+1-rec.body.Len()))
	}
	rec.body.Write(p[:keep])
	return len(p), nil
}

// Flush implements http.Flusher.
func (rec *recorder) Flush() { rec.begin() }

// refused returns the refusal that was recorded.
func (rec *recorder) refused() *Error {
	if e := rec.refusal.Load(); e != nil {
		return e
	}
	status := int(rec.x.status.Load())
	if status == 0 {
		status = http.StatusInternalServerError
	}
	e := &Error{
		Code:       fmt.Sprintf("http_%d", status),
		Data:       map[string]any{"status": status},
		RetryAfter: retryAfter(rec.header.Get("Retry-After"), time.Now()),
		Err:        errors.New("wrap: refused by HTTP middleware"),
	}
	text := strings.TrimSpace(rec.body.String())
	ct, _, _ := strings.Cut(rec.header.Get("Content-Type"), ";")
	ct = strings.TrimSpace(ct)
	if text != "" && rec.body.Len() <= maxMessage && rec.header.Get("Content-Encoding") == "" && (ct == "" || strings.EqualFold(ct, "text/plain")) {
		e.Message = text
	}
	return e
}

// retryAfter parses a Retry-After header: seconds or a date (RFC 9110, section 10.2.3).
// It returns 0 if the header is malformed or the date has passed.
func retryAfter(v string, now time.Time) time.Duration {
	if v == "" {
		return 0
	}
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}
