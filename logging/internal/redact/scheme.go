package redact

import (
	"encoding/base64"
	"strings"
)

// user looks for the user information of a URL whose :// ends at i.
func (c *scanner) user(i int) (from, to int, ok bool) {
	end, last := c.authority(i)
	s := c.s[i:end]
	host := s
	if k := strings.IndexAny(s, `/?#\`); k >= 0 {
		host = s[:k]
	}
	at := strings.LastIndexByte(host, '@')
	if at < 0 && !strings.HasPrefix(host, "[") {
		// A password with an unescaped slash. What looks like a port is one.
		_, port, found := strings.Cut(host, ":")
		if found && strings.Trim(port, "0123456789") != "" {
			at = last - i
			if at < 0 && i+len(s) == len(c.s) && c.open {
				at = len(s)
			}
		}
	}
	if at <= 0 || s[:at] == mark {
		return 0, 0, false
	}
	return i, i + at, true
}

// authority returns the end of the part from i that may contain the user of a URL, and
// the position of its last @, if that is not before i. What was read for the previous URL
// is not read again, however many there are.
func (c *scanner) authority(i int) (end, at int) {
	limit := min(len(c.s), i+2*slack)
	for c.ahead = max(c.ahead, i); c.ahead < limit; c.ahead++ {
		b := c.s[c.ahead]
		if strings.IndexByte(" \t\r\n\"'`<>", b) >= 0 {
			break
		}
		if b == '@' {
			c.at = c.ahead
		}
	}
	return c.ahead, c.at
}

// encodedUser is user for a possible percent-encoded :// at i. The next such sequence has
// an encoded slash, and each call reads no further than to that.
func (c *scanner) encodedUser(i int) (from, to int, ok bool) {
	const sep = "%3A%2F%2F"
	if len(c.s) < i+len(sep) || !strings.EqualFold(c.s[i:i+len(sep)], sep) {
		return 0, 0, false
	}
	from = i + len(sep)
	end := min(len(c.s), from+2*slack)
	k := from
	for k < end && strings.IndexByte(" \t\r\n\"'`<>&/?#", c.s[k]) < 0 &&
		(c.s[k] != '%' || k+3 > end || !strings.EqualFold(c.s[k:k+3], "%2F")) {
		k++
	}
	host := c.s[from:k]
	at := strings.LastIndex(host, "%40")
	return from, from + at, at > 0 && host[:at] != mark
}

// encoded returns the length of %3x at the start of s, encoded once or twice, or of
// \u003x as some JSON encoders write it, where x is one of digits, or of 2E instead if
// there are none.
func encoded(s string, digits ...byte) int {
	n := 1
	switch {
	case strings.HasPrefix(s, "%25"):
		n = 3
	case strings.HasPrefix(s, `\u00`):
		n = 4
	case !strings.HasPrefix(s, "%"):
		return 0
	}
	if len(s) < n+2 {
		return 0
	}
	high, low := s[n], s[n+1]&^0x20
	if len(digits) == 0 && high == '2' && low == 'E' {
		return n + 2
	}
	for _, d := range digits {
		if high == '3' && low == d {
			return n + 2
		}
	}
	return 0
}

// source looks for the user of a data source name, like user:password@tcp(host)/name or
// user:password@/name, whose @ is at i.
func (c *scanner) source(i int) (from, to int, ok bool) {
	rest := c.s[i+1 : min(len(c.s), i+16)]
	bare := strings.HasPrefix(rest, "/")
	net, _, found := strings.Cut(rest, "(")
	if !bare && (!found || strings.Trim(net, "abcdefghijklmnopqrstuvwxyz46") != "") {
		return 0, 0, false
	}
	s := c.s[max(c.done, i-256):i]
	s = s[strings.LastIndexAny(s, " \t\r\n\"'`<>")+1:]
	user, password, _ := strings.Cut(s, ":")
	if password == "" || bare && password[0] == '/' || strings.HasSuffix(s, mark) {
		return 0, 0, false
	}
	return i - len(s) + strings.LastIndexByte(user, '=') + 1, i, true
}

// scheme looks for the credentials after the name of a scheme, which ends the run s[i:j].
func (c *scanner) scheme(i, j int) (from, to int) {
	v := j
	for v < len(c.s) {
		n := space(c.s[v:])
		if c.s[v] == '+' {
			n = 1
		} else if strings.HasPrefix(c.s[v:], "%20") {
			n = 3
		} else if strings.HasPrefix(c.s[v:], "%2520") {
			n = 5
		}
		if n == 0 {
			break
		}
		v += n
	}
	if v == j || v == len(c.s) || strings.HasPrefix(c.s[v:], mark) {
		return 0, 0
	}
	name := c.s[max(i, j-6):j]
	quote := opening(c.s[v:])
	v += quote
	switch {
	case strings.EqualFold(name, "bearer"):
		if strings.HasPrefix(c.s[v:], "realm=") || strings.HasPrefix(c.s[v:], "error=") {
			break // a challenge
		}
		if e := c.bare(v); !c.prose(v, e, soft, false) {
			return v, c.credentials(v, e, quote)
		}
	case strings.EqualFold(name, "digest"):
		k := v
		for k < len(c.s) && isRun(c.s[k]) {
			k++
		}
		if k > v && strings.HasPrefix(c.s[k:], "=") {
			return v, c.line(v)
		}
	case strings.EqualFold(c.s[max(i, j-5):j], "basic"):
		if e := c.bare(v); isBasic(c.s[v:e]) {
			return v, c.credentials(v, e, quote)
		}
	}
	return 0, 0
}

// credentials returns the end of the credentials s[v:e]. If a quote of length quote
// precedes them, they extend to the closing one.
func (c *scanner) credentials(v, e, quote int) int {
	if quote > 0 {
		return quoteEnd(c.s, v, c.s[v-1], quote-1)
	}
	return c.quoted(v, e)
}

// isBasic reports whether s is credentials rather than a word after "basic".
func isBasic(s string) bool {
	text := strings.TrimRight(s, "=")
	plain, _ := base64.RawStdEncoding.DecodeString(text[:len(text)-len(text)%4])
	if strings.Contains(string(plain), ":") {
		return true
	}
	mixed := strings.Trim(text[min(1, len(text)):], "abcdefghijklmnopqrstuvwxyz-") != ""
	return len(s) >= 8 && mixed && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != ""
}

// isScheme reports whether word is the name of an authentication scheme.
func isScheme(word string) bool {
	switch strings.ToLower(word) {
	case "basic", "bearer", "digest", "negotiate", "ntlm", "token", "apikey", "jwt", "dpop", "hawk":
		return true
	}
	return false
}
