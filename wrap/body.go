package wrap

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/sioware/sioware/internal/wire"
	"github.com/sioware/sioware/wrap/internal/payload"
	"github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/transports"
)

// maxRecord is the longest packet that the host finds in a long-polling payload: it reads
// with a bufio.Scanner and its default buffer, and drops the scanner's error
// (engine.io-go-parser parser-v4.go:143).
const maxRecord = 64<<10 - 1

// screenBody returns the request to serve in place of a POST whose payload the host would
// lose or not survive, and what to do before the client is told "ok". If ok is false the
// request has been answered.
func (h *handler) screenBody(w http.ResponseWriter, r *http.Request, query url.Values, s engine.Socket) (_ *http.Request, late func(), ok bool) {
	if !isPost(r) || r.Body == nil || r.Body == http.NoBody {
		return r, nil, true
	}
	// The engine takes the last value (utils/parameter-bag.go:71).
	binary := wire.Last(r.Header["Content-Type"]) == "application/octet-stream"
	if (s == nil && h.engine != nil) || (r.ContentLength > h.maxBody && !binary) {
		return r, nil, true // the engine refuses it without reading the body
	}
	if r.ContentLength > h.maxBody { // the engine would leave this one unanswered
		http.Error(w, http.StatusText(http.StatusRequestEntityTooLarge), http.StatusRequestEntityTooLarge)
		return nil, nil, false
	}

	// The host accepts a truncated body as complete (transports/polling.go:167).
	var buf bytes.Buffer
	inTime := h.hurry(w, r)
	if _, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, h.maxBody)); err != nil {
		status := http.StatusBadRequest
		if e := (*http.MaxBytesError)(nil); errors.As(err, &e) {
			status = http.StatusRequestEntityTooLarge
		} else if errors.Is(err, os.ErrDeadlineExceeded) {
			status = http.StatusRequestTimeout
		}
		http.Error(w, http.StatusText(status), status)
		return nil, nil, false
	}
	inTime()
	body := buf.Bytes()

	// If the engine cannot read the packets, it judges the request by a meaningless one
	// in their place; the real ones are delivered if it accepts.
	version := protocol(s, query)
	switch {
	case binary:
		packets, err := payload.Binary(body)
		if err != nil || version != 3 || s == nil {
			// The host leaves a binary POST of Engine.IO 4 without an answer
			// (transports/polling.go:131).
			badRequest(w)
			return nil, nil, false
		}
		return withBody(r, []byte("\x00\x01\xff6")), func() { deliver(s, packets) }, true
	case version == 4 && payload.Longest(body) > maxRecord:
		if s == nil || s.Transport().Name() != transports.POLLING || query.Has("j") {
			http.Error(w, http.StatusText(http.StatusRequestEntityTooLarge), http.StatusRequestEntityTooLarge)
			return nil, nil, false
		}
		packets, err := payload.Text(body)
		if err != nil {
			badRequest(w)
			return nil, nil, false
		}
		return withBody(r, []byte("6")), func() { deliver(s, packets) }, true
	}
	return withBody(r, body), nil, true
}

// hurry gives the body as long to arrive as a session lives without a heartbeat; the
// function that it returns lifts that limit. Otherwise a client could tie up a goroutine
// and a connection with half a body, with or without a session, as it can with the bare
// host. hurry does nothing if the server has a ReadTimeout, or if the engine is not known.
func (h *handler) hurry(w http.ResponseWriter, r *http.Request) (inTime func()) {
	srv, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	if h.engine == nil || srv == nil || srv.ReadTimeout > 0 {
		return func() {}
	}
	o := h.engine.Opts()
	c := http.NewResponseController(w)
	if c.SetReadDeadline(time.Now().Add(o.PingInterval()+o.PingTimeout())) != nil {
		return func() {} // not a writer of net/http
	}
	return func() { _ = c.SetReadDeadline(time.Time{}) }
}

// protocol returns the Engine.IO version of the session.
func protocol(s engine.Socket, query url.Values) int {
	if s != nil {
		return s.Protocol()
	}
	if wire.Last(query["EIO"]) == "4" {
		return 4
	}
	return 3
}

// withBody returns a copy of r with another body.
func withBody(r *http.Request, body []byte) *http.Request {
	c := new(http.Request)
	*c = *r
	c.Body = io.NopCloser(bytes.NewReader(body))
	c.ContentLength = int64(len(body))
	c.TransferEncoding = nil
	return c
}

// deliver hands packets to the session, as the host does with those that it
// reads itself (transports/polling.go:199).
func deliver(s engine.Socket, packets []*packet.Packet) {
	t := s.Transport()
	for _, p := range packets {
		if p.Type == packet.CLOSE {
			t.OnClose()
			return
		}
		t.OnPacket(p)
	}
}
