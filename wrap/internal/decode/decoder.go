package decode

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/zishang520/engine.io/v2/events"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"
)

// decoder is a decoder of the stock text format, within our limits. It emits what the
// stock one would. The stock one copies each frame and gives it a json.Decoder with a
// buffer of its own (parser/decoder.go:122): for a small event that takes a quarter more
// time, and twice the memory.
type decoder struct {
	events.EventEmitter

	mu        sync.Mutex
	destroyed bool
	packet    *parser.Packet          // waits for attachments, or nil
	buffers   []types.BufferInterface // its attachments so far
	buffered  int                     // bytes of them
}

// Add decodes one frame and emits the packet that it completes, or returns an error, on
// which the host closes the client (client.go:192).
func (d *decoder) Add(data any) error {
	p, err := d.decode(data)
	if err != nil {
		return err
	}
	if p != nil {
		d.Emit("decoded", p)
	}
	return nil
}

// Destroy drops what an incomplete packet holds; later frames are refused.
func (d *decoder) Destroy() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.destroyed = true
	d.forget()
}

// forget drops an incomplete packet. d.mu is held.
func (d *decoder) forget() { d.packet, d.buffers, d.buffered = nil, nil, 0 }

// decode returns the packet that a frame completes, or nil.
func (d *decoder) decode(data any) (p *parser.Packet, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() {
		if r := recover(); r != nil { // in a reader, or for a nil buffer
			err = fmt.Errorf("wrap: panic while decoding: %v", r)
		}
		if err != nil {
			d.forget() // never resume a packet that failed half way
		}
	}()
	if d.destroyed {
		return nil, errDestroyed
	}
	frame, ok := text(data)
	switch {
	case !ok:
		return d.attach(data)
	case d.packet != nil:
		return nil, errText
	}
	p, err = decodeFrame(frame)
	if err == nil && p.Attachments != nil && *p.Attachments > 0 {
		d.packet, p = p, nil
	}
	return p, err
}

// attach takes an attachment. d.mu is held.
func (d *decoder) attach(data any) (*parser.Packet, error) {
	switch {
	case d.packet == nil || !parser.IsBinary(data):
		return nil, errBinary
	case d.buffered >= maxBuffered:
		return nil, errBuffered
	}
	b, err := attachment(data)
	if err != nil {
		return nil, err
	}
	d.buffers = append(d.buffers, b)
	d.buffered += b.Len()
	if uint64(len(d.buffers)) < *d.packet.Attachments {
		return nil, nil
	}
	p, err := parser.ReconstructPacket(d.packet, d.buffers)
	d.forget()
	return p, err
}

// attachment reads a binary frame: []byte or an io.Reader.
func attachment(data any) (types.BufferInterface, error) {
	b := types.NewBytesBuffer(nil)
	switch v := data.(type) {
	case []byte:
		_, _ = b.Write(v)
	case io.Reader:
		if c, ok := v.(io.Closer); ok {
			defer c.Close()
		}
		if _, err := b.ReadFrom(v); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// decodeFrame reads a text frame.
func decodeFrame(frame []byte) (*parser.Packet, error) {
	f, ok, err := Frame(frame)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, errFrame
	}
	p := &parser.Packet{Type: f.Type, Nsp: "/"}
	if len(f.Namespace) > 0 {
		p.Nsp = string(f.Namespace)
	}
	if f.Binary() {
		n := f.Attachments
		p.Attachments = &n
	}
	if len(f.ID) > 0 {
		id, err := strconv.ParseUint(string(f.ID), 10, 64)
		if err != nil {
			return nil, errID // err would repeat it, however long it is
		}
		p.Id = &id
	}
	if len(f.Payload) > 0 {
		if err := json.Unmarshal(f.Payload, &p.Data); err != nil {
			return nil, err
		}
		if p.Type == parser.CONNECT && p.Data == nil {
			return nil, errConnect // null
		}
	}
	return p, check(p)
}
