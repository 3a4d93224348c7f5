package jwtauth

import "net/http"

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
