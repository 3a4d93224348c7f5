package clientip

import (
	"net/netip"
	"strings"
)

// obfuscated are the characters of obfuscated identifiers, after their "_".
const obfuscated = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-"

// cutQuoted cuts the last element off a Forwarded header, in which quoted strings may
// contain commas. It reads from the right: if read from the left, a quote left open by a
// client would swallow what the proxies append, and make the client pass for the proxy.
// In a well-formed header, both directions find the same elements: a quote is escaped if
// and only if an odd number of backslashes precedes it.
func cutQuoted(list string) (rest, hop string, more bool) {
	quoted := false
	from := max(0, len(list)-maxElement)
	for i := len(list) - 1; i >= from; i-- {
		switch list[i] {
		case ',':
			if !quoted {
				return list[:i], list[i+1:], true
			}
		case '"':
			before := strings.TrimRight(list[from:i], `\`)
			if (i-from-len(before))%2 == 0 {
				quoted = !quoted
			}
		}
	}
	return "", first(list), false
}

// parseForwarded returns the address in the for parameter of an element, according to RFC
// 7239, section 4. It returns the zero Addr if the element is malformed, if it has none
// or two such parameters, or if the parameter is not an address: "unknown", or an
// obfuscated name.
//
// Known mistakes of proxies are accepted: spaces around semicolons, and values without
// their quotes or brackets. A proxy may copy a value like host from the client, who must
// not be able to spoil the element with it.
func parseForwarded(s string) netip.Addr {
	var node string
	seen := false
	for {
		s = strings.TrimLeft(s, ows)
		if s != "" && s[0] != ';' {
			name, rest, _ := strings.Cut(s, "=")
			value, rest, ok := cutValue(rest)
			if !ok || !isToken(name) {
				return netip.Addr{}
			}
			if strings.EqualFold(name, "for") {
				if seen {
					return netip.Addr{}
				}
				node, seen = value, true
			}
			s = strings.TrimLeft(rest, ows)
		}
		if s == "" {
			break
		}
		if s[0] != ';' {
			return netip.Addr{}
		}
		s = s[1:]
	}
	node = unescape(node)
	// The port may be obfuscated even if the address is not.
	if i := strings.LastIndex(node, ":_"); i >= 0 && len(node) > i+2 && strings.Trim(node[i+2:], obfuscated) == "" {
		node = node[:i]
	}
	return parseAddr(node)
}

// cutValue cuts the value of a parameter off s: a quoted string, returned without its
// quotes but with its escapes, or everything up to a semicolon or space.
func cutValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ";"+ows)
		if end < 0 {
			end = len(s)
		}
		return s[:end], s[end:], !strings.ContainsAny(s[:end], `,"\`)
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return s[1:i], s[i+1:], true
		case '\\':
			i++
		}
	}
	return "", "", false
}

// unescape resolves the escapes in a quoted string.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}
