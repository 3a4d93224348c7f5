// Package wire reads requests and packets as the host does, but before its decoder, and
// sends packets without the flags that an application sets for its own.
package wire

import (
	"bytes"
	"errors"
	"math"
	"net/url"
	"reflect"
	"strconv"

	"github.com/zishang520/socket.io-go-parser/v2/parser"
	"github.com/zishang520/socket.io/v2/socket"
)

// Last returns the value that the engine uses where a parameter or header has several
// (engine.io utils/parameter-bag.go:71), or "" if there is none.
func Last(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

// stockEncoder identifies the stock encoder, whose type has no exported name.
var stockEncoder = reflect.TypeOf(parser.NewEncoder())

// Text reports whether the packets of s are in the stock text format, as Frame is.
func Text(s *socket.Socket) bool {
	return reflect.TypeOf(s.Nsp().Server().Encoder()) == stockEncoder
}

// Frame is a packet in the stock text format: type, attachments and "-" (binary types
// only), "/namespace,", id, payload.
type Frame struct {
	Type        parser.PacketType
	Attachments uint64 // binary packets that follow
	Namespace   []byte // with its "/"; empty if there is none, which means "/"
	ID          []byte // digits; set if the packet wants an answer, or is one
	Payload     []byte
}

// Parse parses a frame as the stock decoder does (parser/decoder.go:122), without looking
// at the payload. ok is false if b is not a frame. The parts of the frame alias b.
func Parse(b []byte) (f Frame, ok bool) {
	if len(b) == 0 || b[0] < byte(parser.CONNECT) || b[0] > byte(parser.BINARY_ACK) {
		return Frame{}, false
	}
	f.Type = parser.PacketType(b[0])
	rest := b[1:]
	if f.Binary() {
		count, after, found := bytes.Cut(rest, []byte("-"))
		if !found {
			return Frame{}, false
		}
		n, err := strconv.ParseUint(string(count), 10, 64)
		if errors.Is(err, strconv.ErrRange) {
			n = math.MaxUint64
		} else if err != nil {
			return Frame{}, false
		}
		f.Attachments, rest = n, after
	}
	if len(rest) > 0 && rest[0] == '/' {
		f.Namespace, rest, _ = bytes.Cut(rest, []byte(","))
	}
	i := 0
	for i < len(rest) && '0' <= rest[i] && rest[i] <= '9' {
		i++
	}
	f.ID, f.Payload = rest[:i], rest[i:]
	return f, true
}

// Binary reports whether f is of a type that has attachments.
func (f Frame) Binary() bool {
	return f.Type == parser.BINARY_EVENT || f.Type == parser.BINARY_ACK
}

// Path returns the name of the namespace as the host reads it (socket/client.go:204):
// with Engine.IO 3 it is the path of a URL, without the query; otherwise a query is part
// of it.
func (f Frame) Path(protocol int) string {
	if len(f.Namespace) == 0 {
		return "/"
	}
	if protocol != 3 {
		return string(f.Namespace)
	}
	u, err := url.Parse(string(f.Namespace))
	if err != nil {
		return "" // the host takes it for this
	}
	return u.Path
}

// Emit sends an event to s. s.Emit would take the flags that the application has set for
// an event of its own, such as Volatile, with a data race. With state recovery it also
// goes through the adapter (socket/socket.go:301), which may use the network, and keeps
// the event to send it again. Listeners of OnAnyOutgoing do not see it.
func Emit(s *socket.Socket, event string, args ...any) {
	send(s, &parser.Packet{Type: parser.EVENT, Data: append([]any{event}, args...)})
}

// Ack answers the packet of s with this id.
func Ack(s *socket.Socket, id uint64, args ...any) {
	send(s, &parser.Packet{Type: parser.ACK, Id: &id, Data: args})
}

func send(s *socket.Socket, p *parser.Packet) {
	if !s.Connected() {
		return
	}
	p.Nsp = s.Nsp().Name()
	s.Client().WriteToEngine(s.Nsp().Server().Encoder().Encode(p), &socket.WriteOptions{})
}
