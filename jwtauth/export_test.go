package jwtauth

import (
	"net/http"

	"github.com/zishang520/socket.io/v2/socket"
)

// Indexed returns how many sessions can be found by a revocation.
func Indexed[C any](a *Auth[C]) int { return len(a.index.all()) }

// Armed returns how many alarms are set.
func Armed[C any](a *Auth[C]) int { return a.clock.Len() }

// Find returns the token that a client has sent.
func Find(sources []Source, auth any, r *http.Request) (string, error) {
	token, _, err := find(sources, auth, r)
	return token, err
}

// Scrub takes the tokens out of r.
var Scrub = scrubRequest

// Sessions returns n sessions with the identity id, indexed and armed.
func Sessions[C any](a *Auth[C], n int, id *Identity[C]) (keep []any) {
	s := new(socket.Socket) // it is never told anything
	for range n {
		one := *id
		x := newSession(a, s, &one)
		a.index.add(x, &one)
		x.start()
		keep = append(keep, x)
	}
	return append(keep, s)
}
