package wrap

import (
	"errors"
	"reflect"

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
	errFrame       = errors.New("wrap: text frame that is no packet")
	errID          = errors.New("wrap: id of a packet out of range")
	errText        = errors.New("wrap: text frame in place of an attachment")
	errBinary      = errors.New("wrap: binary frame that is no attachment")

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
// attachments, more than the payload has room to reference, and a further attachment
// when 16 MiB wait for the rest of their packet. Everything else passes with the same
// values.
//
// In place of the stock decoder there is one of our own, which is a little faster, and
// also refuses data after the payload.
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

// NewDecoder implements parser.Parser.
func (p *hardParser) NewDecoder() parser.Decoder {
	inner := p.Parser.NewDecoder()
	if reflect.TypeOf(inner) == stockDecoder {
		return &decoder{EventEmitter: events.New()}
	}
	d := &foreignDecoder{EventEmitter: events.New(), create: p.Parser.NewDecoder}
	d.use(inner)
	return d
}

// check reports what the host cannot take in a packet.
func check(p *parser.Packet) error {
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
