package logging

import "strings"

// redactTypeMax bounds what is read of the name of a type.
const redactTypeMax = 128

// redactLiteral returns where a value at the start of s[v:] ends that has others in it: a
// list or an object of JSON, or what fmt writes for one with %v or %#v, like map[a:b c:d],
// &{a b} or []string{"a"}. It returns 0 if there is none.
func redactLiteral(s string, v int) (end int) {
	k, typed := v, false // typed: what is in front of a brace is a type
	if s[k] == '&' {
		k, typed = k+1, true
	}
	for limit := v + redactTypeMax; k < min(len(s), limit); {
		before := s[v:k]
		switch c := s[k]; {
		case c == '{' && (typed || k == v):
			return redactBalanced(s, k)
		case c == '[' && (before == "" || strings.HasSuffix(before, "map") || strings.IndexByte("&*]", s[k-1]) >= 0):
			k = redactBalanced(s, k)
		case c == ' ' && strings.HasPrefix(s[k:], " {") &&
			(strings.HasSuffix(before, "interface") || strings.HasSuffix(before, "struct")):
			k = redactBalanced(s, k+1)
		case redactIsRun(c), c == '.', c == '*':
			typed = typed || c == '.'
			k++
			continue
		default:
			return end
		}
		end, limit, typed = k, k+redactTypeMax, true
	}
	return end
}
