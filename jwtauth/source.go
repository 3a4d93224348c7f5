package jwtauth

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// Source is a place in the connection where a client may put its token. Sources
// are comparable.
type Source struct {
	kind sourceKind
	name string
}

type sourceKind int

const (
	authField sourceKind = iota + 1
	bearer               // the header Authorization
	header
	cookie
	query
	subprotocol
	refreshed // not a place to look: the event auth:refresh
)

// The scheme of the credentials in Authorization (RFC 6750, section 2.1).
const (
	authorization = "Authorization"
	scheme        = "Bearer"
)

// protocolPrefix marks the subprotocol that carries the token.
const protocolPrefix = "bearer."

// AuthField is a field in the payload that a client sends with each CONNECT:
//
//	io(url, {auth: {token: "..."}})
//
// It is not in any URL, header or access log, and a client can change it for the
// next attempt: the best place. A "Bearer " in front of the token is ignored.
func AuthField(name string) Source { return Source{authField, name} }

// Bearer is the Authorization header with the scheme Bearer (RFC 6750), which
// browsers can set over long-polling only (extraHeaders). A single header with
// another scheme is left to others. Two Authorization headers are refused as
// token_invalid, whatever their schemes: which of them did the proxy in front look
// at? So is one that was joined from two, if a Bearer follows the comma.
func Bearer() Source { return Source{bearer, authorization} }

// Header is a header of its own, such as "X-Auth-Token", whose whole value is the
// token. It cannot be Authorization, which puts a scheme in front: that is [Bearer].
func Header(name string) Source { return Source{header, http.CanonicalHeaderKey(name)} }

// Cookie is a cookie. Browsers add it to requests that any page makes, so the
// Origin is checked too (see Options.Origins); a foreign page is refused with code
// origin_denied. A cookie whose value cannot be read is refused as token_invalid.
func Cookie(name string) Source { return Source{cookie, name} }

// Query is a parameter of the URL. URLs end up in access logs, proxies and error reports
// long before this package can remove the token: use it only for clients that cannot do
// otherwise. A parameter whose value cannot be read is refused as token_invalid.
func Query(name string) Source { return Source{query, name} }

// Subprotocol is an entry "bearer.<token>" in the Sec-WebSocket-Protocol
// header, which browsers can set over WebSocket:
//
//	io(url, {transports: ["websocket"], protocols: ["socket.io", "bearer." + token]})
//
// Browsers fail a connection whose offer is not answered: [Auth.Handler] answers
// with the first entry that is not the token, so the client must offer one.
func Subprotocol() Source { return Source{subprotocol, ""} }

// String describes the source for logs.
func (s Source) String() string {
	switch s.kind {
	case authField:
		return "auth." + s.name
	case bearer, header:
		return "header " + s.name
	case cookie:
		return "cookie " + s.name
	case query:
		return "query " + s.name
	case subprotocol:
		return "subprotocol"
	case refreshed:
		return "auth:refresh"
	}
	return "none"
}

func (s Source) check() error {
	switch {
	case s.kind == 0:
		return errors.New("zero Source")
	case s.name == "" && s.kind != subprotocol:
		return fmt.Errorf("%sneeds a name", s)
	case s == Header(authorization):
		return fmt.Errorf("%s has a scheme in front of the token: use Bearer()", s)
	}
	return nil
}

var errMalformed = errors.New("not a single token")

// read returns the tokens that s holds.
func (s Source) read(auth any, r *http.Request) (tokens []string, err error) {
	switch s.kind {
	case authField:
		return s.readAuth(auth)
	case header:
		return r.Header[s.name], nil
	case bearer:
		values := r.Header[authorization]
		if len(values) > 1 {
			return nil, errMalformed // which one did the proxy in front of us see?
		}
		for _, v := range values {
			if joined(v) {
				return nil, errMalformed // two headers in one
			}
			if token, ok := cutScheme(v); ok {
				tokens = append(tokens, token)
			}
		}
	case cookie:
		for _, c := range r.CookiesNamed(s.name) {
			tokens = append(tokens, c.Value)
		}
		if len(tokens) != cookies(r, s.name) {
			return nil, errMalformed // net/http drops what it cannot read; others may read it
		}
	case query:
		tokens = r.URL.Query()[s.name]
		if len(tokens) != parameters(r.URL.RawQuery, s.name) {
			return nil, errMalformed // as with cookies
		}
	case subprotocol:
		for _, p := range protocols(r) {
			if token, ok := strings.CutPrefix(p, protocolPrefix); ok {
				tokens = append(tokens, token)
			}
		}
	}
	return tokens, nil
}

// readAuth reads the payload of CONNECT, which is an object in protocol 5, and
// the query of the namespace in protocol 4.
func (s Source) readAuth(auth any) (tokens []string, err error) {
	switch auth := auth.(type) {
	case map[string]any:
		switch v := auth[s.name].(type) {
		case nil:
		case string:
			tokens = []string{v}
		default:
			return nil, errMalformed
		}
	case url.Values:
		tokens = slices.Clone(auth[s.name])
	case map[string][]string:
		tokens = slices.Clone(auth[s.name])
	}
	for i, v := range tokens {
		if token, ok := cutScheme(v); ok {
			tokens[i] = token
		}
	}
	return tokens, nil
}

// cutScheme returns what follows the scheme, which is case-insensitive (RFC
// 9110, section 11.1). A tab is not a separator, but with one the scheme is
// still meant: a tab must not make a token invisible.
func cutScheme(v string) (token string, ok bool) {
	if len(v) < len(scheme) || !strings.EqualFold(v[:len(scheme)], scheme) {
		return "", false
	}
	token = strings.TrimLeft(v[len(scheme):], " \t")
	return token, token == "" || len(token) < len(v)-len(scheme)
}

// joined reports whether an Authorization value has Bearer credentials after a comma,
// as when a proxy has made one header of two (RFC 9110, section 5.3). Inside a quoted
// string of another scheme's parameters they are only text, unless the string does not
// end: who knows where others see its end?
func joined(v string) bool {
	quoted, inside := false, false
	for i := 0; i < len(v); i++ {
		switch v[i] {
		case '\\':
			if quoted {
				i++
			}
		case '"':
			quoted, inside = !quoted, false
		case ',':
			if _, ok := cutScheme(strings.TrimLeft(v[i+1:], " \t")); !ok {
				continue
			}
			if !quoted {
				return true
			}
			inside = true
		}
	}
	return inside
}

// cookies returns how many cookies of r are called name, whether or not their values
// can be read.
func cookies(r *http.Request, name string) (n int) {
	for _, line := range r.Header["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			if key, _, _ := strings.Cut(part, "="); textproto.TrimString(key) == name {
				n++
			}
		}
	}
	return n
}

// parameters returns how many parameters of a query are called name, whether or
// not their values can be read.
func parameters(raw, name string) (n int) {
	for pair := range strings.SplitSeq(raw, "&") {
		key, _, _ := strings.Cut(pair, "=")
		if k, err := url.QueryUnescape(key); err == nil && k == name {
			n++
		}
	}
	return n
}

// protocols returns the subprotocols that a WebSocket client offers.
func protocols(r *http.Request) (offered []string) {
	for _, line := range r.Header["Sec-Websocket-Protocol"] {
		for p := range strings.SplitSeq(line, ",") {
			offered = append(offered, strings.TrimSpace(p))
		}
	}
	return offered
}

var errAmbiguous = errors.New("different tokens in one request")

// found is a token and where it was.
type found struct {
	token string
	from  Source
}

// find returns the token that a client sent with CONNECT, and the one that it opened
// its connection with; "" where there is none. Within each of the two, the sources must
// agree: whoever can add a second token to a request must not choose which one counts.
func find(sources []Source, auth any, r *http.Request) (late, early found, err error) {
	for _, s := range sources {
		values, err := s.read(auth, r)
		if err != nil {
			return found{}, found{}, fmt.Errorf("%s: %w", s, err)
		}
		to := &early
		if s.kind == authField {
			to = &late
		}
		for _, v := range values {
			switch {
			case v == "" || v == to.token:
			case to.token != "":
				return found{}, found{}, fmt.Errorf("%s: %w", s, errAmbiguous)
			default:
				*to = found{v, s}
			}
		}
	}
	return late, early, nil
}
