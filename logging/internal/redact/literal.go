package redact

import "strings"

// maxType limits how much of the name of a type is read.
const maxType = 128

// literal returns the end of a composite value at the start of s[v:]: a list or an object
// of JSON, or what fmt writes for one with %v or %#v, like map[a:b c:d], &{a b} or
// []string{"a"}. It returns 0 if there is none.
func literal(s string, v int) (end int) {
	k, typed := v, false // typed: what precedes a brace is a type
	if s[k] == '&' {
		k, typed = k+1, true
	}
	for limit := v + maxType; k < min(len(s), limit); {
		before := s[v:k]
		switch c := s[k]; {
		case c == '{' && (typed || k == v):
			return balanced(s, k)
		case c == '[' && (before == "" || strings.HasSuffix(before, "map") || strings.IndexByte("&*]", s[k-1]) >= 0):
			k = balanced(s, k)
		case c == ' ' && strings.HasPrefix(s[k:], " {") &&
			(strings.HasSuffix(before, "interface") || strings.HasSuffix(before, "struct")):
			k = balanced(s, k+1)
		case isRun(c), c == '.', c == '*':
			typed = typed || c == '.'
			k++
			continue
		default:
			return end
		}
		end, limit, typed = k, k+maxType, true
	}
	return end
}

// punctuation is the punctuation that may follow a value.
const punctuation = `,.)]}\:`

// quoted returns the end of a quoted value that continues the value s[v:e], as in auth:
// token="a b", or e if there is none. A quote opens one if what precedes it calls for a
// value, and what follows it cannot follow a closing quote.
func (c *scanner) quoted(v, e int) int {
	s, k := c.s, e
	for k < len(s) && strings.IndexByte(punctuation, s[k]) >= 0 {
		k++
	}
	b := k
	for b > v && s[b-1] == '\\' {
		b--
	}
	if b == v || strings.IndexByte("=:([{", s[b-1]) < 0 || opening(s[k:]) == 0 {
		return e
	}
	e = min(len(s), quoteEnd(s, k+1, s[k], k-b)+k-b+1)
	if e < len(s) && isRun(s[e]) {
		e = c.bare(e)
	}
	return e
}

// opening returns the length of the quote at the start of s, including backslashes before
// it, if a value follows it, or 0.
func opening(s string) int {
	k := 0
	for k < len(s) && s[k] == '\\' {
		k++
	}
	if k+1 >= len(s) || strings.IndexByte("\"'`", s[k]) < 0 || s[k+1] <= ' ' || strings.IndexByte(punctuation+";&<>+\"'`", s[k+1]) >= 0 {
		return 0
	}
	return k + 1
}

// isCookies reports whether value is the first of several cookies; rest is what follows
// it.
func isCookies(value, rest string) bool {
	return strings.Contains(value, "=") && strings.HasPrefix(rest, "; ")
}
