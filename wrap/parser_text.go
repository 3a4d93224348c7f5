package wrap

import (
	"bytes"
	"io"
	"strings"

	"github.com/sioware/sioware/internal/wire"
	"github.com/zishang520/engine.io/v2/types"
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

// parseFrame reads the frame of a packet, within our bounds. What is no frame it leaves
// to the decoder.
func parseFrame(text []byte) (wire.Frame, error) {
	f, ok := wire.Parse(text)
	if !ok {
		return wire.Frame{}, nil
	}
	if f.Attachments > maxAttachments || f.Attachments > uint64((len(text)-1)/minPlaceholder) {
		return wire.Frame{}, errAttachments
	}
	if len(f.Namespace) > maxNamespace {
		return wire.Frame{}, errNamespace
	}
	return f, nil
}

const jsonSpace = " \t\r\n"

// structural marks the bytes at which trailing has to stop.
var structural = [256]bool{'"': true, '[': true, ']': true, '{': true, '}': true}

// trailing reports whether anything but white space follows the value in a payload. It
// only finds the end of the value: the decoder refuses what is not JSON.
func trailing(payload []byte) bool {
	b := bytes.Trim(payload, jsonSpace)
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
