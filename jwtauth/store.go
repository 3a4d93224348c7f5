package jwtauth

import (
	"context"
	"time"
)

// Store remembers revocations and, under a [LoginPolicy], each user's login.
// It never sees a token. [NewMemoryStore] serves one process; package redisstore
// serves many. Package jwtauthtest has the tests that every Store must pass.
//
// A Store is safe for concurrent use and honors the context. An error means that
// it could not answer: the client is refused with code unavailable, and the
// verdict returned with the error means nothing, but is never Admitted.
type Store interface {
	// Admit decides whether the bearer of a verified token may connect. Under
	// [NewestLogin] and [OldestLogin] it also makes l the login of its user, if
	// that is the verdict, in one step with the decision.
	Admit(ctx context.Context, l Login) (Verdict, error)

	// Revoke remembers r until r.Until, for Admit on every node, and then tells
	// those who watch. Of two revocations of one subject the later Before and the
	// later Until count.
	Revoke(ctx context.Context, r Revocation) error

	// Watch calls f, one call at a time, for what any node has changed, including
	// this one, until stop is called; f must not block. Nothing that happens
	// after Watch has returned is missed silently: a Store that may have lost
	// changes calls f with the zero Change.
	Watch(f func(Change)) (stop func())
}

// Login is a verified token as a [Store] sees it.
type Login struct {
	ID        string    // of the token; see [Identity]
	Issuer    string    // iss, or ""
	Subject   string    // see [Identity]; never "" under a policy other than ManyLogins
	Name      string    // of the login, which may have several; see Replaces
	IssuedAt  time.Time // zero if the token has no iat
	ExpiresAt time.Time // zero if it does not expire

	// Until is how long a Store needs to remember the login: the time after which
	// the token is refused anyway. It is never zero.
	Until time.Time

	Policy LoginPolicy

	// Replaces is the name that the login had before, if a token is being refreshed,
	// otherwise "". If it is one of the names of the user's login, Name is added to them,
	// and no change is reported; if it was replaced, Name is replaced too; otherwise the
	// login is judged like any other. A login keeps each name until the latest Until that
	// came with it. A token with one of these names is Admitted, unless it is revoked,
	// whenever it was issued.
	Replaces string
}

// Verdict is what a [Store] decides about a [Login].
type Verdict int

// The verdicts, in order of precedence: a revoked token is Revoked whatever else it is.
const (
	// Admitted: neither revoked nor replaced, and now the login of its user.
	Admitted Verdict = iota
	// Revoked by its ID, or by its subject and the time of its issue: a token
	// without that time counts as issued long ago.
	Revoked
	// Replaced by a newer login of the user, under [NewestLogin]. A login is
	// newer if its token was issued later or, within one time of issue, if it
	// came later; what has been replaced stays so. A login that has ended never
	// replaces one that lasts. Of the tokens of one login the newest counts; all its
	// names are replaced together.
	Replaced
	// Occupied by an older login of the user, which has neither expired nor been
	// revoked, under [OldestLogin].
	Occupied
)

// LoginPolicy says how many logins a user may have at a time. A login is not a
// connection: all sockets with one token, or with tokens of one session (the claim sid),
// are one login. So are, after auth:refresh, the old token and the new one: a browser
// tab may go on with the old one, or refresh it to yet another. A token from a second
// sign-in, rather than from auth:refresh, is another login, unless it has the same sid.
//
// A login ends at the last exp of its tokens. Policies other than ManyLogins hold only
// if its sockets end then too, or become guests: [New] refuses them with [Notify].
type LoginPolicy int

// The login policies.
const (
	// ManyLogins: as many as there are valid tokens. This is the default.
	ManyLogins LoginPolicy = iota
	// NewestLogin: a newer login ends the older one, whose sockets are told code
	// replaced, on all nodes, and which stays out.
	NewestLogin
	// OldestLogin: while a login lasts, until the last of its tokens expires or the
	// newest is revoked, another one is refused with code too_many_connections.
	OldestLogin
)

// Revocation says which tokens are revoked, and for how long that is
// remembered. [ByID], [BySubject] and [IssuedBefore] return one.
type Revocation struct {
	ID      string    // the token's, or "" if it is by subject
	Subject string    // the user's, of whatever issuer
	Before  time.Time // by subject: tokens that were issued before

	// Until is when the last of these tokens has expired. Zero means as long as
	// a token may live: Options.MaxLifetime, or 400 days.
	Until time.Time
}

// ByID revokes the token with the given [Identity].ID, which is its jti if it has one. Set
// Until to its ExpiresAt if you know it, so that the entry is not kept longer than needed.
func ByID(id string) Revocation { return Revocation{ID: id} }

// BySubject revokes every token that subject has now: all that were issued up to
// the end of the current second, since most iat claims have whole seconds. A user
// who signs in again within that second is revoked as well: let the sign-in wait
// until Before of the result. The clock is this server's: for tokens of an issuer
// whose clock is ahead use [IssuedBefore].
func BySubject(subject string) Revocation {
	return IssuedBefore(subject, time.Now().Truncate(time.Second).Add(time.Second))
}

// IssuedBefore revokes the tokens of subject that were issued before t, and
// those without a time of issue.
func IssuedBefore(subject string, t time.Time) Revocation {
	return Revocation{Subject: subject, Before: t}
}

// Change is what a [Store] tells its watchers: a revocation, or that a user's login
// has been replaced. In the zero Change neither is set: anything may have changed.
type Change struct {
	Revocation Revocation // if its ID or Subject is not ""
	Login      Login      // the login that is now the only one, if its Subject is not ""
}
