package siotest

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// separator stands between the packets of an Engine.IO 4 polling payload.
const separator = "\x1e"

// frame is one Engine.IO packet: text including its type, or the bytes of a
// binary message without any type.
type frame struct {
	data   []byte
	binary bool
}

// text returns the frame as it travels in a polling payload.
func (f frame) text(eio int) string {
	if !f.binary {
		return string(f.data)
	}
	encoded := base64.StdEncoding.EncodeToString(f.data)
	if eio == 3 {
		return "b4" + encoded
	}
	return "b" + encoded
}

// encodePayload joins frames to the body of a polling request.
func encodePayload(eio int, frames []frame) string {
	texts := make([]string, 0, len(frames))
	for _, f := range frames {
		texts = append(texts, f.text(eio))
	}
	if eio != 3 {
		return strings.Join(texts, separator)
	}
	var b strings.Builder
	for _, text := range texts {
		// Verbatim input may hold several packets; in Engine.IO 3 each one
		// carries its own length.
		for part := range strings.SplitSeq(text, separator) {
			b.WriteString(strconv.Itoa(utf16Len(part)))
			b.WriteByte(':')
			b.WriteString(part)
		}
	}
	return b.String()
}

// decodePayload splits the body of a polling response.
func decodePayload(eio int, body string) ([]frame, error) {
	var texts []string
	if eio == 3 {
		for body != "" {
			digits, rest, ok := strings.Cut(body, ":")
			n, err := strconv.Atoi(digits)
			if !ok || err != nil {
				return nil, fmt.Errorf("siotest: no length in payload %.80q", body)
			}
			size, ok := utf16Prefix(rest, n)
			if !ok {
				return nil, fmt.Errorf("siotest: payload ends early: %.80q", body)
			}
			texts = append(texts, rest[:size])
			body = rest[size:]
		}
	} else if body != "" {
		texts = strings.Split(body, separator)
	}
	frames := make([]frame, 0, len(texts))
	for _, text := range texts {
		f, err := decodeText(eio, text)
		if err != nil {
			return nil, err
		}
		frames = append(frames, f)
	}
	return frames, nil
}

// decodeText reads one packet of a payload.
func decodeText(eio int, text string) (frame, error) {
	if !strings.HasPrefix(text, "b") {
		return frame{data: []byte(text)}, nil
	}
	encoded := text[1:]
	if eio == 3 && encoded != "" {
		encoded = encoded[1:]
	}
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return frame{}, fmt.Errorf("siotest: base64 packet %.80q: %w", text, err)
	}
	return frame{data: data, binary: true}, nil
}

// utf16Len counts as JavaScript does, which Engine.IO 3 lengths are made of.
func utf16Len(s string) int {
	n := 0
	for _, r := range s {
		n += utf16Units(r)
	}
	return n
}

// utf16Prefix returns how many bytes of s make n UTF-16 units.
func utf16Prefix(s string, n int) (size int, ok bool) {
	for n > 0 {
		r, width := utf8.DecodeRuneInString(s[size:])
		if width == 0 {
			return 0, false
		}
		size += width
		n -= utf16Units(r)
	}
	return size, n == 0
}

func utf16Units(r rune) int {
	if r > 0xFFFF {
		return 2
	}
	return 1
}
