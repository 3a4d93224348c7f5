package wrap

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/engine.io-go-parser/parser"
	"github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/transports"
	"github.com/zishang520/engine.io/v2/types"
)

// maxRecord is the longest packet that the host finds in a long-polling payload:
// it reads by bufio.Scanner with the default buffer, whose error it drops
// (engine.io-go-parser parser-v4.go:143).
const maxRecord = 64<<10 - 1

// checkBody returns the request to serve in place of a POST whose payload the
// host would lose or not survive, and what to do before the client is told "ok".
// If ok is false the request has been answered.
func (h *handler) checkBody(w http.ResponseWriter, r *http.Request, query url.Values, s engine.Socket) (_ *http.Request, late func(), ok bool) {
	if !isPost(r) || r.Body == nil || r.Body == http.NoBody {
		return r, nil, true
	}
	// The engine takes the last value (utils/parameter-bag.go:71).
	binary := lastOf(r.Header["Content-Type"]) == "application/octet-stream"
	if (s == nil && h.engine != nil) || (r.ContentLength > h.maxBody && !binary) {
		return r, nil, true // the engine refuses it and reads no body
	}
	if r.ContentLength > h.maxBody { // this it would leave without an answer
		http.Error(w, http.StatusText(http.StatusRequestEntityTooLarge), http.StatusRequestEntityTooLarge)
		return nil, nil, false
	}

	// The host takes a body that breaks off for whole (transports/polling.go:167).
	var body bytes.Buffer
	inTime := h.hurry(w, r)
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, h.maxBody)); err != nil {
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
	payload := body.Bytes()

	// The engine judges a request whose packets it cannot read by one without
	// meaning; the packets follow if it accepts.
	version := protocol(s, query)
	switch {
	case binary:
		packets, err := decodeBinary(payload)
		if err != nil || version != 3 || s == nil {
			// The host leaves a binary POST of Engine.IO 4 without an answer
			// (transports/polling.go:131).
			badRequest(w)
			return nil, nil, false
		}
		return withBody(r, []byte("\x00\x01\xff6")), func() { deliver(s, packets) }, true
	case version == 4 && longestRecord(payload) > maxRecord:
		if s == nil || s.Transport().Name() != transports.POLLING || query.Has("j") {
			http.Error(w, http.StatusText(http.StatusRequestEntityTooLarge), http.StatusRequestEntityTooLarge)
			return nil, nil, false
		}
		packets, err := decodeText(payload)
		if err != nil {
			badRequest(w)
			return nil, nil, false
		}
		return withBody(r, []byte("6")), func() { deliver(s, packets) }, true
	}
	return withBody(r, payload), nil, true
}

// hurry bounds the time that a body may take by that after which a session without a
// heartbeat ends, unless the function that it returns is called. A client could else
// keep a goroutine and a connection by half a body, session or not, as with the bare
// host. It does nothing where the server has a ReadTimeout.
func (h *handler) hurry(w http.ResponseWriter, r *http.Request) (inTime func()) {
	srv, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	if h.engine == nil || srv == nil || srv.ReadTimeout > 0 {
		return func() {}
	}
	o := h.engine.Opts()
	c := http.NewResponseController(w)
	if c.SetReadDeadline(time.Now().Add(o.PingInterval()+o.PingTimeout())) != nil {
		return func() {} // not net/http's
	}
	return func() { _ = c.SetReadDeadline(time.Time{}) }
}

// protocol returns the Engine.IO version of the session.
func protocol(s engine.Socket, query url.Values) int {
	if s != nil {
		return s.Protocol()
	}
	if lastOf(query["EIO"]) == "4" {
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

// longestRecord returns the length of the longest packet of an Engine.IO 4
// payload.
func longestRecord(payload []byte) int {
	longest := 0
	for len(payload) > longest {
		i := bytes.IndexByte(payload, parser.SEPARATOR)
		if i < 0 {
			return max(longest, len(payload))
		}
		longest = max(longest, i)
		payload = payload[i+1:]
	}
	return longest
}

// decodeText reads an Engine.IO 4 payload, without the host's bound on a packet.
func decodeText(payload []byte) (packets []*packet.Packet, err error) {
	for record := range bytes.SplitSeq(payload, []byte{parser.SEPARATOR}) {
		p, err := parser.Parserv4().DecodePacket(types.NewStringBuffer(record))
		if err != nil {
			return nil, err
		}
		packets = append(packets, p)
	}
	return packets, nil
}

var errPayload = errors.New("wrap: malformed binary payload")

// decodeBinary reads a binary payload of Engine.IO 3. A packet is a byte 0 (text)
// or 1, the digits of its length as bytes 0 to 9, 0xFF, and that many bytes. The
// host takes a length at its word: a negative one panics, a large one loops for
// years, and it reads the bytes of a text as if they were encoded twice
// (engine.io-go-parser parser-v3.go:384).
func decodeBinary(payload []byte) (packets []*packet.Packet, err error) {
	for p := payload; len(p) > 0; {
		end := bytes.IndexByte(p, 0xFF)
		if end < 2 || end > 10 || p[0] > 1 {
			return nil, errPayload
		}
		text, n := p[0] == 0, 0
		for _, d := range p[1:end] {
			if d > 9 {
				return nil, errPayload
			}
			n = n*10 + int(d)
		}
		if p = p[end+1:]; n > len(p) {
			return nil, errPayload
		}
		data := types.NewBytesBuffer(p[:n])
		if text {
			data = types.NewStringBuffer(p[:n])
		}
		decoded, err := parser.Parserv3().DecodePacket(data)
		if err != nil {
			return nil, err
		}
		packets = append(packets, decoded)
		p = p[n:]
	}
	return packets, nil
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
