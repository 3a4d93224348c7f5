package wrap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/zishang520/engine.io/v2/events"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"
)

const (
	// maxAttachments bounds the binary attachments that one packet may
	// announce. An attachment is one []byte anywhere in the arguments.
	maxAttachments = 1024

	// maxBuffered bounds the attachments held back while a packet is
	// incomplete. It is compared before an attachment is added, so that a single
	// one passes whatever its size: MaxHttpBufferSize bounds that already.
	maxBuffered = 16 << 20

	// minPlaceholder is the least that an attachment costs in the JSON payload.
	minPlaceholder = len(`{"_placeholder":true,"num":0}`)
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
// text format also: more than 1,024 attachments, more than the payload has room
// to reference, and a further attachment when 16 MiB wait for the rest of their
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
	var h header
	if frame, ok := text(data); ok {
		if h, err = parseHeader(frame); err != nil {
			return nil, nil, err
		}
		if d.stock && h.trailing() {
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
		if h.binary && h.attachments == 0 {
			// The stock decoder keeps such a packet as one to be completed
			// (parser/decoder.go:109): it would refuse the next text frame and
			// collect binary ones for ever.
			d.inner.Destroy()
			d.inner = nil
		}
		return nil, nil, check(d.first)
	}
	if h.binary {
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

// text returns the bytes of a text frame without consuming them.
func text(data any) ([]byte, bool) {
	switch v := data.(type) {
	case *types.StringBuffer:
		return v.Bytes(), true
	case string:
		return []byte(v), true
	case *strings.Reader:
		b := make([]byte, v.Len())
		n, _ := v.ReadAt(b, v.Size()-int64(v.Len()))
		return b[:n], true
	}
	return nil, false
}

// sized returns the size of a binary frame. The host passes *types.BytesBuffer;
// a reader that does not tell its size is read here, as the inner decoder would.
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

// header is what stands before the JSON payload in the stock text format:
// type, attachments and "-" (binary types only), "/namespace,", id.
type header struct {
	binary      bool
	attachments int
	payload     []byte
}

// parseHeader reads a header as the stock decoder does (parser/decoder.go:122).
// What it does not understand it leaves to the decoder.
func parseHeader(frame []byte) (h header, err error) {
	if len(frame) == 0 || frame[0] < byte(parser.CONNECT) || frame[0] > byte(parser.BINARY_ACK) {
		return header{}, nil
	}
	rest := frame[1:]
	if t := parser.PacketType(frame[0]); t == parser.BINARY_EVENT || t == parser.BINARY_ACK {
		count, after, ok := bytes.Cut(rest, []byte("-"))
		if !ok {
			return header{}, nil
		}
		n, err := strconv.ParseUint(string(count), 10, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return header{}, nil
		}
		if n > maxAttachments || n > uint64(len(after)/minPlaceholder) {
			return header{}, errAttachments
		}
		h.binary, h.attachments, rest = true, int(n), after
	}
	if len(rest) > 0 && rest[0] == '/' {
		_, rest, _ = bytes.Cut(rest, []byte(","))
	}
	for len(rest) > 0 && '0' <= rest[0] && rest[0] <= '9' {
		rest = rest[1:]
	}
	h.payload = rest
	return h, nil
}

const jsonSpace = " \t\r\n"

// structural marks the bytes at which trailing has to stop.
var structural = [256]bool{'"': true, '[': true, ']': true, '{': true, '}': true}

// trailing reports whether anything but white space follows the payload. It only
// finds the end of the value: the decoder refuses what is not JSON.
func (h *header) trailing() bool {
	b := bytes.Trim(h.payload, jsonSpace)
	if len(b) == 0 || b[0] != '[' && b[0] != '{' {
		// "1null" has the one scalar that the stock decoder accepts.
		return len(b) > 4 && string(b[:4]) == "null"
	}
	depth := 0
	for i := 0; i < len(b); i++ {
		if !structural[b[i]] {
			continue
		}
		switch b[i] {
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth <= 0 {
				return i+1 < len(b)
			}
		case '"':
			for escaped := true; escaped; {
				n := bytes.IndexByte(b[i+1:], '"')
				if n < 0 {
					return false
				}
				i += 1 + n
				escaped = false
				for k := i - 1; b[k] == '\\'; k-- {
					escaped = !escaped
				}
			}
		}
	}
	return false
}
