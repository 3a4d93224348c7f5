package redact

import (
	"encoding/base64"
	"strings"
)

const mark = "[redacted]"

// The classes of bytes for a [scanner].
const (
	classPlain   = iota
	classRun     // base64url
	classBlank   // a space
	classPoint   // between the parts of a token
	classSep     // between a name and a value
	classPercent // may encode one of the others
	classAt      // after a user
	classEscape  // to be escaped, or not ASCII
)

var classes = func() (class [256]uint8) {
	for i := range class {
		switch c := byte(i); {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
			class[i] = classRun
		case c == ' ':
			class[i] = classBlank
		case c == '.':
			class[i] = classPoint
		case c == ':', c == '=':
			class[i] = classSep
		case c == '%', c == '\\':
			class[i] = classPercent
		case c == '@':
			class[i] = classAt
		case c < ' ', c >= 0x7f:
			class[i] = classEscape
		}
	}
	return class
}()

func isRun(c byte) bool { return classes[c] == classRun }

// scanner finds secrets in s by their shape, in one pass. Nothing in it looks back or
// ahead further than a fixed limit, or resumes before what it has looked at.
type scanner struct {
	names Names
	s     string
	open  bool // s is the start of a longer text
	pos   int
	done  int // where the previous secret ends
	wide  int // where the last run of base64 with + and / ends
	ahead int // how far users of URLs were looked for
	at    int // the last @ before ahead
}

// next returns the next secret. Secrets are returned in order.
func (c *scanner) next() (from, to int, ok bool) {
	for !ok && c.pos < len(c.s) {
		i := c.pos
		c.pos++
		switch classes[c.s[i]] {
		case classRun:
			for c.pos < len(c.s) && isRun(c.s[c.pos]) {
				c.pos++
			}
			from, to, ok = c.run(i, c.pos)
		case classSep:
			switch {
			case strings.HasPrefix(c.s[i:], "://"):
				c.pos += 2
				from, to, ok = c.user(c.pos)
			case strings.HasPrefix(c.s[i:], `:\/\/`): // as some JSON encoders write it
				c.pos += 4
				from, to, ok = c.user(c.pos)
			default:
				from, to, ok = c.pair(i, i+1)
			}
		case classPercent:
			if from, to, ok = c.encodedUser(i); ok {
				break
			}
			if n := encoded(c.s[i:], 'D', 'A'); n > 0 {
				if from, to, ok = c.pair(i, i+n); !ok {
					c.pos = max(c.pos, i+n)
					c.done = i + n // what precedes it belongs to no other name
				}
			}
		case classAt:
			from, to, ok = c.source(i)
		}
	}
	if ok {
		c.pos, c.done = max(to, c.pos), to
	}
	return from, to, ok
}

// run examines s[i:j], which is a whole run.
func (c *scanner) run(i, j int) (from, to int, ok bool) {
	if k := c.token(i, j); k > 0 {
		return i, k, true
	}
	if j-i >= 5 {
		if v, e := c.scheme(i, j); e > v {
			return v, e, true
		}
	}
	if j-i >= 10 && strings.HasPrefix(c.s[i:j], "-----BEGIN") {
		if k := c.pem(i); k > 0 {
			return i, k, true
		}
	}
	if j-i >= 16 && isVendor(c.s[i:j]) || j-i >= 32 && isHex(c.s[i:j]) ||
		j-i >= minBase32 && isBase32(c.s[i:j]) {
		return i, j, true
	}
	if i < c.wide {
		return 0, 0, false
	}
	k := j
	for k < len(c.s) && (isRun(c.s[k]) || c.s[k] == '+' || c.s[k] == '/') {
		k++
	}
	c.wide = k
	if k-i < minRandom || !isRandom(c.s[i:k]) {
		return 0, 0, false
	}
	for range 16 { // keep directory names if what follows them is random enough
		f := i
		for f < k && ('a' <= c.s[f] && c.s[f] <= 'z' || c.s[f] == '-' || c.s[f] == '_') {
			f++
		}
		if f == k || c.s[f] != '/' || !isRandom(c.s[f+1:k]) {
			break
		}
		i = f + 1
	}
	for k < len(c.s) && c.s[k] == '=' {
		k++
	}
	return i, k, true
}

// token returns the end of the JSON Web Token that starts in the run s[i:j], or 0.
func (c *scanner) token(i, j int) (end int) {
	s, parts, last := c.s, 1, j-i
	end = j
	for {
		k := end
		for k < len(s) && s[k] == '=' { // some add padding
			k++
		}
		n := 0
		if k < len(s) && s[k] == '.' {
			n = 1
		} else if k < len(s) && s[k] == '%' {
			n = encoded(s[k:])
		}
		if n == 0 {
			break
		}
		if parts == 1 && !isJSON(s[i:j]) {
			return 0
		}
		start := k + n
		for end = start; end < len(s) && isRun(s[end]); end++ {
		}
		parts, last = parts+1, end-start
	}
	switch {
	case parts > 2, parts == 2 && (last > 0 || c.open && end == len(s)):
		return end
	case parts == 1 && c.open && end == len(s) && isJSON(s[i:j]):
		return end
	}
	return 0
}

// isJSON reports whether s contains base64url that decodes to the start of a JSON object.
func isJSON(s string) bool {
	for {
		i := strings.IndexByte(s, 'e') // the first byte of any encoding of {
		if i < 0 || len(s) < i+3 {
			return false
		}
		s = s[i:]
		if s[1] == 'y' || s[1] == 'w' {
			var in, out [16]byte
			n := copy(in[:], s)
			if n%4 == 1 {
				n--
			}
			n, _ = base64.RawURLEncoding.Decode(out[:], in[:n])
			for i, b := range out[:n] {
				if b == '"' && i > 0 {
					return true
				}
				if b != '{' && i == 0 || i > 0 && b != ' ' && b != '\t' && b != '\n' && b != '\r' {
					break
				}
			}
		}
		s = s[1:]
	}
}

// pem returns the end of the private key that starts at i, or 0.
func (c *scanner) pem(i int) int {
	head := c.s[i+len("-----BEGIN"):]
	head, _, ok := strings.Cut(head[:min(len(head), 64)], "-----")
	if !strings.Contains(head, "PRIVATE KEY") || !ok {
		return 0
	}
	body := c.s[i+len("-----BEGIN")+len(head):]
	k := strings.Index(body, "-----END")
	if k < 0 {
		return len(c.s)
	}
	n := strings.Index(body[k+len("-----END"):], "-----")
	if n < 0 {
		return len(c.s)
	}
	return len(c.s) - len(body) + k + len("-----END") + n + len("-----")
}

// vendors are the prefixes of the keys of services, with the minimum length of what
// follows.
var vendors = [...]struct {
	prefix string
	tail   int
}{
	{"AKIA", 16}, {"ASIA", 16}, {"AIza", 30},
	{"ghp_", 16}, {"gho_", 16}, {"ghu_", 16}, {"ghs_", 16}, {"ghr_", 16}, {"github_pat_", 16},
	{"glpat-", 16}, {"hf_", 20}, {"npm_", 20}, {"pypi-", 20}, {"dop_v1_", 16}, {"shpat_", 16},
	{"rk_live_", 10}, {"rk_test_", 10}, {"sk_live_", 10}, {"sk_test_", 10}, {"whsec_", 16},
	{"sk-", 20}, {"xoxa-", 10}, {"xoxb-", 10}, {"xoxp-", 10}, {"xoxr-", 10}, {"xoxs-", 10}, {"xapp-", 10},
}

func isVendor(run string) bool {
	for i := range len(run) {
		if i > 0 && run[i-1] != '-' && run[i-1] != '_' {
			continue
		}
		for _, v := range vendors {
			if v.prefix[0] == run[i] && len(run)-i >= len(v.prefix)+v.tail && strings.HasPrefix(run[i:], v.prefix) &&
				strings.ContainsAny(run[i+len(v.prefix):min(len(run), i+64)], "0123456789") {
				return true
			}
		}
	}
	return false
}
