package redact

import (
	"strings"
	"testing"
)

// plainUser is scanner.user, and plainEncodedUser is encodedUser, without regard to the
// cost of looking ahead.
func plainUser(c *scanner, i int) (from, to int, ok bool) {
	s := c.s[i:min(len(c.s), i+2*slack)]
	if k := strings.IndexAny(s, " \t\r\n\"'`<>"); k >= 0 {
		s = s[:k]
	}
	host := s
	if k := strings.IndexAny(s, `/?#\`); k >= 0 {
		host = s[:k]
	}
	at := strings.LastIndexByte(host, '@')
	if at < 0 && !strings.HasPrefix(host, "[") {
		_, port, found := strings.Cut(host, ":")
		if found && strings.Trim(port, "0123456789") != "" {
			at = strings.LastIndexByte(s, '@')
			if at < 0 && i+len(s) == len(c.s) && c.open {
				at = len(s)
			}
		}
	}
	return i, i + at, at > 0 && s[:at] != mark
}

func plainEncodedUser(c *scanner, i int) (from, to int, ok bool) {
	const sep = "%3A%2F%2F"
	if !strings.EqualFold(c.s[i:min(len(c.s), i+len(sep))], sep) {
		return 0, 0, false
	}
	from = i + len(sep)
	host := c.s[from:min(len(c.s), from+2*slack)]
	for _, stop := range []string{"%2F", "%2f"} {
		host, _, _ = strings.Cut(host, stop)
	}
	if k := strings.IndexAny(host, " \t\r\n\"'`<>&/?#"); k >= 0 {
		host = host[:k]
	}
	at := strings.LastIndex(host, "%40")
	return from, from + at, at > 0 && host[:at] != mark
}

// FuzzUser: what the scanner remembers about previous URLs changes nothing. skip says
// which of them it has not examined.
func FuzzUser(f *testing.F) {
	const long = 2*slack + 10
	for _, s := range []string{
		"://u:p@h ://u@h", "://u:p/q@h://x:y", "://://@", ":x://:x://:x@", "://[redacted]@h://u:[redacted]@h",
		":x://" + strings.Repeat("a", long) + "@://b:c/d@", strings.Repeat(":x://", long/5) + "@" + strings.Repeat("://y:z", 300),
		"%3A%2F%2Fu%40h%2Fx%3a%2f%2fu%3ap%40%2F", strings.Repeat("%3A%2F%2F", 200) + "%40", "%3A%2F%2F" + strings.Repeat("b", long) + "%40",
		"%3A%2F%2F" + strings.Repeat("c", 2*slack-3) + "%40", "%3A%2F%2F%40[redacted]%40%2", `:\/\/u:p\@h:\/\/`,
	} {
		for _, skip := range []uint64{0, 0x5555555555555555, 1<<63 | 7} {
			f.Add(s, skip, true)
			f.Add(s, skip, false)
		}
	}
	f.Fuzz(func(t *testing.T, s string, skip uint64, open bool) {
		c := &scanner{s: s, open: open}
		for i := len("://"); i < len(s); i++ {
			skip = skip<<1 | skip>>63
			if skip&1 != 0 {
				continue
			}
			from, to, ok := c.user(i)
			if f, e, want := plainUser(c, i); ok != want || ok && (from != f || to != e) {
				t.Fatalf("user of %q at %d: %d, %d, %v, want %d, %d, %v", s, i, from, to, ok, f, e, want)
			}
			from, to, ok = c.encodedUser(i)
			if f, e, want := plainEncodedUser(c, i); ok != want || ok && (from != f || to != e) {
				t.Fatalf("encoded user of %q at %d: %d, %d, %v, want %d, %d, %v", s, i, from, to, ok, f, e, want)
			}
		}
	})
}

// TestLooksAheadOnce: of many URLs in a row, the scanner remembers how far it has looked;
// of encoded ones it reads only to the next, and makes no copy.
func TestLooksAheadOnce(t *testing.T) { // counts allocations, not in parallel
	s := strings.Repeat(":x://", 100)
	c := &scanner{s: s}
	if _, _, ok := c.next(); ok || c.ahead != len(s) {
		t.Errorf("%v, looked ahead to %d of %d", ok, c.ahead, len(s))
	}
	c = &scanner{s: strings.Repeat("%3a%2f%2f", 100)}
	if n := testing.AllocsPerRun(10, func() { c.encodedUser(0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
