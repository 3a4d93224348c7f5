package wrap

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/sioware/sioware/wrap/internal/header"
)

// front is the writer that the outermost middleware gets. It records the status that goes
// out, and stands between the chain and a connection that the engine has taken over.
type front struct {
	http.ResponseWriter
	x        *exchange
	hijacked atomic.Bool
}

// take hijacks the connection, unless a status has gone out, and records status, which is
// 0 if the 101 is still to come.
func (f *front) take(status int32) (net.Conn, *bufio.ReadWriter, error) {
	f.x.mu.Lock()
	defer f.x.mu.Unlock()
	if f.x.status.Load() != 0 {
		return nil, nil, http.ErrHandlerTimeout
	}
	c, rw, err := http.NewResponseController(f.ResponseWriter).Hijack()
	if err == nil {
		f.hijacked.Store(true)
		f.x.status.Store(status)
	}
	return c, rw, err
}

func (f *front) exchange() *exchange { return f.x }

// Unwrap serves http.ResponseController.
func (f *front) Unwrap() http.ResponseWriter { return f.ResponseWriter }

func (f *front) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		if !f.hijacked.Load() {
			f.ResponseWriter.WriteHeader(status)
		}
		return
	}
	f.x.mu.Lock()
	defer f.x.mu.Unlock()
	// The engine's upgrader writes the 101 itself, and whatever comes after it must not
	// reach net/http, which would log a complaint.
	if f.x.status.CompareAndSwap(0, int32(status)) && status != http.StatusSwitchingProtocols && !f.hijacked.Load() {
		f.ResponseWriter.WriteHeader(status)
	}
}

func (f *front) Write(p []byte) (int, error) {
	f.begin()
	if f.taken() {
		return len(p), nil
	}
	return f.ResponseWriter.Write(p)
}

// begin sets the status for a write without one. Once the connection has been taken that
// is no answer: a middleware may have swallowed the 101, and that must not end the
// session.
func (f *front) begin() {
	if f.x.status.Load() == 0 && !f.hijacked.Load() {
		f.WriteHeader(http.StatusOK)
	}
}

// taken reports whether nothing may be written any more: the connection is no longer
// ours, or a middleware has announced that it will not be.
func (f *front) taken() bool {
	return f.hijacked.Load() || f.x.status.Load() == http.StatusSwitchingProtocols
}

// Hijack implements http.Hijacker for a middleware that takes the connection for itself.
// That counts as an answer: next does nothing after it.
func (f *front) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return f.take(http.StatusSwitchingProtocols)
}

// Flush implements http.Flusher.
func (f *front) Flush() { _ = f.FlushError() }

// FlushError serves http.ResponseController.
func (f *front) FlushError() error {
	f.begin()
	if f.taken() {
		return nil
	}
	return http.NewResponseController(f.ResponseWriter).Flush()
}

// answer is the writer that the engine gets. It keeps what the engine writes until the
// engine's handler has returned: the engine writes from a goroutine of its own
// (transports/polling.go:219), where a header without values ends the process
// (types/http-context.go:113) and a list is cut to its first value, and it does so before
// it listens for what the client sends next.
//
// The engine keeps its writer as long as the session (types/http-context.go:29). With
// net/http's own that is 11 KB per upgraded connection, mostly buffers; with this one,
// once released, nothing.
type answer struct {
	mu     sync.Mutex
	p      *passage // nil once released
	header http.Header
	status int
	body   []byte
	sealed bool
}

func (a *answer) Header() http.Header {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.header == nil {
		return make(http.Header) // nobody will see it
	}
	return a.header
}

func (a *answer) WriteHeader(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.status == 0 && !a.sealed {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sealed {
		return 0, http.ErrHandlerTimeout
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	a.body = append(a.body, p...)
	return len(p), nil
}

// Hijack implements http.Hijacker.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	a.mu.Lock()
	p := a.p
	a.mu.Unlock()
	if p == nil {
		return nil, nil, http.ErrHandlerTimeout
	}
	return p.hijack()
}

// seal ends the writing and returns the status, 0 if there is no answer. The engine
// writes its headers before the status, so they may be read now if there is one;
// otherwise they must not be, as its goroutine may still be writing them.
func (a *answer) seal() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sealed = true
	return a.status
}

// release drops the request, when its handler returns.
func (a *answer) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sealed, a.p, a.header, a.body = true, nil, nil, nil
}

// replay writes the sealed answer to w. A chain may change the body, for example compress
// it, and net/http finds the length of a short one by itself.
func (a *answer) replay(w http.ResponseWriter, chain bool) {
	h := w.Header()
	delete(h, "Content-Length") // of a body that a middleware had in mind
	if chain {
		delete(a.header, "Content-Length")
	}
	delete(h, "Transfer-Encoding")
	header.Merge(h, a.header)
	w.WriteHeader(a.status)
	if len(a.body) > 0 {
		_, _ = w.Write(a.body)
	}
}
