package redact

import (
	"strconv"
	"strings"
)

// pair looks for the value of a secret whose name ends before the separator s[p:q].
func (c *scanner) pair(p, q int) (from, to int, ok bool) {
	name := c.name(p)
	if name.grade == public {
		return 0, 0, false
	}
	s, v := c.s, q
	for v < len(s) {
		n := 1
		if s[v] != '=' && s[v] != '>' && s[v] != ':' && s[v] != ' ' && s[v] != '\t' {
			n = space(s[v:])
		}
		if n == 0 || s[v] != '\t' && !name.quoted && space(s[v:]) > 0 && s[v] != ' ' {
			break
		}
		v += n
	}
	if v == len(s) {
		return 0, 0, false
	}
	if rest, found := strings.CutPrefix(strings.TrimPrefix(s[v:], "["), mark); found &&
		(rest == "" || !isRun(rest[0])) {
		c.pos = len(s) - len(rest)
		return 0, 0, false
	}
	start := v + prefix(s[v:])
	t := start
	for t < len(s) && s[t] == '\\' {
		t++
	}
	if t < len(s) && (s[t] == '"' || s[t] == '\'' || s[t] == '`') {
		from, to = t+1, quoteEnd(s, t+1, s[t], t-start)
		return from, to, to > from && !strings.HasPrefix(s[from:to], mark)
	}
	if to = literal(s, v); to > 0 {
		if to < len(s) && isRun(s[to]) {
			to = c.bare(to)
		}
		return v, to, true
	}
	e := c.bare(v)
	if e == v {
		return 0, 0, false
	}
	spaced := s[p] == ':' && v == q+1 && s[q] == ' '
	scheme := e < len(s) && isScheme(s[v:e]) && space(s[e:]) > 0
	if (!scheme || !name.header) && c.prose(v, e, name.grade, spaced && !name.header) ||
		name.file && strings.Trim(s[v:e], "0123456789:") == "" ||
		s[p] == ':' && !spaced && name.grade == soft && isEvent(s) {
		return 0, 0, false
	}
	if scheme {
		for v = e; v < len(s) && space(s[v:]) > 0; {
			v += space(s[v:])
		}
		if strings.HasPrefix(s[v:], mark) {
			c.pos = v + len(mark)
			return 0, 0, false
		}
		e = c.bare(v)
	}
	if name.header && (s[p] == ':' || isCookies(s[v:e], s[e:])) {
		return v, c.line(v), true
	}
	return v, c.quoted(v, e), e > v
}

// prefix returns the length of what other languages write before a quote, as in b'...',
// u'...' and Rb"...", or 0 if no quote follows.
func prefix(s string) int {
	k := 0
	for k < len(s) && k < 2 && strings.IndexByte("bBfFrRuU", s[k]) >= 0 {
		k++
	}
	if quote := strings.TrimLeft(s[k:min(len(s), k+8)], `\`); quote == "" || strings.IndexByte("\"'", quote[0]) < 0 {
		return 0
	}
	return k
}

// space returns the length of the space at the start of s, which may be escaped, or 0.
func space(s string) int {
	switch {
	case s == "":
	case s[0] <= ' ':
		return 1
	case len(s) > 2 && s[0] == '\\' && (s[1] == 'n' || s[1] == 'r' || s[1] == 't') && strings.IndexByte(" \\\"'[{", s[2]) >= 0:
		return 2
	}
	return 0
}

// isEvent reports whether all of s is lower-case words: a name like session:join rather
// than a pair.
func isEvent(s string) bool {
	return len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_-:") == ""
}

// bare returns the end of the unquoted value that starts at i, without the punctuation of
// the surrounding text.
func (c *scanner) bare(i int) int {
	e := i
	for e < len(c.s) && c.s[e] != ' ' && strings.IndexByte("\t\r\n&;\"'`<>", c.s[e]) < 0 {
		if c.s[e] == '\\' && isBreak(c.s[e+1:]) {
			break
		}
		e++
	}
	for e > i && strings.IndexByte(punctuation, c.s[e-1]) >= 0 {
		e--
	}
	return e
}

// isBreak reports whether a value ends at a backslash that is followed by s: at the JSON
// escapes of &, < and >, and at the end of a line, if another name follows.
func isBreak(s string) bool {
	s = strings.TrimPrefix(s, `r\`) // between the two characters of a line end
	if len(s) < 2 {
		return false
	}
	switch s[0] {
	case 'u':
		return strings.HasPrefix(s, "u0026") || strings.HasPrefix(s, "u003c") || strings.HasPrefix(s, "u003e")
	case 'n', 'r':
	default:
		return false
	}
	k := 1
	for k < len(s) && k < 64 && isRun(s[k]) {
		k++
	}
	return k > 1 && k < len(s) && (s[k] == ':' || s[k] == '=' || space(s[k:]) > 0 && isScheme(s[1:k]))
}

// line returns the end of the line that contains i.
func (c *scanner) line(i int) int {
	if k := strings.IndexAny(c.s[i:], "\r\n"); k >= 0 {
		return i + k
	}
	return len(c.s)
}

// quoteEnd returns where the quoted text in s[i:] ends. Inside other quotes the first
// quote was preceded by backslashes, and the last is preceded by as many; one that
// belongs to the value is preceded by more.
func quoteEnd(s string, i int, quote byte, slashes int) int {
	n := 0
	for k := i; k < len(s); k++ {
		switch {
		case s[k] == '\\':
			n++
			continue
		case s[k] == quote && n%(2*(slashes+1)) == slashes:
			return k - slashes
		}
		n = 0
	}
	return len(s)
}

// balanced returns the end of the list or object that starts at i.
func balanced(s string, i int) int {
	depth, slashes := 0, 0
	for k := i; k < len(s); k++ {
		switch s[k] {
		case '\\':
			slashes++
			continue
		case '"':
			k = quoteEnd(s, k+1, '"', slashes) + slashes
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return k + 1
			}
		}
		slashes = 0
	}
	return len(s)
}

// label is what precedes a separator.
type label struct {
	grade  secrecy
	quoted bool
	header bool // the value goes to the end of the line
	file   bool // may be a file name, and the value a line number
}

func (c *scanner) name(p int) (label label) {
	s, k := c.s[c.done:p], p-c.done
	for k > 0 && p-c.done-k < 3 && (s[k-1] == ' ' || s[k-1] == '\t') {
		k--
	}
	for k > 0 && strings.IndexByte("\"'`\\", s[k-1]) >= 0 {
		k--
		label.quoted = true
	}
	end := k
	for k > 0 && end-k < 128 {
		escaped := s[k-1] == '\\' && end-k >= 5 && s[k] == 'u'
		if !escaped && !isRun(s[k-1]) && s[k-1] < 0x80 && strings.IndexByte(".%[]", s[k-1]) < 0 {
			break
		}
		k--
	}
	name := s[k:end]
	if (name == "jwtauth" || name == "securecookie") && !label.quoted && strings.HasPrefix(c.s[p:], ": ") {
		return label // the package that an error comes from, and what it says
	}
	if strings.ContainsAny(name, `%\`) {
		name = strings.TrimRight(decode(name), "\"'` ")
		name = name[strings.LastIndexAny(name, "?&/:;=#@ \"'{,")+1:]
	}
	for rest := name; rest != ""; { // user[password], auth.token
		part := rest
		i := strings.IndexAny(rest, "[]")
		if i >= 0 {
			part, rest = rest[:i], rest[i+1:]
		} else {
			rest = ""
		}
		label.grade = max(label.grade, c.names.grade(part))
		if i = strings.LastIndexByte(part, '.'); i >= 0 {
			label.grade = max(label.grade, c.names.grade(part[i+1:]))
		}
	}
	if label.grade == public && k > 0 {
		switch {
		case s[k-1] == '\\' && name != "" && strings.IndexByte("nrt", name[0]) >= 0:
			label.grade = c.names.grade(name[1:]) // after the text of an escaped line end
		case s[k-1] == ' ' && (strings.EqualFold(name, "key") || strings.EqualFold(name, "id")):
			b := k - 1
			for b > 0 && end-b < 32 && isRun(s[b-1]) {
				b--
			}
			label.grade = c.names.grade(s[b:end])
		}
	}
	if label.grade == public {
		return label
	}
	lower := strings.ToLower(name)
	label.header = strings.Contains(lower, "cookie") || strings.Contains(lower, "authorization")
	dot := strings.LastIndexByte(name, '.')
	label.file = dot > 0 && len(name)-dot <= 5 && c.names.grade(name[dot+1:]) == public
	return label
}

// decode resolves ASCII that was percent-encoded, once or twice, or written with \u.
func decode(s string) string {
	for range 2 {
		out := make([]byte, 0, len(s))
		for i := 0; i < len(s); i++ {
			skip, digits := 0, ""
			if s[i] == '%' && i+2 < len(s) {
				skip, digits = 2, s[i+1:i+3]
			} else if strings.HasPrefix(s[i:], `\u`) && i+5 < len(s) {
				skip, digits = 5, s[i+2:i+6]
			}
			b, err := strconv.ParseUint(digits, 16, 7)
			if err != nil {
				b, skip = uint64(s[i]), 0
			}
			out = append(out, byte(b))
			i += skip
		}
		s = string(out)
	}
	return s
}
