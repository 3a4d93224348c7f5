package wrap

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/sioware/sioware/wrap/internal/header"
)

// front is the writer that the outermost middleware gets. It notes the status
// that goes out, and stands between the chain and a connection that the engine
// has taken over.
type front struct {
	http.ResponseWriter
	x        *exchange
	hijacked atomic.Bool
}

// take hijacks the connection, unless it has been answered on.
func (f *front) take() (net.Conn, *bufio.ReadWriter, error) {
	f.x.mu.Lock()
	defer f.x.mu.Unlock()
	if f.x.status.Load() != 0 {
		return nil, nil, http.ErrHandlerTimeout
	}
	c, rw, err := http.NewResponseController(f.ResponseWriter).Hijack()
	f.hijacked.Store(err == nil)
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
	// The 101 is written by the engine's upgrader itself, and whatever comes
	// after it must not reach net/http, which complains.
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

// begin sets the status of who writes without one. Once the connection has been taken that is
// no answer: a middleware may have kept the 101 to itself, and the session is not to end of it.
func (f *front) begin() {
	if f.x.status.Load() == 0 && !f.hijacked.Load() {
		f.WriteHeader(http.StatusOK)
	}
}

// taken reports whether nothing may be written any more: the connection is no
// longer ours, or a middleware has announced that it would not be.
func (f *front) taken() bool {
	return f.hijacked.Load() || f.x.status.Load() == http.StatusSwitchingProtocols
}

// Hijack implements http.Hijacker for a middleware that takes the connection
// for itself. That is an answer: next does nothing after it.
func (f *front) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := f.take()
	if err == nil {
		f.x.status.CompareAndSwap(0, http.StatusSwitchingProtocols)
	}
	return c, rw, err
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

// answer is the writer that the engine gets. It keeps what the engine writes
// until the engine's handler has returned: the engine writes from a goroutine of
// its own (transports/polling.go:219), where a header with no values ends the
// process (types/http-context.go:113) and a list is cut to its first value, and
// before it listens for what the client sends next.
//
// The engine keeps its writer as long as the session (types/http-context.go:29). With
// net/http's own that is 11 KB of an upgraded connection, its buffers above all; with
// this one, once it has been released, nothing.
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

// seal ends the writing and returns the status, 0 if there is no answer. The
// engine writes its headers before the status, so that they may be read now if
// there is one, and must not be otherwise: its goroutine may still be at it.
func (a *answer) seal() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sealed = true
	return a.status
}

// release lets go of the request, when its handler returns.
func (a *answer) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sealed, a.p, a.header, a.body = true, nil, nil, nil
}

// replay writes the sealed answer to w. A chain may change its body, as one that compresses
// does, and net/http knows the length of a short one by itself.
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
