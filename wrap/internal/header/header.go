// Package header merges and filters the headers of a response, some of which come from
// the middlewares and some from the engine.
package header

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
)

// Merge adds the headers of src to dst: a list gets the values that it lacks, anything
// else is replaced. The values belong to dst from then on.
func Merge(dst, src http.Header) {
	for k, vs := range src {
		if len(vs) == 0 {
			continue
		}
		// Engine hides cookies from the host by spelling them differently.
		if k = http.CanonicalHeaderKey(k); k != "Set-Cookie" && k != "Vary" {
			dst[k] = vs
			continue
		}
		for _, v := range vs {
			if !slices.Contains(dst[k], v) {
				// Clipped, since middlewares share slices (rs/cors does).
				dst[k] = append(slices.Clip(dst[k]), v)
			}
		}
	}
}

// Unsaid removes from head what the response p already contains, because a middleware of
// the engine, or of a Handler nested in this one, has set it too. Lists are treated as in
// [Merge].
func Unsaid(head http.Header, p []byte) {
	for k, vs := range head {
		line := "\r\n" + k + ": "
		switch {
		case !bytes.Contains(p, []byte(line)):
		case k != "Set-Cookie" && k != "Vary":
			delete(head, k)
		default: // the values are head's own; see [Upgrade]
			head[k] = slices.DeleteFunc(vs, func(v string) bool { return bytes.Contains(p, []byte(line+v+"\r\n")) })
		}
	}
}

// Protocol is the header of WebSocket subprotocols.
const Protocol = "Sec-Websocket-Protocol"

// Offered returns the WebSocket subprotocols that the client offers. Call it before a
// middleware changes the request: one that takes a token from this header may remove it
// there.
func Offered(r *http.Request) (protocols []string) {
	for _, v := range r.Header[Protocol] {
		for p := range strings.SplitSeq(v, ",") {
			protocols = append(protocols, strings.TrimSpace(p))
		}
	}
	return protocols
}

// Upgrade returns the headers of hs that may be sent in a 101 response. Hop-by-hop
// headers would break the handshake, and a 101 has no body to describe. A subprotocol is
// kept if it is one of those offered: clients fail on any other, and Chrome fails if it
// offers some and none is chosen (RFC 6455, section 4.1).
func Upgrade(offered []string, hs ...http.Header) http.Header {
	out := make(http.Header)
	for _, h := range hs {
		for k, vs := range h {
			key := http.CanonicalHeaderKey(k)
			if _, ok := out[k]; ok || len(vs) == 0 || notInUpgrade[key] {
				continue
			}
			if key == Protocol {
				if len(vs) != 1 || vs[0] == "" || !slices.Contains(offered, vs[0]) {
					continue
				}
				k = key // where gorilla looks for it
			}
			out[k] = slices.Clone(vs)
		}
	}
	return out
}

var notInUpgrade = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true, "Trailer": true,
	"Transfer-Encoding": true, "Upgrade": true,
	"Sec-Websocket-Accept": true, "Sec-Websocket-Extensions": true,
	"Sec-Websocket-Key": true, "Sec-Websocket-Version": true,
	"Content-Length": true, "Content-Encoding": true, "Content-Type": true, "Content-Range": true,
}
