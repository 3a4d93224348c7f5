package redact

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	maxText  = 2048
	maxName  = 128
	maxStack = 16 << 10
	stackKey = "stack"

	// slack is how far beyond the cut the text is read, for secrets that begin before it.
	slack = 512
)

// Text returns s as a [Handler] writes it: without what looks like a secret, with control
// characters escaped, and cut.
func (n Names) Text(s string) string { return n.text(s, maxText, false) }

// Part is Text for s as the first of total bytes. It keeps at most limit bytes, plus a
// note of what was cut.
func (n Names) Part(s string, total, limit int) string { return n.part(s, total, limit, false) }

// text returns s without secrets, escaped, and cut to limit bytes. If lines is set,
// newlines and tabs are kept. It reads no more of s than limit and slack.
func (n Names) text(s string, limit int, lines bool) string {
	if n.quiet(s, limit, lines) {
		return s
	}
	if !isLong(s, limit) {
		limit = len(s)
	}
	return n.part(s, len(s), limit, lines)
}

// part is text for the first of total bytes: either all of them, or more than limit.
func (n Names) part(s string, total, limit int, lines bool) string {
	keep := min(limit, len(s))
	for back := 0; keep > 0 && keep < len(s) && back < utf8.UTFMax-1 && !utf8.RuneStart(s[keep]); back++ {
		keep--
	}
	window := s[:min(len(s), keep+slack)]
	scan := scanner{names: n, s: window, open: len(window) < total}
	out := make([]byte, 0, keep+2*len(mark))
	last := 0
	for last < keep {
		from, to, ok := scan.next()
		if !ok || from >= keep {
			break
		}
		out = escape(out, window[last:from], lines)
		out = append(out, mark...)
		last = to
	}
	if last < keep {
		out = escape(out, window[last:keep], lines)
		last = keep
	}
	if last < total {
		out = fmt.Appendf(out, "... (+%d bytes)", total-last)
	}
	return string(out)
}

// isLong reports whether s must be cut. Text that has been cut before is not long.
func isLong(s string, limit int) bool {
	const tail = 32
	return len(s) > limit && (len(s) > limit+tail || !strings.HasSuffix(s, " bytes)") ||
		!strings.Contains(s[len(s)-min(tail, len(s)):], "... (+"))
}

// quiet reports whether text would return s unchanged. It does not allocate.
func (n Names) quiet(s string, limit int, lines bool) bool {
	if isLong(s, limit) {
		return false
	}
	if isClean(s) {
		return true
	}
	for i := 0; i < len(s); {
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		if isControl(r, size, lines) {
			return false
		}
		i += size
	}
	scan := scanner{names: n, s: s}
	_, _, found := scan.next()
	return !found
}

// isClean reports whether s has nothing that calls for a closer look. Most texts have
// not.
func isClean(s string) bool {
	run := 0
	for i := range len(s) {
		switch classes[s[i]] {
		case classPlain:
			run = 0
		case classRun:
			if run++; run >= 16 {
				return false
			}
		case classBlank:
			if run >= 5 && endsScheme(s[i-1]) {
				return false
			}
			run = 0
		case classPoint:
			if run >= 3 && isJSON(s[i-run:i]) {
				return false
			}
			run = 0
		default:
			return false
		}
		if s[i] == '+' && i >= 5 && endsScheme(s[i-1]) {
			return false
		}
	}
	return true
}

// endsScheme reports whether b may be the last letter of Basic, Bearer, Digest or BEGIN.
func endsScheme(b byte) bool {
	b |= 0x20
	return b == 'c' || b == 'r' || b == 't' || b == 'n'
}

// isControl reports whether r, which has size bytes, changes how the text around it is
// read or displayed.
func isControl(r rune, size int, lines bool) bool {
	switch {
	case r < ' ':
		return !lines || r != '\n' && r != '\t'
	case r < 0x7f:
		return false
	case r <= 0x9f:
		return true
	case r == utf8.RuneError:
		return size == 1
	}
	return r == 0x61c || r == 0x200e || r == 0x200f || 0x2028 <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069
}

// escape appends s to out, with control characters escaped as in Go.
func escape(out []byte, s string, lines bool) []byte {
	const hex = "0123456789abcdef"
	for i := 0; i < len(s); {
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		k := -1
		if r < utf8.RuneSelf {
			k = strings.IndexByte("\a\b\f\n\r\t\v", byte(r))
		}
		switch {
		case !isControl(r, size, lines):
			out = append(out, s[i:i+size]...)
		case k >= 0:
			out = append(out, '\\', "abfnrtv"[k])
		case size == 1:
			out = append(out, '\\', 'x', hex[s[i]>>4], hex[s[i]&0xf])
		default:
			out = append(out, '\\', 'u', hex[r>>12], hex[r>>8&0xf], hex[r>>4&0xf], hex[r&0xf])
		}
		i += size
	}
	return out
}
