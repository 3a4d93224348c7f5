package jwtauth

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/zishang520/socket.io/v2/socket"
)

// scrubSocket removes the tokens from what belongs to s alone: its handshake,
// which adapters ship to other nodes, and its copy of the request.
func scrubSocket(sources []Source, s *socket.Socket, r *http.Request) {
	scrubRequest(sources, r)
	h := s.Handshake()
	for _, src := range sources {
		switch src.kind {
		case authField:
			switch auth := h.Auth.(type) {
			case map[string]any:
				delete(auth, src.name)
			case url.Values:
				delete(auth, src.name)
			case map[string][]string:
				delete(auth, src.name)
			}
		case query:
			delete(h.Query, src.name)
			h.Url = withoutQuery(h.Url, src.name)
		default:
			for name, values := range h.Headers {
				if clean := src.scrubHeader(http.CanonicalHeaderKey(name), values); len(clean) > 0 {
					h.Headers[name] = clean
				} else {
					delete(h.Headers, name)
				}
			}
		}
	}
}

// scrubRequest removes the tokens from r, which is our own copy.
func scrubRequest(sources []Source, r *http.Request) {
	for _, src := range sources {
		if src.kind == query {
			r.URL.RawQuery = withoutParameter(r.URL.RawQuery, src.name)
			r.RequestURI = withoutQuery(r.RequestURI, src.name)
			delete(r.Form, src.name) // what is in front may have read it
			continue
		}
		for name, values := range r.Header {
			if clean := src.scrubHeader(name, values); len(clean) > 0 {
				r.Header[name] = clean
			} else {
				delete(r.Header, name)
			}
		}
	}
}

// scrubHeader returns the values of a header without what s reads.
func (s Source) scrubHeader(name string, values []string) []string {
	var keep func(part string) bool
	separator := ","
	switch {
	case s.kind == header && s.name == name:
		return nil
	case s.kind == bearer && name == authorization:
		keep = func(v string) bool { _, bearer := cutScheme(v); return !bearer && !joined(v) }
		separator = "" // a value is one part
	case s.kind == subprotocol && name == "Sec-Websocket-Protocol":
		keep = func(p string) bool { return !strings.HasPrefix(p, protocolPrefix) }
	case s.kind == cookie && name == "Cookie":
		separator = ";"
		keep = func(c string) bool { n, _, _ := strings.Cut(c, "="); return strings.TrimSpace(n) != s.name }
	default:
		return values
	}
	var clean []string
	for _, v := range values {
		parts := []string{v}
		if separator != "" {
			parts = strings.Split(v, separator)
		}
		kept := parts[:0]
		for _, p := range parts {
			if p = strings.TrimSpace(p); p != "" && keep(p) {
				kept = append(kept, p)
			}
		}
		if len(kept) > 0 {
			clean = append(clean, strings.Join(kept, separator+" "))
		}
	}
	return clean
}

// withoutQuery returns a URL or request URI without a parameter.
func withoutQuery(uri, name string) string {
	path, raw, ok := strings.Cut(uri, "?")
	if !ok {
		return uri
	}
	return path + "?" + withoutParameter(raw, name)
}

// withoutParameter returns a query without a parameter, however its name is
// encoded, and leaves the rest as it is. What cannot be decoded is removed too:
// another reader may take it for the parameter.
func withoutParameter(raw, name string) string {
	kept := make([]string, 0, 8)
	for pair := range strings.SplitSeq(raw, "&") {
		key, _, _ := strings.Cut(pair, "=")
		if k, err := url.QueryUnescape(key); err == nil && k != name && !strings.Contains(pair, ";") {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "&")
}
