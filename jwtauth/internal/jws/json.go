package jws

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"
)

// maxDepth bounds how deep values nest. A header is walked before anything in it
// is verified: 8 KiB of brackets would make stacks of megabytes.
const maxDepth = 64

var (
	errJSON      = errors.New("jws: not a single JSON object")
	errUTF8      = errors.New("jws: invalid UTF-8")
	errSurrogate = errors.New("jws: escaped lone surrogate")
	errDuplicate = errors.New("jws: duplicate member name in an object")
	errTwin      = errors.New("jws: member name differs from a known one only in case")
	errDepth     = errors.New("jws: JSON nested too deep")
)

// walker walks over the JSON in data, and finds what encoding/json is lenient about.
// It keeps only the names that it has yet to compare. It relies on data being valid.
type walker struct {
	data  []byte
	pos   int
	names [][]byte // of the members so far, of all objects that are open
	depth int
}

// few is how many names can be compared with each other at negligible cost.
const few = 16

// walk begins a walk over data, which must be one object.
func walk(data []byte) (walker, error) {
	if !json.Valid(data) {
		return walker{}, errJSON
	}
	if !utf8.Valid(data) {
		return walker{}, errUTF8
	}
	w := walker{data: data, names: make([][]byte, 0, few)}
	if w.peek() != '{' {
		return walker{}, errJSON
	}
	return w, nil
}

// peek skips white space and returns the byte after it.
func (w *walker) peek() byte {
	for w.data[w.pos] == ' ' || w.data[w.pos] == '\t' || w.data[w.pos] == '\n' || w.data[w.pos] == '\r' {
		w.pos++
	}
	return w.data[w.pos]
}

// enter goes into the next object or array. Its result is for leave.
func (w *walker) enter() (mark int, err error) {
	w.pos++
	w.depth++
	if w.depth > maxDepth {
		return 0, errDepth
	}
	return len(w.names), nil
}

// more goes to the next member or element, and reports whether there is one. If
// there is none it goes past the closing bracket.
func (w *walker) more() bool {
	switch w.peek() {
	case '}', ']':
		w.pos++
		w.depth--
		return false
	case ',':
		w.pos++
	}
	return true
}

// name returns the name of the next member, and goes to its value. It may share
// the memory of data.
func (w *walker) name() ([]byte, error) {
	w.peek()
	name, err := w.text()
	if err != nil {
		return nil, err
	}
	w.names = append(w.names, name)
	w.peek()
	w.pos++ // the colon
	w.peek()
	return name, nil
}

// leave refuses the object since enter if two of its members have one name (RFC
// 7515, section 4; RFC 7519, section 4): parsers differ in which one counts.
func (w *walker) leave(mark int) error {
	names := w.names[mark:]
	w.names = w.names[:mark]
	if len(names) <= few {
		for i, name := range names {
			for _, other := range names[:i] {
				if string(name) == string(other) {
					return errDuplicate
				}
			}
		}
		return nil
	}
	// Sorted, so that thousands of members do not take millions of comparisons.
	slices.SortFunc(names, bytes.Compare)
	for i, name := range names[1:] {
		if bytes.Equal(name, names[i]) {
			return errDuplicate
		}
	}
	return nil
}

// skip walks over the next value, which has the given shape.
func (w *walker) skip(s *Shape) error {
	switch w.peek() {
	case '{':
		mark, err := w.enter()
		if err != nil {
			return err
		}
		for w.more() {
			name, err := w.name()
			if err != nil {
				return err
			}
			value, err := s.member(name)
			if err != nil {
				return err
			}
			if err := w.skip(value); err != nil {
				return err
			}
		}
		return w.leave(mark)
	case '[':
		if _, err := w.enter(); err != nil {
			return err
		}
		for w.more() {
			if err := w.skip(s.element()); err != nil {
				return err
			}
		}
		return nil
	case '"':
		return w.skipText()
	default:
		w.literal()
		return nil
	}
}

// literal returns the next value, a number, true, false or null.
func (w *walker) literal() []byte {
	start := w.pos
	for w.pos < len(w.data) {
		switch w.data[w.pos] {
		case ',', '}', ']', ' ', '\t', '\n', '\r':
			return w.data[start:w.pos]
		}
		w.pos++
	}
	return w.data[start:]
}

// null walks over the next value if it is null, and reports whether it is.
func (w *walker) null() bool {
	if w.peek() != 'n' {
		return false
	}
	w.literal()
	return true
}

// skipText walks over the next value, a string.
func (w *walker) skipText() error {
	raw, escaped := w.raw()
	if !escaped {
		return nil
	}
	_, err := unescape(nil, raw)
	return err
}

// text returns the next value, a string. It may share the memory of data.
func (w *walker) text() ([]byte, error) {
	raw, escaped := w.raw()
	if !escaped {
		return raw, nil
	}
	return unescape(make([]byte, 0, len(raw)), raw)
}

// raw returns what is between the quotes of the next value, a string.
func (w *walker) raw() (raw []byte, escaped bool) {
	w.pos++
	start := w.pos
	for ; w.data[w.pos] != '"'; w.pos++ {
		if w.data[w.pos] == '\\' {
			escaped = true
			w.pos++
		}
	}
	w.pos++
	return w.data[start : w.pos-1], escaped
}

// unescape appends the text of raw to dst. Half a surrogate pair is refused:
// encoding/json reads each as U+FFFD, which makes different strings equal.
func unescape(dst, raw []byte) ([]byte, error) {
	for i := 0; i < len(raw); {
		c := raw[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		c = raw[i+1]
		i += 2
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r := hex4(raw[i:])
			i += 4
			if r >= 0xd800 && r < 0xe000 {
				if r >= 0xdc00 || len(raw)-i < 6 || raw[i] != '\\' || raw[i+1] != 'u' {
					return nil, errSurrogate
				}
				low := hex4(raw[i+2:])
				if low < 0xdc00 || low >= 0xe000 {
					return nil, errSurrogate
				}
				i += 6
				r = 0x10000 + (r-0xd800)<<10 + (low - 0xdc00)
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
	return dst, nil
}

// hex4 returns the number in the four hexadecimal digits that b begins with.
func hex4(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		switch {
		case c <= '9':
			c -= '0'
		case c <= 'F':
			c -= 'A' - 10
		default:
			c -= 'a' - 10
		}
		r = r<<4 | rune(c)
	}
	return r
}
