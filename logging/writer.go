package logging

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

// answer records what is answered to a request and passes on what else the writer can do;
// see wrapped. The engine writes from a goroutine of its own.
type answer struct {
	http.ResponseWriter
	status atomic.Int32
	bytes  atomic.Int64
}

// final returns the status of the answer, or 0.
func (a *answer) final() int { return int(a.status.Load()) }

// Unwrap serves http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	// Other statuses below 200 only precede the answer.
	if status >= 200 || status == http.StatusSwitchingProtocols {
		a.status.CompareAndSwap(0, int32(status))
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	a.status.CompareAndSwap(0, http.StatusOK)
	n, err := a.ResponseWriter.Write(p)
	a.bytes.Add(int64(n))
	return n, err
}

func (a *answer) flush() {
	a.status.CompareAndSwap(0, http.StatusOK)
	a.ResponseWriter.(http.Flusher).Flush()
}

// hijack gives the connection away. What is answered on it is not seen, and counts as an
// upgrade.
func (a *answer) hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if err == nil {
		a.status.CompareAndSwap(0, http.StatusSwitchingProtocols)
	}
	return c, rw, err
}

func (a *answer) readFrom(r io.Reader) (int64, error) {
	a.status.CompareAndSwap(0, http.StatusOK)
	n, err := a.ResponseWriter.(io.ReaderFrom).ReadFrom(r)
	a.bytes.Add(n)
	return n, err
}

// wrapped returns a with the optional methods that its writer has, since callers look for
// these by type assertion: gorilla/websocket does not unwrap. The combinations are those
// of the HTTP/1 and HTTP/2 writers.
func (a *answer) wrapped() http.ResponseWriter {
	_, flushes := a.ResponseWriter.(http.Flusher)
	hijacks := canHijack(a.ResponseWriter)
	_, reads := a.ResponseWriter.(io.ReaderFrom)
	_, pushes := a.ResponseWriter.(http.Pusher)
	switch {
	case flushes && hijacks && reads:
		return http1{a}
	case flushes && hijacks:
		return both{a}
	case flushes && pushes:
		return http2{a}
	case flushes:
		return flusher{a}
	case hijacks:
		return hijacker{a}
	}
	return a
}

// canHijack reports whether http.ResponseController finds a connection behind w. It would
// bypass us, and the upgrade would go unnoticed.
func canHijack(w http.ResponseWriter) bool {
	for {
		switch v := w.(type) {
		case http.Hijacker:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return false
		}
	}
}

type flusher struct{ *answer }

func (w flusher) Flush() { w.flush() }

type hijacker struct{ *answer }

func (w hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }

type both struct{ *answer }

func (w both) Flush()                                       { w.flush() }
func (w both) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }

type http1 struct{ *answer }

func (w http1) Flush()                                       { w.flush() }
func (w http1) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }
func (w http1) ReadFrom(r io.Reader) (int64, error)          { return w.readFrom(r) }

type http2 struct{ *answer }

func (w http2) Flush() { w.flush() }

func (w http2) Push(target string, opts *http.PushOptions) error {
	return w.ResponseWriter.(http.Pusher).Push(target, opts)
}
