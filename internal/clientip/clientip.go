// Package clientip finds the address of the client behind a request, for limits per
// address. Behind a proxy that address is in a header, which a client can write too: it
// is read only if it came from trusted proxies, and only as far as they wrote it.
package clientip

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// Source finds the address of clients. That is the peer of the connection, unless the
// peer is one of the trusted proxies; then it is the last hop in the header that is not a
// trusted proxy. Anything to the left of that may have been written by a client, and is
// never read. A hop that is not an address ends the search, and the result is the proxy
// that reported it.
//
// The zero Source trusts nobody. A Source is immutable and safe for concurrent use.
type Source struct {
	trusted Set
	header  string // canonical
	// cut and parse depend on the header. They do not look at anything to the left of the
	// hop that they return.
	cut   func(list string) (rest, hop string, more bool)
	parse func(hop string) netip.Addr
}

const (
	// maxHops is how many elements of the header are examined, empty ones included.
	// Longer chains of proxies are loops or attacks.
	maxHops = 100
	// maxElement is the number of bytes searched for the start of an element. Without it,
	// each request could cost a pass over the whole header.
	maxElement = 8 << 10
	// maxAddr is the length of the longest text that is parsed as an address,
	// with port and zone: netip keeps a copy of each zone.
	maxAddr = 100

	ows    = " \t" // optional whitespace of RFC 9110, section 5.6.3
	tchars = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// New returns the Source for a server behind proxies with the addresses trusted, which it
// copies. Without any, no header is read. A prefix that also contains clients lets these
// choose their address.
//
// header is the one in which the proxies report the client: each proxy must set it or
// append to it, and none may pass it on unchanged. "" means X-Forwarded-For. Forwarded is
// parsed according to RFC 7239, and any other as a list of addresses, separated by
// commas, or a single address (X-Real-IP).
//
// The error joins all faults: those of [NewSet], a header that is not a valid name, and a
// header without trusted prefixes.
func New(trusted []netip.Prefix, header string) (*Source, error) {
	set, err := NewSet("TrustedProxies", trusted)
	faults := []error{err}
	if header != "" && len(trusted) == 0 {
		faults = append(faults, fmt.Errorf("ProxyHeader: %.100q is never read without TrustedProxies", header))
	}
	if header == "" {
		header = "X-Forwarded-For"
	}
	if !isToken(header) {
		faults = append(faults, fmt.Errorf("ProxyHeader: %.100q is not a valid name", header))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	s := &Source{trusted: set, header: http.CanonicalHeaderKey(header), cut: cutPlain, parse: parseAddr}
	if s.header == "Forwarded" {
		s.cut, s.parse = cutQuoted, parseForwarded
	}
	return s, nil
}

// Of returns the address of the client that sent r, without zone, and as IPv4 if it is
// mapped (1.2.3.4 for ::ffff:1.2.3.4). It is the zero Addr if r.RemoteAddr is not an
// address, as for a Unix socket.
func (s *Source) Of(r *http.Request) netip.Addr {
	client := parseAddr(r.RemoteAddr)
	if !s.trusted.Contains(client) {
		return client
	}
	lines, hops := r.Header[s.header], 0
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, hop, more := lines[i], "", true; more; {
			if hops++; hops > maxHops {
				return client
			}
			rest, hop, more = s.cut(rest)
			hop = strings.Trim(hop, ows)
			if hop == "" {
				continue // not an element, by RFC 9110, section 5.6.1
			}
			addr := s.parse(hop)
			if !addr.IsValid() {
				return client
			}
			client = addr
			if !s.trusted.Contains(client) {
				return client
			}
		}
	}
	return client
}

// translated are the IPv6 addresses into which a translator in front of an IPv6-only
// server puts IPv4 ones (RFC 6052, section 2.1): all of them are in one /64.
var translated = netip.MustParsePrefix("64:ff9b::/96")

// Group returns the prefix that counts as one client: a single IPv4 address, even if
// mapped or translated, and the first bits of an IPv6 address, of which a client has
// many. Bits below 0 count as 0, and above 128 as 128. The prefix of the zero Addr is the
// zero Prefix.
func Group(a netip.Addr, bits int) netip.Prefix {
	if a = a.Unmap(); a.Is4() {
		bits = 32
	}
	if translated.Contains(a) {
		bits = 128
	}
	p, _ := a.Prefix(min(max(bits, 0), 128)) // fails only for the zero address
	return p
}

// cutPlain cuts the last element off a list without quoting.
func cutPlain(list string) (rest, hop string, more bool) {
	from := max(0, len(list)-maxElement)
	comma := strings.LastIndexByte(list[from:], ',')
	if comma < 0 {
		return "", first(list), false
	}
	return list[:from+comma], list[from+comma+1:], true
}

// first returns list as an element or, if it is too long, a text that is neither blank
// nor an address.
func first(list string) string {
	if len(list) > maxElement {
		return "overlong"
	}
	return list
}

// parseAddr parses "addr", "addr:port", "[addr]" and "[addr]:port". It returns the
// zero Addr if s is none of these.
func parseAddr(s string) netip.Addr {
	if len(s) > maxAddr {
		return netip.Addr{}
	}
	host, port, ported := s, "", false
	bracketed := strings.HasPrefix(s, "[")
	if bracketed {
		var rest string
		host, rest, ported = strings.Cut(s[1:], "]")
		if !ported {
			return netip.Addr{}
		}
		port, ported = strings.CutPrefix(rest, ":")
		if !ported && rest != "" {
			return netip.Addr{}
		}
	} else if strings.Count(s, ":") == 1 {
		host, port, ported = strings.Cut(s, ":")
	}
	if ported {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return netip.Addr{}
		}
	}
	a, err := netip.ParseAddr(host)
	if err != nil || bracketed && a.Is4() || strings.ContainsAny(a.Zone(), "[]") {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

func isToken(s string) bool {
	return s != "" && strings.Trim(s, tchars) == ""
}
