package wrap

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"
)

// minPlaceholder is the least that an attachment costs in the JSON payload.
const minPlaceholder = len(`{"_placeholder":true,"num":0}`)

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
		name, after, _ := bytes.Cut(rest, []byte(","))
		if len(name) > maxNamespace {
			return header{}, errNamespace
		}
		rest = after
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
