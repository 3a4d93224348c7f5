package wrap

import (
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/sioware/sioware/internal/wire"
	"github.com/zishang520/engine.io/v2/events"
	"github.com/zishang520/socket.io-go-parser/v2/parser"
)

const (
	// maxAttachments bounds the binary attachments that one packet may
	// announce. An attachment is one []byte anywhere in the arguments.
	maxAttachments = 1024

	// maxNamespace bounds the name of a namespace. The host repeats it in each
	// answer, and queues answers without bound for a client that does not read.
	maxNamespace = 1024

	// maxBuffered bounds the attachments held back while a packet is
	// incomplete. It is compared before an attachment is added, so that a single
	// one passes whatever its size: MaxHttpBufferSize bounds that already.
	maxBuffered = 16 << 20
)

var (
	errDestroyed   = errors.New("wrap: packet for a client that is gone")
	errNoPacket    = errors.New("wrap: the decoder produced no packet")
	errEvent       = errors.New("wrap: event without a name, or with a reserved one")
	errAck         = errors.New("wrap: acknowledgement without id or arguments")
	errConnect     = errors.New("wrap: connect packet whose payload is not an object")
	errDisconnect  = errors.New("wrap: disconnect packet with a payload")
	errType        = errors.New("wrap: packet type that no client may send")
	errAttachments = errors.New("wrap: more attachments than allowed or referenced")
	errBuffered    = errors.New("wrap: too many bytes of attachments")
	errNamespace   = errors.New("wrap: namespace name too long")
	errTrailing    = errors.New("wrap: data after the payload")

	// stockDecoder tells the stock decoder, whose type has no exported name.
	stockDecoder = reflect.TypeOf(parser.NewDecoder())
)

// Parser returns p with a decoder that refuses packets the host cannot survive.
// A nil p means the stock parser; Parser(Parser(p)) is Parser(p). It is for
// ServerOptions.SetParser; [Harden] sets it. The encoder stays that of p.
//
// In v2.5.0 any connected client ends the process with the frame "42": the stock
// decoder checks a payload only if there is one (parser/decoder.go:216), and
// the host takes it for a list on a goroutine of its own, where nothing recovers
// (client.go:216, socket.go:554 "packet.Data.([]any)", and socket.go:589 for
// acknowledgements). The stock decoder also collects binary attachments without
// bound (parser/index.go:35).
//
// Refused, whatever the parser: an event without a name or with a reserved one,
// an acknowledgement without id or arguments, a connect packet whose payload is
// neither absent nor an object, a disconnect packet with a payload, a
// connect_error packet (never legal from a client), an unknown type, anything
// that is no *parser.Packet, and a panic of the decoder. Of packets in the stock
// text format also: a namespace name over 1,024 bytes, more than 1,024
// attachments, more than the payload has room to reference, and a further attachment when 16 MiB wait for the rest of their
// packet; with the stock decoder, data after the payload, which it ignores.
// Everything else passes with the same values.
//
// The client sees its connection closed, on both transports. The server's sockets
// of that client get "error" and then "disconnect" ("forced close").
//
// Parser and its result are safe for concurrent use as far as p is; a decoder is
// safe for concurrent use (the host calls Add from two goroutines during an upgrade,
// and Destroy from a third). Decoders of p must emit "decoded" within Add, as the
// stock one does. Middleware runs inside Add, while no lock is held.
func Parser(p parser.Parser) parser.Parser {
	if p == nil {
		p = parser.NewParser()
	}
	if h, ok := p.(*hardParser); ok {
		return h
	}
	return &hardParser{Parser: p}
}

type hardParser struct{ parser.Parser }

func (p *hardParser) NewDecoder() parser.Decoder {
	d := &decoder{EventEmitter: events.New(), create: p.Parser.NewDecoder}
	d.renew()
	return d
}

// decoder puts checks around another decoder. Its own emitter is what the host
// listens to.
type decoder struct {
	events.EventEmitter

	create func() parser.Decoder

	mu        sync.Mutex
	inner     parser.Decoder // nil: to be created by the next Add
	stock     bool
	destroyed bool

	pending  bool // inner waits for attachments
	buffered int  // bytes of attachments that inner holds

	// What inner emitted during Add. The argument slices are passed on as they
	// are: a new one would cost an allocation per packet.
	first []any
	more  [][]any
}

// Add decodes one frame and emits the packet that it completes, or returns an
// error, upon which the host closes the client (client.go:192).
func (d *decoder) Add(data any) error {
	first, more, err := d.decode(data)
	if err != nil {
		return err
	}
	if first != nil {
		d.Emit("decoded", first...)
	}
	for _, args := range more {
		d.Emit("decoded", args...)
	}
	return nil
}

// Destroy drops what an incomplete packet holds; later frames are refused.
func (d *decoder) Destroy() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.destroyed = true
	if inner := d.inner; inner != nil {
		d.inner = nil
		inner.Destroy()
	}
}

func (d *decoder) decode(data any) (first []any, more [][]any, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("wrap: panic while decoding: %v", r)
		}
		if err == nil {
			first, more = d.first, d.more
		} else {
			// Never resume a packet that failed half way.
			d.inner = nil
		}
		d.first, d.more = nil, nil
	}()

	if d.destroyed {
		return nil, nil, errDestroyed
	}
	if d.inner == nil {
		d.renew()
	}
	var f wire.Frame
	if frame, ok := text(data); ok {
		if f, err = parseFrame(frame); err != nil {
			return nil, nil, err
		}
		if d.stock && trailing(f.Payload) {
			return nil, nil, errTrailing
		}
	} else if d.pending {
		if d.buffered >= maxBuffered {
			return nil, nil, errBuffered
		}
		var n int
		if data, n, err = sized(data); err != nil {
			return nil, nil, err
		}
		d.buffered += n
	}
	if err := d.inner.Add(data); err != nil {
		return nil, nil, err
	}
	for _, args := range d.more {
		if err := check(args); err != nil {
			return nil, nil, err
		}
	}
	if d.first != nil {
		d.pending, d.buffered = false, 0
		if f.Binary() && f.Attachments == 0 {
			// The stock decoder keeps such a packet as one to be completed
			// (parser/decoder.go:109): it would refuse the next text frame and
			// collect binary ones for ever.
			d.inner.Destroy()
			d.inner = nil
		}
		return nil, nil, check(d.first)
	}
	if f.Binary() {
		d.pending = true
	}
	return nil, nil, nil
}

// renew starts with a fresh inner decoder.
func (d *decoder) renew() {
	inner := d.create()
	_ = inner.On("decoded", func(args ...any) {
		if args == nil {
			args = []any{}
		}
		if d.first == nil {
			d.first = args
		} else {
			d.more = append(d.more, args)
		}
	})
	d.inner, d.stock = inner, reflect.TypeOf(inner) == stockDecoder
	d.pending, d.buffered = false, 0
}

// check reports what the host cannot take in a decoded packet.
func check(args []any) error {
	if len(args) == 0 {
		return errNoPacket
	}
	p, _ := args[0].(*parser.Packet)
	if p == nil {
		return errNoPacket
	}
	switch p.Type {
	case parser.EVENT, parser.BINARY_EVENT:
		list, _ := p.Data.([]any)
		if len(list) == 0 {
			return errEvent
		}
		if name, ok := list[0].(string); !ok || parser.RESERVED_EVENTS.Has(name) {
			return errEvent
		}
	case parser.ACK, parser.BINARY_ACK:
		if _, ok := p.Data.([]any); !ok || p.Id == nil {
			return errAck
		}
	case parser.CONNECT:
		if _, ok := p.Data.(map[string]any); !ok && p.Data != nil {
			return errConnect
		}
	case parser.DISCONNECT:
		if p.Data != nil {
			return errDisconnect
		}
	default:
		return errType
	}
	return nil
}
