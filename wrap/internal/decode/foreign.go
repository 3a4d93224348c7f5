package decode

import (
	"fmt"
	"io"
	"sync"

	"github.com/sioware/sioware/internal/wire"
	"github.com/zishang520/engine.io/v2/events"
	"github.com/zishang520/socket.io-go-parser/v2/parser"
)

// foreign adds checks around the decoder of another parser. The host listens to the
// emitter of foreign, not to that of inner.
type foreign struct {
	events.EventEmitter

	create func() parser.Decoder

	mu        sync.Mutex
	inner     parser.Decoder // nil: to be created by the next Add
	destroyed bool

	pending  bool // inner waits for attachments
	buffered int  // bytes of attachments that inner holds

	emitted [][]any // by inner, during Add
}

// Add decodes one frame and emits the packets that it completes, or returns an error, on
// which the host closes the client (client.go:192).
func (d *foreign) Add(data any) error {
	emitted, err := d.decode(data)
	if err != nil {
		return err
	}
	for _, args := range emitted {
		d.Emit("decoded", args...)
	}
	return nil
}

// Destroy drops what an incomplete packet holds; later frames are refused.
func (d *foreign) Destroy() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.destroyed = true
	if inner := d.inner; inner != nil {
		d.inner = nil
		inner.Destroy()
	}
}

// decode returns what inner emits for a frame.
func (d *foreign) decode(data any) (emitted [][]any, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("wrap: panic while decoding: %v", r)
		}
		if err != nil {
			// Never resume a packet that failed half way.
			emitted, d.inner = nil, nil
		}
		d.emitted = nil
	}()

	if d.destroyed {
		return nil, errDestroyed
	}
	if d.inner == nil {
		d.use(d.create())
	}
	var f wire.Frame
	if frame, ok := text(data); ok {
		if f, _, err = Frame(frame); err != nil {
			return nil, err
		}
	} else if d.pending {
		if d.buffered >= maxBuffered {
			return nil, errBuffered
		}
		var n int
		if data, n, err = sized(data); err != nil {
			return nil, err
		}
		d.buffered += n
	}
	if err := d.inner.Add(data); err != nil {
		return nil, err
	}
	for _, args := range d.emitted {
		if err := checkArgs(args); err != nil {
			return nil, err
		}
	}
	switch {
	case len(d.emitted) == 0:
		d.pending = d.pending || f.Binary()
	case f.Binary() && f.Attachments == 0:
		// A decoder derived from the stock one treats such a packet as incomplete
		// (parser/decoder.go:109): it would refuse the next text frame and collect binary
		// ones for ever.
		d.inner.Destroy()
		d.inner = nil
	default:
		d.pending, d.buffered = false, 0
	}
	return d.emitted, nil
}

// use makes inner decode what follows.
func (d *foreign) use(inner parser.Decoder) {
	_ = inner.On("decoded", func(args ...any) { d.emitted = append(d.emitted, args) })
	d.inner, d.pending, d.buffered = inner, false, 0
}

// checkArgs returns an error if the host cannot handle what a decoder has emitted.
func checkArgs(args []any) error {
	if len(args) > 0 {
		if p, _ := args[0].(*parser.Packet); p != nil {
			return check(p)
		}
	}
	return errNoPacket
}

// sized returns the size of a binary frame. The host passes *types.BytesBuffer; a reader
// that does not know its size is read here, as the inner decoder would do.
func sized(data any) (any, int, error) {
	switch v := data.(type) {
	case []byte:
		return v, len(v), nil
	case interface{ Len() int }:
		return data, v.Len(), nil
	case io.Reader:
		if c, ok := v.(io.Closer); ok {
			defer c.Close()
		}
		b, err := io.ReadAll(v)
		return b, len(b), err
	}
	return data, 0, nil
}
