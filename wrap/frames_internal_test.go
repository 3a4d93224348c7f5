package wrap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
)

// frame returns a frame (RFC 6455, section 5.2) with the payload p.
func frame(opcode byte, masked bool, p []byte) []byte {
	b, mask := []byte{0x80 | opcode}, byte(0)
	if masked {
		mask = 0x80
	}
	switch n := len(p); {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if masked {
		b = append(b, 8, 8, 8, 8)
	}
	return append(b, p...)
}

// A close frame is recognized; what looks like one inside another frame is not.
func TestFrames(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 125, 126, 127, 1<<16 - 1, 1 << 16, 1<<16 + 1} {
		for _, masked := range []bool{false, true} {
			for _, opcode := range []byte{0, 1, 2, 9, 10} {
				t.Run(fmt.Sprint(n, masked, opcode), func(t *testing.T) {
					t.Parallel()
					one := frame(opcode, masked, bytes.Repeat([]byte{0x88}, n))
					all := append(append(bytes.Clone(one), one...), frame(8, masked, []byte{3, 232})...)
					end := 2 * len(one)
					for _, step := range []int{1, 3, len(one), len(one) + 1, len(all)} {
						var f frames
						for at := 0; at < len(all); at += step {
							to := min(at+step, len(all))
							if f.pass(all[at:to]); f.closed != (to > end) {
								t.Fatalf("by %d: closed %t after %d bytes, the close frame begins at %d", step, f.closed, to, end)
							}
						}
					}
				})
			}
		}
	}
}

// FuzzFrames: the result does not depend on how the bytes are split.
func FuzzFrames(f *testing.F) {
	f.Add(frame(1, true, []byte("42[]")), 3)
	f.Add(append(frame(2, false, make([]byte, 200)), frame(8, true, nil)...), 1)
	f.Add([]byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0x88}, 2)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		var whole, pieces frames
		whole.pass(b)
		step = max(1, step)
		for at := 0; at < len(b); at += step {
			pieces.pass(b[at:min(at+step, len(b))])
			if step > len(b)-at {
				break
			}
		}
		if whole != pieces {
			t.Errorf("%+v, in pieces %+v", whole, pieces)
		}
	})
}
