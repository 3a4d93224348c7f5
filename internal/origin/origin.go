// Package origin decides whether the Origin of a request can be trusted, to stop pages of
// other sites from using a visitor's cookies. It implements the rules documented at
// wrap.Origin, for all packages that read cookies.
package origin

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// Policy decides which origins may send a request. It is immutable and safe for
// concurrent use.
type Policy struct {
	all      bool
	patterns []pattern
}

// New compiles allow, whose entries are those of wrap.Origin, and keeps no reference to
// it. Its error joins the faults of all entries.
func New(allow []string) (*Policy, error) {
	p := &Policy{}
	var faults []error
	for _, entry := range allow {
		if entry == "*" {
			p.all = true
			continue
		}
		compiled, errs := compile(entry)
		for _, err := range errs {
			faults = append(faults, fmt.Errorf("invalid entry %q: %w", entry, err))
		}
		p.patterns = append(p.patterns, compiled)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return p, nil
}

var (
	errJSONP  = errors.New("a script request from a page that is not known")
	errNull   = errors.New(`origin "null" is never allowed`)
	errScheme = errors.New("no valid scheme")
	errHost   = errors.New("no valid host (ASCII labels or an IPv6 address in brackets), or something after it")
	errPort   = errors.New("no valid port (1 to 65535), or something after it")
	errWild   = errors.New(`wildcards are "*", a leftmost label ("*.example.com") and a port ("localhost:*") of http or https`)
)

// Check applies the rules documented at wrap.Origin to r, and returns why it is refused,
// or nil. The text quotes headers of r, up to 100 bytes of each: it is for the log. Check
// does not answer r.
func (p *Policy) Check(r *http.Request) error {
	values := r.Header["Origin"]
	if len(values) == 0 {
		for _, site := range r.Header["Sec-Fetch-Site"] {
			if site != "same-origin" && site != "none" {
				return fmt.Errorf("no Origin header, but Sec-Fetch-Site is %.100q", site)
			}
		}
		if len(r.Header["Sec-Fetch-Site"]) == 0 && jsonp(r) {
			return errJSONP
		}
		return nil
	}
	if len(values) > 1 {
		return errors.New("more than one Origin header")
	}
	if values[0] == "null" {
		return errNull // any page can get it, in a sandboxed iframe
	}
	// Stricter than url.Parse: what these reject, no browser sends.
	var o origin
	scheme, host, _ := strings.Cut(values[0], "://")
	if err := cmp.Or(o.parseScheme(scheme), o.parseHost(host)); err != nil {
		return fmt.Errorf("malformed origin %.100q: %w", values[0], err)
	}
	var self pattern
	if p.all || self.parseHost(r.Host) == nil && self.match(o) {
		return nil
	}
	for i := range p.patterns {
		if p.patterns[i].match(o) {
			return nil
		}
	}
	return fmt.Errorf("origin %.100q is neither that of the host %.100q nor allowed", values[0], r.Host)
}

// jsonp reports whether r asks the engine for a script: the one answer that a page of
// another site can read although it sends no Origin (transports/polling-jsonp.go).
// Browsers send Sec-Fetch-Site only over HTTPS and to localhost.
func jsonp(r *http.Request) bool {
	raw := r.URL.RawQuery
	if !strings.Contains(raw, "j=") && !strings.Contains(raw, "j&") && !strings.HasSuffix(raw, "j") && !strings.Contains(raw, "%") {
		return false // nearly always
	}
	q := r.URL.Query()
	return q.Has("j") && q.Has("transport")
}

const (
	asciiDigits  = "0123456789"
	asciiLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// origin is a parsed Origin header.
type origin struct {
	scheme   string     // lower case; http also for ws, https also for wss
	standard uint16     // default port of the scheme, 0 if not http or https
	name     string     // ASCII
	addr     netip.Addr // instead of name for IPv6, which has several spellings
	port     uint16     // 0 if not given
}

// pattern is an origin in which an empty scheme stands for http and https.
type pattern struct {
	origin
	below   bool // name is a suffix and starts with a dot
	anyPort bool
}

func (p *pattern) match(o origin) bool {
	if p.scheme != o.scheme && (p.scheme != "" || o.standard == 0) {
		return false
	}
	if p.below {
		// Parsed names have no empty label, so at least one label is cut off.
		if len(o.name) <= len(p.name) {
			return false
		}
		o.name = o.name[len(o.name)-len(p.name):]
	}
	// Safe on ASCII only: EqualFold also equates the Kelvin sign with k.
	if p.addr != o.addr || !strings.EqualFold(p.name, o.name) {
		return false
	}
	return p.anyPort || cmp.Or(p.port, o.standard) == cmp.Or(o.port, o.standard)
}

// compile parses an entry other than "*" and returns its faults.
func compile(entry string) (p pattern, faults []error) {
	if strings.EqualFold(entry, "null") {
		return p, []error{errNull}
	}
	scheme, host, full := strings.Cut(entry, "://")
	if !full {
		host = entry
	} else if err := p.parseScheme(scheme); err != nil {
		faults = append(faults, err)
	}
	host, p.anyPort = strings.CutSuffix(host, ":*")
	host, p.below = strings.CutPrefix(host, "*.")
	if strings.Contains(host, "*") || (p.anyPort || p.below) && p.scheme != "" && p.standard == 0 {
		return p, append(faults, errWild)
	}
	if err := p.parseHost(host); err != nil {
		return p, append(faults, err)
	}
	// There are no subdomains of an address. One in IPv4 form ends in a number.
	last := p.name[strings.LastIndexByte(strings.TrimSuffix(p.name, "."), '.')+1:]
	address := strings.Trim(last, asciiDigits+".") == ""
	if p.anyPort && p.port != 0 || p.below && address {
		return p, append(faults, errWild)
	}
	if p.below {
		p.name = "." + p.name
	}
	return p, faults
}

func (o *origin) parseScheme(s string) error {
	if strings.Trim(s, asciiLetters+asciiDigits+"+-.") != "" || strings.TrimLeft(s, asciiLetters) == s {
		return errScheme
	}
	switch o.scheme = strings.ToLower(s); o.scheme {
	case "http", "ws":
		o.scheme, o.standard = "http", 80
	case "https", "wss":
		o.scheme, o.standard = "https", 443
	}
	return nil
}

// parseHost parses "host" and "host:port".
func (o *origin) parseHost(s string) (err error) {
	end := strings.IndexByte(s, ':')
	if strings.HasPrefix(s, "[") {
		end = strings.IndexByte(s, ']') + 1
		o.addr, err = netip.ParseAddr(s[1:max(1, end-1)])
		if err != nil || !o.addr.Is6() || o.addr.Zone() != "" {
			return errHost
		}
	} else {
		if end < 0 {
			end = len(s)
		}
		o.name = s[:end]
		if o.name == "" || o.name[0] == '.' || strings.Contains(o.name, "..") ||
			strings.Trim(o.name, asciiLetters+asciiDigits+"-_.") != "" {
			return errHost
		}
	}
	if s = s[end:]; s == "" {
		return nil
	}
	port, err := strconv.ParseUint(s[1:], 10, 16)
	if s[0] != ':' || err != nil || s[1] == '0' {
		return errPort
	}
	o.port = uint16(port)
	return nil
}
