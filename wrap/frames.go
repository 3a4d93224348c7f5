package wrap

import "github.com/gorilla/websocket"

// frames follows what a client sends over WebSocket from frame to frame (RFC 6455,
// section 5.2), to notice a close frame before it is read.
type frames struct {
	head   int    // bytes of the header seen so far
	wide   int    // bytes of an extended length still to come
	rest   int    // bytes of the header still to come after the first two
	size   uint64 // of the payload, as far as known
	skip   uint64 // bytes of the payload still to come
	closed bool   // a close frame was seen
}

// pass consumes the next bytes.
func (f *frames) pass(p []byte) {
	for len(p) > 0 && !f.closed {
		if n := min(f.skip, uint64(len(p))); n > 0 {
			f.skip -= n
			p = p[n:]
			continue
		}
		f.header(p[0])
		p = p[1:]
	}
}

// header consumes the next byte of a header.
func (f *frames) header(b byte) {
	switch f.head++; {
	case f.head == 1:
		f.closed = b&0xf == websocket.CloseMessage
		return
	case f.head == 2:
		f.size, f.wide = uint64(b&0x7f), 0
		switch f.size {
		case 126:
			f.size, f.wide = 0, 2
		case 127:
			f.size, f.wide = 0, 8
		}
		f.rest = f.wide + 4*int(b>>7) // the masking key
	case f.wide > 0:
		f.size = f.size<<8 | uint64(b)
		f.wide--
		f.rest--
	default:
		f.rest--
	}
	if f.rest == 0 {
		f.head, f.skip = 0, f.size
	}
}
