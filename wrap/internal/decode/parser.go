// Package decode decodes the Socket.IO packets that clients send, within limits, and
// refuses those that the host does not survive. It is tested through wrap.Parser.
package decode

import (
	"errors"
	"reflect"

	"github.com/zishang520/engine.io/v2/events"
	"github.com/zishang520/socket.io-go-parser/v2/parser"
)

const (
	// maxAttachments limits the binary attachments that one packet may announce. An
	// attachment is one []byte anywhere in the arguments.
	maxAttachments = 1024

	// maxNamespace limits the name of a namespace. The host repeats it in each answer,
	// and queues answers without limit for a client that does not read.
	maxNamespace = 1024

	// maxBuffered limits the attachments held back while a packet is incomplete. It is
	// checked before an attachment is added, so a single one passes whatever its size:
	// MaxHttpBufferSize limits that already.
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
	errFrame       = errors.New("wrap: text frame is not a packet")
	errID          = errors.New("wrap: packet id out of range")
	errText        = errors.New("wrap: text frame instead of an attachment")
	errBinary      = errors.New("wrap: binary frame is not an attachment")

	// stockDecoder identifies the stock decoder, whose type has no exported name.
	stockDecoder = reflect.TypeOf(parser.NewDecoder())
)

// Parser returns p, or the stock parser if p is nil, with a decoder that refuses what the
// host cannot survive. The documentation of wrap.Parser lists what is refused.
func Parser(p parser.Parser) parser.Parser {
	if p == nil {
		p = parser.NewParser()
	}
	if h, ok := p.(*hardened); ok {
		return h
	}
	return &hardened{p}
}

type hardened struct{ parser.Parser }

// NewDecoder implements parser.Parser.
func (p *hardened) NewDecoder() parser.Decoder {
	inner := p.Parser.NewDecoder()
	if reflect.TypeOf(inner) == stockDecoder {
		return &decoder{EventEmitter: events.New()}
	}
	d := &foreign{EventEmitter: events.New(), create: p.Parser.NewDecoder}
	d.use(inner)
	return d
}

// check returns an error if the host cannot handle a packet.
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
