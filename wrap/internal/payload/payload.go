// Package payload decodes long-polling payloads that the host's parser does not survive,
// or loses.
package payload

import (
	"bytes"
	"errors"

	"github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/engine.io-go-parser/parser"
	"github.com/zishang520/engine.io/v2/types"
)

// Longest returns the length of the longest packet of an Engine.IO 4 payload.
func Longest(body []byte) int {
	longest := 0
	for len(body) > longest {
		i := bytes.IndexByte(body, parser.SEPARATOR)
		if i < 0 {
			return max(longest, len(body))
		}
		longest = max(longest, i)
		body = body[i+1:]
	}
	return longest
}

// Text decodes an Engine.IO 4 payload, without the host's limit on the packet size.
func Text(body []byte) (packets []*packet.Packet, err error) {
	for record := range bytes.SplitSeq(body, []byte{parser.SEPARATOR}) {
		p, err := parser.Parserv4().DecodePacket(types.NewStringBuffer(record))
		if err != nil {
			return nil, err
		}
		packets = append(packets, p)
	}
	return packets, nil
}

var errPayload = errors.New("wrap: malformed binary payload")

// Binary decodes a binary Engine.IO 3 payload. A packet is a byte 0 (text) or 1, the
// digits of its length as bytes 0 to 9, 0xFF, and that many bytes. The host trusts the
// length: a negative one panics, a large one loops for years. It also reads the bytes of
// a text as if they were encoded twice (engine.io-go-parser parser-v3.go:384).
func Binary(body []byte) (packets []*packet.Packet, err error) {
	for p := body; len(p) > 0; {
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
