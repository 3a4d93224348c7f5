package clientip_test

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/clientip"
)

// FuzzOf checks what must be true of the results whatever a client sends.
func FuzzOf(f *testing.F) {
	for _, c := range testCases {
		if lines := strings.Join(c.lines, "\n"); len(lines) < 1<<10 {
			f.Add(c.peer, c.header, lines, `, for="9.9.9.9`)
		}
	}
	trusted, err := clientip.NewSet("trusted", parse(proxies...))
	if err != nil {
		f.Fatal(err)
	}
	nobody := source(f, "")
	sources := map[string]*clientip.Source{
		"X-Forwarded-For": source(f, "", proxies...), "Forwarded": source(f, "Forwarded", proxies...),
	}
	f.Fuzz(func(t *testing.T, remote, header, text, spoof string) {
		appended := "7.7.7.7, 10.0.0.3"
		if header != "Forwarded" {
			header = "X-Forwarded-For"
		} else {
			appended = `for="7.7.7.7:1";host="a,b\"", for=10.0.0.3`
		}
		s := sources[header]
		of := func(lines ...string) netip.Addr {
			return s.Of(testCase{header: header, peer: remote, lines: lines}.request())
		}
		lines := strings.Split(text, "\n")
		peer := nobody.Of(testCase{header: header, peer: remote, lines: lines}.request())
		got := of(lines...)
		if got.IsValid() != peer.IsValid() {
			t.Fatalf("client %v of peer %v", got, peer)
		}
		if got.Zone() != "" || got.Is4In6() {
			t.Fatalf("client %v has a zone or is mapped", got)
		}
		if !trusted.Contains(peer) {
			if got != peer {
				t.Fatalf("client %v of peer %v, who is not trusted", got, peer)
			}
			return
		}

		// What proxies append decides, whatever comes before it.
		want := netip.MustParseAddr("7.7.7.7")
		if a := of(append(lines, appended)...); a != want {
			t.Fatalf("client %v, want %v, after line %q", a, want, text)
		}
		joined := text + "," + appended
		if a := of(joined); a != want {
			t.Fatalf("client %v, want %v, of line %q", a, want, joined)
		}

		// The client is the same with more to the left of it.
		if trusted.Contains(got) {
			return
		}
		if a := of(append([]string{spoof}, lines...)...); a != got {
			t.Fatalf("client %v, with line %q in front %v", got, spoof, a)
		}
		lines[0] = spoof + "," + lines[0]
		if a := of(lines...); a != got {
			t.Fatalf("client %v, with %q in front %v", got, spoof, a)
		}
	})
}

// The grammar of RFC 7239, section 4, and the spaces and empty elements that recipients
// must accept, read from left to right.
const (
	token  = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
	quoted = `"(?:[^"\\]|\\.)*"`
	pair   = token + "=(?:" + token + "|" + quoted + ")"
)

var (
	reElement = regexp.MustCompile(`(?s)^[ \t]*((?:` + pair + `)?(?:;(?:` + pair + `)?)*)[ \t]*(?:,|$)`)
	rePair    = regexp.MustCompile(`(?s)^;*(` + token + ")=(" + token + "|" + quoted + ")")
	reEscape  = regexp.MustCompile(`(?s)\\(.)`)
	reHidden  = regexp.MustCompile(`:_[0-9A-Za-z._-]+$`)
	reNode    = regexp.MustCompile(`^(?:([0-9.]+)|\[([^\]]+)\]):([0-9]+)$`)
)

// FuzzForwarded compares the reading of well-formed lines with that of a parser which
// goes the other way, from left to right.
func FuzzForwarded(f *testing.F) {
	for _, c := range testCases {
		if c.header == "Forwarded" && len(c.lines) > 0 && len(c.lines[0]) < 1<<10 {
			f.Add(c.lines[0])
		}
	}
	f.Add(`for="[2001:db8::1%a].b]"`)
	f.Add(`for="2001:db8::1%a]"`)
	f.Add(`for="10.0.0.2\\", for="10.0.0.3";x="\\\",for=\"";y="",,;for=10.0.0.4`)
	trusted, err := clientip.NewSet("trusted", parse(proxies...))
	if err != nil {
		f.Fatal(err)
	}
	s := source(f, "Forwarded", proxies...)
	f.Fuzz(func(t *testing.T, line string) {
		got := s.Of(testCase{header: "Forwarded", peer: proxy, lines: []string{line}}.request())
		hops, ok := readForwarded(line)
		if !ok || len(hops) > 100 {
			return
		}
		want := netip.MustParseAddr("10.0.0.1")
		for i := len(hops) - 1; i >= 0; i-- {
			if hops[i] == "" {
				continue
			}
			a, ok := readElement(hops[i])
			if !ok {
				break
			}
			if want = a; !trusted.Contains(a) {
				break
			}
		}
		if got != want {
			t.Fatalf("client %v, want %v, of line %q with elements %q", got, want, line, hops)
		}
	})
}

// readForwarded returns the elements of a well-formed line. Long ones may contain what
// the package refuses only because of its length.
func readForwarded(line string) (hops []string, ok bool) {
	for {
		m := reElement.FindStringSubmatch(line)
		if m == nil || len(m[1]) > 100 {
			return nil, false
		}
		hops = append(hops, m[1])
		line = line[len(m[0]):]
		if !strings.HasSuffix(m[0], ",") {
			return hops, true
		}
	}
}

// readElement returns the address in the one for parameter of an element.
func readElement(element string) (a netip.Addr, ok bool) {
	found := 0
	for m := rePair.FindStringSubmatch(element); m != nil; m = rePair.FindStringSubmatch(element) {
		element = element[len(m[0]):]
		if !strings.EqualFold(m[1], "for") {
			continue
		}
		found++
		value := m[2]
		if strings.HasPrefix(value, `"`) {
			value = reEscape.ReplaceAllString(value[1:len(value)-1], "$1")
		}
		if a, ok = readNode(reHidden.ReplaceAllString(value, "")); !ok {
			return a, false
		}
	}
	return a, found == 1
}

// readNode returns an address that may have a port, and may lack its brackets.
func readNode(node string) (netip.Addr, bool) {
	if m := reNode.FindStringSubmatch(node); m != nil {
		if _, err := strconv.ParseUint(m[3], 10, 16); err != nil {
			return netip.Addr{}, false
		}
		node = m[1]
		if m[2] != "" {
			node = "[" + m[2] + "]"
		}
	}
	inner, open := strings.CutPrefix(node, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	a, err := netip.ParseAddr(inner)
	if err != nil || open != closed || open && a.Is4() || strings.ContainsAny(inner, "[]") {
		return netip.Addr{}, false
	}
	return a.Unmap().WithZone(""), true
}
