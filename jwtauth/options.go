package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/internal/nilptr"
	"github.com/sioware/sioware/internal/origin"
	"github.com/sioware/sioware/internal/unit"
	"github.com/sioware/sioware/jwtauth/internal/jws"
	"github.com/zishang520/socket.io/v2/socket"
)

// Claims are the registered claims of RFC 7519, section 4.1. Use it where a token
// has no others, or embed it in a struct that has.
type Claims = jwt.RegisteredClaims

// ExpiryPolicy says what happens to a socket when its token expires.
type ExpiryPolicy int

// The expiry policies.
const (
	// Disconnect sends the client the code token_expired in the event "kicked",
	// and disconnects it. State recovery cannot resume it. This is the default.
	Disconnect ExpiryPolicy = iota
	// Downgrade emits "auth:expired" and makes the socket a guest; a refresh makes it the
	// same user again. A socket in a namespace with [Auth.Require] is disconnected.
	//
	// Package presence asks only once who a socket belongs to, at CONNECT: it goes on
	// counting the guest as the user, and the guest still gets what is sent to the user's
	// room. Where that must not be, let Options.Changed call online.Leave(ctx, s, "") when
	// after is nil. After a refresh, the client counts again with its next connection.
	Downgrade
	// Notify emits "auth:expired" and changes nothing: the client is trusted with
	// an expired identity. It requires ManyLogins: to a [Store] the login is over
	// at exp, and the next one would be admitted beside it.
	Notify
)

// Limits and defaults of [Options].
const (
	maxLeeway      = 5 * time.Minute
	maxLifetime    = 100 * 365 * 24 * time.Hour
	defaultWarning = time.Minute
	defaultKeep    = 400 * 24 * time.Hour // of revocations
)

// Options configure an [Auth]. The zero value, and nil, are strict.
type Options[C any] struct {
	// Sources are where tokens are looked for. All are read: if two hold different
	// tokens the client is refused, so that none takes precedence. But once the token
	// that a connection was opened with has expired, CONNECT may bring another one of
	// the same user in an AuthField. Nil means AuthField("token") and Bearer().
	Sources []Source

	// Guests admits clients that send no token. They have no identity. An
	// invalid token is refused either way.
	Guests bool

	// Verify has the last word on a token that is otherwise good: it looks the user up,
	// may fill in what the claims lack (fields tagged json:"-"), and may set Subject and
	// Login. It returns [ErrDisabled] for a user that is unknown or disabled. An error
	// that is, or wraps, a *wrap.Error reaches the client as that says; any other error
	// has code internal, or unavailable if it is a context error, and its cause goes to
	// the log. A panic is internal too, wherever Verify is called, and its stack goes to
	// the log. Verify runs when a socket connects, when a token is refreshed, and in
	// [Auth.Handler] and [Auth.Authenticate], concurrently, with a context that ends after
	// 10 seconds or when the client leaves (in Authenticate, with the caller's context).
	Verify func(ctx context.Context, id *Identity[C]) error

	// Algorithms restricts the algorithms that the keys allow. Nil means no restriction.
	Algorithms []string

	// Issuers and Audiences, if not nil, are the accepted values of iss, and the
	// values of aud of which a token must have one. Empty strings are faults: an
	// environment variable that is not set must not disable a check.
	Issuers   []string
	Audiences []string

	// Required names further claims that a token must have, with a value other than null.
	Required []string

	// Leeway is how far the clocks of issuer and server may differ: 0 by default,
	// 5 minutes at most.
	Leeway time.Duration

	// MaxLifetime, if positive, is how far exp may lie ahead of now, and of iat. It
	// also bounds how long revocations must be kept. Without it they are kept for 400
	// days, and a token that lives longer outlives its revocation; with it, so does
	// one that lives longer and has no iat to show that.
	MaxLifetime time.Duration

	// InsecureNoExpiry accepts tokens without exp. They are valid forever.
	InsecureNoExpiry bool

	// OnExpiry says what happens to a connected socket at exp.
	OnExpiry ExpiryPolicy

	// Warning is how long before exp the client gets "auth:expiring": a minute if
	// 0, never if negative, and half of the token's remaining time if that is less.
	// The event comes up to half of that time later, so that clients that connected
	// together do not all refresh at once.
	Warning time.Duration

	// Logins is how many logins a user may have. Policies other than ManyLogins
	// need tokens with a subject, and an OnExpiry other than Notify.
	Logins LoginPolicy

	// Store keeps revocations and logins. Nil means a new [MemoryStore], which
	// serves one process and is lost with it.
	Store Store

	// Origins are the origins that [Cookie] accepts besides the server's own,
	// as in wrap.Origin: browsers send cookies along for any page.
	Origins []string

	// Changed is called when the identity of a connected socket has changed: after
	// a refresh, or to nil at exp under Downgrade. It is the place to leave and
	// join rooms. It is called in the background, one call at a time for each
	// socket; changes that come during a call are reported as one.
	Changed func(s *socket.Socket, before, after *Identity[C])

	// Logger gets what happens in the background, outages of keys or the Store (every 10
	// seconds at most), and why clients are refused, at level Debug. Nil means slog.Default().
	Logger *slog.Logger
}

// audit returns a copy of o with its defaults set, the policy of its Origins, and all its
// faults.
func (o *Options[C]) audit() (Options[C], *origin.Policy, error) {
	var c Options[C]
	if o != nil {
		c = *o
	}
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("jwtauth: "+format, args...))
	}

	c.Sources = slices.Clone(c.Sources)
	if c.Sources == nil {
		c.Sources = []Source{AuthField("token"), Bearer()}
	}
	if len(c.Sources) == 0 {
		fault("Sources: empty; nil means the default")
	}
	for i, s := range c.Sources {
		if err := s.check(); err != nil {
			fault("Sources: %w", err)
		} else if slices.Contains(c.Sources[:i], s) {
			fault("Sources: %s is listed twice", s)
		}
	}
	origins, err := origin.New(c.Origins)
	if err != nil {
		fault("Origins: %w", err)
	}
	for _, alg := range c.Algorithms {
		if !jws.Known(alg) {
			fault("Algorithms: %q is unknown or not safe", alg)
		}
	}
	if c.Algorithms != nil && len(c.Algorithms) == 0 {
		fault("Algorithms: empty; nil means all that suit the keys")
	}
	for _, list := range []struct {
		name   string
		values *[]string
	}{{"Issuers", &c.Issuers}, {"Audiences", &c.Audiences}, {"Required", &c.Required}} {
		if *list.values != nil && len(*list.values) == 0 {
			fault("%s: empty; nil means not checked", list.name)
		}
		if slices.Contains(*list.values, "") {
			fault("%s: empty string", list.name)
		}
		*list.values = slices.Clone(*list.values)
	}
	c.Algorithms = slices.Clone(c.Algorithms)
	for _, err := range []error{unit.Check("Leeway", c.Leeway), unit.Check("MaxLifetime", c.MaxLifetime), unit.Check("Warning", c.Warning)} {
		if err != nil {
			fault("%w", err)
		}
	}
	if c.Leeway < 0 || c.Leeway > maxLeeway {
		fault("Leeway: %v is not between 0 and %v", c.Leeway, maxLeeway)
	}
	if c.MaxLifetime < 0 || c.MaxLifetime > maxLifetime {
		fault("MaxLifetime: %v is not between 0 and 100 years", c.MaxLifetime)
	}
	if c.InsecureNoExpiry && c.MaxLifetime > 0 {
		fault("InsecureNoExpiry contradicts MaxLifetime")
	}
	if c.OnExpiry < Disconnect || c.OnExpiry > Notify {
		fault("OnExpiry: unknown policy %d", c.OnExpiry)
	}
	if c.Logins < ManyLogins || c.Logins > OldestLogin {
		fault("Logins: unknown policy %d", c.Logins)
	}
	if c.OnExpiry == Notify && (c.Logins == NewestLogin || c.Logins == OldestLogin) {
		fault("OnExpiry: Notify contradicts Logins: the sockets of a login would outlast it")
	}
	if c.Warning == 0 {
		c.Warning = defaultWarning
	}
	if nilptr.Is(c.Store) {
		fault("Store: a nil %T", c.Store) // New would panic otherwise
	} else if c.Store == nil {
		c.Store = NewMemoryStore()
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, origins, errors.Join(faults...)
}
