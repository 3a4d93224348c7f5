package jwtauth

import "time"

// Identity says who a socket belongs to, according to a token. It is shared by all
// readers and never changes: a refresh replaces it with another one.
type Identity[C any] struct {
	// Claims are the token's claims, decoded into C.
	Claims C

	// Subject is sub, or what Options.Verify set; "" if there is none.
	Subject string

	// Issuer is iss, or "".
	Issuer string

	// ID names the token: its jti or, if it has none, "sha256-" and a hash of what
	// was signed.
	ID string

	// Login names the login that the token belongs to: the claim sid of OpenID
	// Connect, what Options.Verify has set, or ID.
	Login string

	// IssuedAt and ExpiresAt are iat and exp, in whole seconds, or zero.
	IssuedAt, ExpiresAt time.Time

	// Source is where the token was found.
	Source string
}

// expired reports whether the identity has expired at now.
func (id *Identity[C]) expired(now time.Time, leeway time.Duration) bool {
	return !id.ExpiresAt.IsZero() && !now.Before(id.ExpiresAt.Add(leeway))
}
