package decode

import (
	"strings"

	"github.com/sioware/sioware/internal/wire"
	"github.com/zishang520/engine.io/v2/types"
)

// minPlaceholder is the least space that an attachment takes in the JSON payload.
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

// Frame parses the frame of a packet, within our limits. ok is false if text is not one.
func Frame(text []byte) (f wire.Frame, ok bool, err error) {
	f, ok = wire.Parse(text)
	switch {
	case !ok:
	case f.Attachments > maxAttachments || f.Attachments > uint64((len(text)-1)/minPlaceholder):
		err = errAttachments
	case len(f.Namespace) > maxNamespace:
		err = errNamespace
	}
	return f, ok, err
}
