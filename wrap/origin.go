package wrap

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// Origin returns a middleware that stops cross-site WebSocket hijacking: a
// foreign page that opens a session with its visitor's cookies. The host takes
// WebSockets from every Origin (engine/server.go:124 in v2.5.0), browsers do not
// apply CORS to them, and CSRF packages let GET pass. So whatever reads cookies
// in the handshake belongs behind this middleware.
//
// An Origin header must hold one value, "scheme://host[:port]", that has the
// host and port of the request (r.Host) or matches an entry of allow; "null"
// never passes. A port that is missing is the default of the Origin's scheme;
// ws and wss count as http and https. Behind a proxy that rewrites Host, the
// public origin must be an entry.
//
// A request without Origin passes unless it has a Sec-Fetch-Site other than
// "same-origin" and "none". This stops the cross-site <script> of a JSON-P
// client, whose answer would tell the session id to the foreign page. A request
// with neither header is taken for one that no browser sent.
//
// Entries are compared without regard to case:
//
//	https://app.example.com       this scheme, default port
//	https://app.example.com:8443
//	app.example.com               http or https, default port
//	app.example.com:8443          http or https
//	*.example.com                 one or more labels below, never example.com
//	http://localhost:*            any port
//	capacitor://localhost         other schemes: without wildcards only
//	*                             every well-formed origin, never "null"
//
// Write names outside ASCII as browsers send them ("xn--..."). The entry "*" is
// unsafe with cookies and all else that a browser adds by itself. Origin panics
// if entries are malformed; the text names them all.
//
// A refused client gets status 403 and the code "origin_denied"; the cause goes
// to the default slog logger alone, at level Debug. The middleware is safe for concurrent use.
//
// Three gaps remain. The scheme of the request is not known behind a proxy, so a
// page of http://example.com reaches https://example.com; HSTS prevents this.
// Browsers send Sec-Fetch-Site to https and localhost only, so over plain http
// the <script> passes; SameSite cookies prevent this. A foreign name whose DNS
// points here is its own host; a front end that knows its names prevents this.
func Origin(allow ...string) Middleware {
	p, err := newOriginPolicy(allow)
	if err != nil {
		panic("wrap: Origin: " + err.Error())
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := p.check(r); err != nil {
				refuse(w, r, http.StatusForbidden, &Error{Code: codeOrigin, Err: err})
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// originPolicy is the compiled form of the arguments of [Origin].
// It does not change after newOriginPolicy has returned it.
type originPolicy struct {
	all      bool
	patterns []originPattern
}

// newOriginPolicy compiles allow. Its error joins the faults of all entries.
func newOriginPolicy(allow []string) (*originPolicy, error) {
	p := &originPolicy{}
	var faults []error
	for _, entry := range allow {
		if entry == "*" {
			p.all = true
			continue
		}
		pattern, errs := compileOrigin(entry)
		for _, err := range errs {
			faults = append(faults, fmt.Errorf("invalid entry %q: %w", entry, err))
		}
		p.patterns = append(p.patterns, pattern)
	}
	return p, errors.Join(faults...)
}

var (
	errOriginNull   = errors.New(`origin "null" is never allowed`)
	errOriginScheme = errors.New("no valid scheme")
	errOriginHost   = errors.New("no valid host (ASCII labels or an IPv6 address in brackets), or something after it")
	errOriginPort   = errors.New("no valid port (1 to 65535), or something after it")
	errOriginWild   = errors.New(`wildcards are "*", a leftmost label ("*.example.com") and a port ("localhost:*") of http or https`)
)

// check decides on r and returns why it is refused. It does not answer it.
func (p *originPolicy) check(r *http.Request) error {
	values := r.Header["Origin"]
	if len(values) == 0 {
		for _, site := range r.Header["Sec-Fetch-Site"] {
			if site != "same-origin" && site != "none" {
				return fmt.Errorf("no Origin header, but Sec-Fetch-Site is %.100q", site)
			}
		}
		return nil
	}
	if len(values) > 1 {
		return errors.New("more than one Origin header")
	}
	if values[0] == "null" {
		return errOriginNull // any page can take it, in a sandboxed iframe
	}
	// Stricter than url.Parse: what these refuse, no browser sends.
	var o origin
	scheme, host, _ := strings.Cut(values[0], "://")
	if err := cmp.Or(o.parseScheme(scheme), o.parseHost(host)); err != nil {
		return fmt.Errorf("malformed origin %.100q: %w", values[0], err)
	}
	var self originPattern
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

const (
	asciiDigits  = "0123456789"
	asciiLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// origin is a parsed Origin header.
type origin struct {
	scheme   string     // lower case; http also for ws, https also for wss
	standard uint16     // default port of the scheme, 0 if not http or https
	name     string     // ASCII
	addr     netip.Addr // in place of name for IPv6, which has several spellings
	port     uint16     // 0 if not given
}

// originPattern is an origin in which an empty scheme stands for http and https.
type originPattern struct {
	origin
	below   bool // name is a suffix and starts with a dot
	anyPort bool
}

func (p *originPattern) match(o origin) bool {
	if p.scheme != o.scheme && (p.scheme != "" || o.standard == 0) {
		return false
	}
	if p.below {
		// Parsed names have no empty label: what is cut off is at least one.
		if len(o.name) <= len(p.name) {
			return false
		}
		o.name = o.name[len(o.name)-len(p.name):]
	}
	// EqualFold on ASCII only: it also takes the Kelvin sign for a k.
	if p.addr != o.addr || !strings.EqualFold(p.name, o.name) {
		return false
	}
	return p.anyPort || cmp.Or(p.port, o.standard) == cmp.Or(o.port, o.standard)
}

// compileOrigin parses an entry other than "*" and returns its faults.
func compileOrigin(entry string) (p originPattern, faults []error) {
	if strings.EqualFold(entry, "null") {
		return p, []error{errOriginNull}
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
		return p, append(faults, errOriginWild)
	}
	if err := p.parseHost(host); err != nil {
		return p, append(faults, err)
	}
	// Nothing is below an address. One in IPv4 form ends in a number.
	last := p.name[strings.LastIndexByte(strings.TrimSuffix(p.name, "."), '.')+1:]
	address := strings.Trim(last, asciiDigits+".") == ""
	if p.anyPort && p.port != 0 || p.below && address {
		return p, append(faults, errOriginWild)
	}
	if p.below {
		p.name = "." + p.name
	}
	return p, faults
}

func (o *origin) parseScheme(s string) error {
	if strings.Trim(s, asciiLetters+asciiDigits+"+-.") != "" || strings.TrimLeft(s, asciiLetters) == s {
		return errOriginScheme
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
			return errOriginHost
		}
	} else {
		if end < 0 {
			end = len(s)
		}
		o.name = s[:end]
		if o.name == "" || o.name[0] == '.' || strings.Contains(o.name, "..") ||
			strings.Trim(o.name, asciiLetters+asciiDigits+"-_.") != "" {
			return errOriginHost
		}
	}
	if s = s[end:]; s == "" {
		return nil
	}
	port, err := strconv.ParseUint(s[1:], 10, 16)
	if s[0] != ':' || err != nil || s[1] == '0' {
		return errOriginPort
	}
	o.port = uint16(port)
	return nil
}
