package siotest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// The packet types of the Socket.IO protocol, as they appear on the wire.
const (
	TypeConnect      byte = '0'
	TypeDisconnect   byte = '1'
	TypeEvent        byte = '2'
	TypeAck          byte = '3'
	TypeConnectError byte = '4'
	TypeBinaryEvent  byte = '5'
	TypeBinaryAck    byte = '6'
)

// Packet is a decoded Socket.IO packet.
type Packet struct {
	// Type is one of the Type constants, or the first byte of a packet that
	// is none of them.
	Type byte
	// Namespace is "/" when the packet names none.
	Namespace string
	// ID is the acknowledgement id, nil when there is none.
	ID *uint64
	// Data is the payload as [encoding/json] decodes it into an any, with
	// placeholders of binary packets replaced by []byte; nil when there is none.
	Data any
	// Raw is the text of the packet without the Engine.IO type.
	Raw string
	// Binary holds the attachments of a binary packet in their order.
	Binary [][]byte
}

// Event returns the name of the event, or "" when the packet is no event.
func (p Packet) Event() string {
	if p.Type != TypeEvent && p.Type != TypeBinaryEvent {
		return ""
	}
	list, ok := p.Data.([]any)
	if !ok || len(list) == 0 {
		return ""
	}
	name, _ := list[0].(string)
	return name
}

// Args returns the arguments of an event (without its name) or of an
// acknowledgement.
func (p Packet) Args() []any {
	list, ok := p.Data.([]any)
	if !ok {
		return nil
	}
	if p.Type == TypeAck || p.Type == TypeBinaryAck {
		return list
	}
	if len(list) == 0 {
		return nil
	}
	return list[1:]
}

// Message returns the text of a CONNECT_ERROR: its "message" member in
// Engine.IO 4, the bare string in Engine.IO 3.
func (p Packet) Message() string {
	switch v := p.Data.(type) {
	case string:
		return v
	case map[string]any:
		text, _ := v["message"].(string)
		return text
	}
	return ""
}

// String returns the packet as it was on the wire, for messages.
func (p Packet) String() string {
	if len(p.Binary) == 0 {
		return p.Raw
	}
	return fmt.Sprintf("%s +%d binary", p.Raw, len(p.Binary))
}

// decodePacket reads a packet and the number of attachments that follow it.
// It never fails: what cannot be read stays zero and Raw tells the rest.
func decodePacket(raw string) (p Packet, attachments int) {
	p = Packet{Namespace: "/", Raw: raw}
	if raw == "" {
		return p, 0
	}
	p.Type = raw[0]
	rest := raw[1:]
	if p.Type == TypeBinaryEvent || p.Type == TypeBinaryAck {
		if count, tail, ok := strings.Cut(rest, "-"); ok {
			attachments, _ = strconv.Atoi(count)
			rest = tail
		}
	}
	if strings.HasPrefix(rest, "/") {
		p.Namespace, rest, _ = strings.Cut(rest, ",")
	}
	digits := 0
	for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
		digits++
	}
	if digits > 0 {
		if id, err := strconv.ParseUint(rest[:digits], 10, 64); err == nil {
			p.ID = &id
			rest = rest[digits:]
		}
	}
	if rest != "" {
		if err := json.Unmarshal([]byte(rest), &p.Data); err != nil {
			p.Data = nil
		}
	}
	return p, attachments
}

// fill puts the attachments in the place of their placeholders.
func fill(v any, binary [][]byte) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = fill(v[i], binary)
		}
	case map[string]any:
		if mark, _ := v["_placeholder"].(bool); mark {
			if num, ok := v["num"].(float64); ok && num >= 0 && int(num) < len(binary) {
				return binary[int(num)]
			}
			return v
		}
		for k := range v {
			v[k] = fill(v[k], binary)
		}
	}
	return v
}

// extract is the reverse of fill: it copies v without its []byte values.
func extract(v any, binary *[][]byte) any {
	switch v := v.(type) {
	case []byte:
		*binary = append(*binary, v)
		return map[string]any{"_placeholder": true, "num": len(*binary) - 1}
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = extract(v[i], binary)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = extract(v[k], binary)
		}
		return out
	}
	return v
}

// encodePacket returns the engine frames of an event or acknowledgement.
func encodePacket(kind byte, nsp string, id *uint64, data []any) []frame {
	var binary [][]byte
	payload := mustJSON(extract(data, &binary))
	var b strings.Builder
	b.WriteByte('4')
	if len(binary) > 0 {
		b.WriteByte(kind + TypeBinaryEvent - TypeEvent)
		b.WriteString(strconv.Itoa(len(binary)))
		b.WriteByte('-')
	} else {
		b.WriteByte(kind)
	}
	b.WriteString(namespacePrefix(nsp))
	if id != nil {
		b.WriteString(strconv.FormatUint(*id, 10))
	}
	b.WriteString(payload)
	frames := []frame{{data: []byte(b.String())}}
	for _, att := range binary {
		frames = append(frames, frame{data: att, binary: true})
	}
	return frames
}

// namespacePrefix is the part of a packet that names its namespace.
func namespacePrefix(nsp string) string {
	if nsp == "" || nsp == "/" {
		return ""
	}
	return nsp + ","
}

// mustJSON panics instead of returning an error: a test that passes a value
// JSON cannot express is wrong, and the stack names it.
func mustJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("siotest: cannot encode %T: %v", v, err))
	}
	return string(text)
}
