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
	"github.com/sioware/sioware/jwtauth/internal/jws"
	"github.com/zishang520/socket.io/v2/socket"
)

// Claims are the registered claims of RFC 7519, section 4.1. Use it where a token
// has no others, or embed it in a struct that has.
type Claims = jwt.RegisteredClaims

// ExpiryPolicy says what happens to a socket when its token expires.
type ExpiryPolicy int

// The policies of expiry.
const (
	// Disconnect tells the client code token_expired, by the event "kicked", and
	// disconnects it. State recovery cannot resume it. The default.
	Disconnect ExpiryPolicy = iota
	// Downgrade emits "auth:expired" and makes the socket a guest; a refresh makes
	// it the same user again. One in a namespace with [Auth.Require] is disconnected.
	//
	// Package presence asks once who a socket belongs to, at CONNECT: it goes on counting
	// the guest as the user, and sends it what is for the user's room. Where that must
	// not be, let Options.Changed call online.Leave(ctx, s, "") when after is nil. Who
	// refreshes then counts again with the next connection.
	Downgrade
	// Notify emits "auth:expired" and changes nothing. The client is trusted with
	// an identity that has run out. It needs ManyLogins: to a [Store] the login is
	// over at exp, and the next one would come in beside it.
	Notify
)

// Limits and defaults of [Options].
const (
	maxLeeway      = 5 * time.Minute
	maxLifetime    = 100 * 365 * 24 * time.Hour
	defaultWarning = time.Minute
	defaultKeep    = 400 * 24 * time.Hour // of revocations
)

// Options are what can be chosen. Its zero value, and nil, are strict.
type Options[C any] struct {
	// Sources are where tokens are looked for. All are read: where two hold
	// different tokens the client is refused, so that none is preferred. But once
	// the token that a connection was opened with has expired, CONNECT may bring
	// another one of the same user in an AuthField. Nil means AuthField("token") and
	// Bearer().
	Sources []Source

	// Guests admits clients that send no token. They have no identity. A token
	// that is not valid is refused with or without it.
	Guests bool

	// Verify has the last word about a token that is otherwise good: it looks the
	// user up, may fill in what the claims lack (fields with the tag json:"-"), and
	// may set Subject and Login. It returns [ErrDisabled] for a user that is unknown
	// or disabled; an error that is, or wraps, a *wrap.Error reaches the client as
	// that says, any other as code internal, one of a context as unavailable, with
	// the cause in the log. A panic is internal too, wherever it is called, with its
	// stack in the log. It runs when a socket connects, when a token is refreshed, and in
	// [Auth.Handler] and [Auth.Authenticate], concurrently, with a context that ends
	// after 10 seconds or when the client leaves (in Authenticate with the caller's).
	Verify func(ctx context.Context, id *Identity[C]) error

	// Algorithms narrows those that the keys allow. Nil means no further.
	Algorithms []string

	// Issuers and Audiences, if not nil, are the values of iss that are accepted,
	// and those of aud of which a token must have one. Empty strings are faults: an
	// environment variable that is not set must not disable a check.
	Issuers   []string
	Audiences []string

	// Required are names of further claims that a token must have, and not as null.
	Required []string

	// Leeway is how far the clocks of issuer and server may differ: 0 by default,
	// 5 minutes at most.
	Leeway time.Duration

	// MaxLifetime, if positive, is the longest time that exp may lie ahead, and after
	// iat. It also bounds how long revocations must be kept. Without it they are kept
	// 400 days, and a token that lives longer outlives its revocation; so does, with
	// it, one that lives longer and has no iat to show that.
	MaxLifetime time.Duration

	// InsecureNoExpiry accepts tokens without exp. They are good for ever.
	InsecureNoExpiry bool

	// OnExpiry is what happens at exp while a socket is connected.
	OnExpiry ExpiryPolicy

	// Warning is how long before exp the client gets "auth:expiring": a minute if
	// 0, never if negative, and half of what the token has left if that is less. It
	// comes up to half of that time later, so that clients that came together do
	// not all refresh at once.
	Warning time.Duration

	// Logins is how many logins a user may have. Policies other than ManyLogins
	// need tokens with a subject, and an OnExpiry other than Notify.
	Logins LoginPolicy

	// Store keeps revocations and logins. Nil means a [MemoryStore] of its own:
	// good for one process, and forgotten with it.
	Store Store

	// Origins are what [Cookie] accepts beside the server's own, as in
	// wrap.Origin: browsers send cookies along for any page.
	Origins []string

	// Changed is told when the identity of a connected socket has changed: by a
	// refresh, or to nil at exp under Downgrade. It is the place to leave and join
	// rooms. It is called in the background, for one socket one at a time; changes
	// that come meanwhile are told as one.
	Changed func(s *socket.Socket, before, after *Identity[C])

	// Logger gets what happens in the background, that keys or the Store are away (every
	// 10 seconds at most), and why clients are refused, at level Debug. Nil means
	// slog.Default().
	Logger *slog.Logger
}

// audit returns a copy of o with its defaults, and all its faults.
func (o *Options[C]) audit() (Options[C], error) {
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
		fault("Sources: none; nil means the default")
	}
	for i, s := range c.Sources {
		if err := s.check(); err != nil {
			fault("Sources: %w", err)
		} else if slices.Contains(c.Sources[:i], s) {
			fault("Sources: %s twice", s)
		}
	}
	if _, err := origin.New(c.Origins); err != nil {
		fault("Origins: %w", err)
	}
	for _, alg := range c.Algorithms {
		if !jws.Known(alg) {
			fault("Algorithms: %q is unknown or not safe", alg)
		}
	}
	if c.Algorithms != nil && len(c.Algorithms) == 0 {
		fault("Algorithms: none; nil means all that the keys allow")
	}
	for _, list := range []struct {
		name   string
		values *[]string
	}{{"Issuers", &c.Issuers}, {"Audiences", &c.Audiences}, {"Required", &c.Required}} {
		if *list.values != nil && len(*list.values) == 0 {
			fault("%s: empty; nil means that nothing is checked", list.name)
		}
		if slices.Contains(*list.values, "") {
			fault("%s: empty string", list.name)
		}
		*list.values = slices.Clone(*list.values)
	}
	c.Algorithms = slices.Clone(c.Algorithms)
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
		fault("Store: a nil %T", c.Store) // or New would panic
	} else if c.Store == nil {
		c.Store = NewMemoryStore()
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, errors.Join(faults...)
}
