package jwtauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sioware/sioware/jwtauth/internal/jws"
	"github.com/sioware/sioware/wrap"
)

// timeout bounds what no middleware of wrap does: other verifications, and how long Revoke
// waits for listeners.
const timeout = 10 * time.Second

// checked is a token whose signature and claims are good. Once Handler has put it into a
// context it no longer holds the token.
type checked struct {
	claims  jws.Claims
	payload []byte // the claims as JSON; at first they share memory with the token
	id      string
	from    Source
	hash    [sha256.Size]byte // of the whole token, to tell it from another one; set by seek
}

var (
	errSignature = errors.New("no key verifies the signature")
	errNoExpiry  = errors.New("no exp")
	errFar       = errors.New("exp is more than MaxLifetime after now or iat")
	errNotYet    = errors.New("not valid yet")
	errFuture    = errors.New("issued in the future")
	errSubject   = errors.New("no subject")
)

// check verifies a token on its own: syntax, signature, claims.
func (a *Auth[C]) check(ctx context.Context, token string, from Source) (*checked, error) {
	t, err := jws.Parse(token)
	if err != nil {
		return nil, refusal(ErrInvalid, err)
	}
	if err := a.checkSignature(ctx, t); err != nil {
		return nil, err
	}
	c := &checked{payload: t.Payload(), from: from}
	if c.claims, err = jws.ParseClaims(c.payload, a.shape, a.opts.Required); err != nil {
		return nil, refusal(ErrInvalid, err)
	}
	if c.id = c.claims.ID; c.id == "" {
		// Not a hash of the whole token: an ECDSA signature has two spellings.
		hash := t.Hash()
		c.id = "sha256-" + base64.RawURLEncoding.EncodeToString(hash[:])
	}
	return c, a.checkClaims(&c.claims, time.Now())
}

// checkSignature verifies the signature of t.
func (a *Auth[C]) checkSignature(ctx context.Context, t *jws.Token) error {
	h := Unverified{Algorithm: t.Header.Algorithm, KeyID: t.Header.KeyID}
	if a.opts.Algorithms != nil && !slices.Contains(a.opts.Algorithms, h.Algorithm) {
		return refusal(ErrInvalid, fmt.Errorf("algorithm %.20q not allowed", h.Algorithm))
	}
	if _, fixed := a.keys.(*fixed); !fixed || a.opts.Issuers != nil {
		h.Issuer = t.Issuer()
	}
	if a.opts.Issuers != nil && !slices.Contains(a.opts.Issuers, h.Issuer) {
		return refusal(ErrInvalid, issuerFault(h.Issuer)) // before any key is fetched
	}
	keys, err := a.keys.Find(ctx, h)
	if err != nil {
		var e *wrap.Error
		if errors.As(err, &e) {
			return err
		}
		return refusal(ErrUnavailable, err)
	}
	var fault error
	for _, k := range keys {
		if !k.key.Allows(h.Algorithm) {
			continue
		}
		if t.Verify(k.key) == nil {
			return nil
		}
		fault = errSignature
	}
	if fault == nil {
		fault = fmt.Errorf("no key for kid %.100q, alg %.20q", h.KeyID, h.Algorithm)
	}
	return refusal(ErrInvalid, fault)
}

// checkClaims judges the claims at now. It reports a token as expired only if it is
// good otherwise.
func (a *Auth[C]) checkClaims(c *jws.Claims, now time.Time) error {
	expires := time.Unix(c.ExpiresAt, 0)
	var fault error
	switch {
	case a.opts.Issuers != nil && !slices.Contains(a.opts.Issuers, c.Issuer):
		fault = issuerFault(c.Issuer)
	case a.opts.Audiences != nil && !slices.ContainsFunc(c.Audience, func(s string) bool { return slices.Contains(a.opts.Audiences, s) }):
		fault = fmt.Errorf("audience %.100q not accepted", strings.Join(c.Audience, " "))
	case !c.HasExpiresAt && !a.opts.InsecureNoExpiry:
		fault = errNoExpiry
	case c.HasNotBefore && now.Add(a.opts.Leeway).Before(time.Unix(c.NotBefore, 0)):
		fault = errNotYet
	case c.HasIssuedAt && now.Add(a.opts.Leeway).Before(time.Unix(c.IssuedAt, 0)):
		fault = errFuture // it would escape revocation by time
	case a.opts.MaxLifetime > 0 && a.tooLong(c, expires, now):
		fault = errFar
	case c.HasExpiresAt && !now.Before(expires.Add(a.opts.Leeway)):
		return refusal(ErrExpired, nil)
	default:
		return nil
	}
	return refusal(ErrInvalid, fault)
}

// issuerFault says which issuer it was: often the expected one, except for a slash.
func issuerFault(got string) error { return fmt.Errorf("issuer %.100q not accepted", got) }

// tooLong reports whether a token lives longer than MaxLifetime. Comparing exp with now
// would be enough, but for a token that is first seen late: when little of its life is
// left, a revocation that was kept for MaxLifetime may be long forgotten. An iat in
// whole seconds is up to a second too early.
func (a *Auth[C]) tooLong(c *jws.Claims, expires, now time.Time) bool {
	longest := a.opts.MaxLifetime + a.opts.Leeway
	return expires.After(now.Add(longest)) || c.HasIssuedAt && expires.Sub(time.Unix(c.IssuedAt+1, 0)) >= longest
}

// identify makes an identity of c and lets the application judge it.
func (a *Auth[C]) identify(ctx context.Context, c *checked) (*Identity[C], error) {
	id := &Identity[C]{
		Subject: c.claims.Subject,
		Issuer:  c.claims.Issuer,
		ID:      c.id,
		Login:   c.claims.Session,
		Source:  c.from.String(),
	}
	if id.Login == "" {
		id.Login = id.ID
	}
	if c.claims.HasIssuedAt {
		id.IssuedAt = time.Unix(c.claims.IssuedAt, 0)
	}
	if c.claims.HasExpiresAt {
		id.ExpiresAt = time.Unix(c.claims.ExpiresAt, 0)
	}
	if err := json.Unmarshal(c.payload, &id.Claims); err != nil {
		return nil, refusal(ErrInvalid, fmt.Errorf("claims do not decode into %T", id.Claims))
	}
	if a.opts.Verify != nil {
		if err := a.opts.Verify(ctx, id); err != nil {
			return nil, classify(err)
		}
	}
	if id.Subject == "" && a.opts.Logins != ManyLogins {
		return nil, refusal(ErrInvalid, errSubject)
	}
	return id, nil
}

// classify gives an error of the application its code, if it wraps one of our
// sentinels. Package wrap does the rest.
func classify(err error) error {
	var e *wrap.Error
	if errors.As(err, &e) {
		return err
	}
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return &wrap.Error{Code: codes[kind], Err: err}
		}
	}
	return err
}

// admit asks the store about an identity. replaces is the name of the login so
// far, if a token is being refreshed.
func (a *Auth[C]) admit(ctx context.Context, id *Identity[C], replaces string) error {
	if a.closed.Load() {
		return refusal(ErrUnavailable, errClosed)
	}
	until := id.ExpiresAt.Add(a.opts.Leeway)
	if id.ExpiresAt.IsZero() {
		until = time.Now().Add(a.keep())
	}
	verdict, err := a.opts.Store.Admit(ctx, Login{
		ID: id.ID, Issuer: id.Issuer, Subject: id.Subject, Name: id.Login,
		IssuedAt: id.IssuedAt, ExpiresAt: id.ExpiresAt, Until: until,
		Policy: a.opts.Logins, Replaces: replaces,
	})
	switch {
	case err != nil:
		return refusal(ErrUnavailable, err)
	case verdict == Admitted:
		return nil
	case verdict == Replaced:
		return refusal(ErrReplaced, nil)
	case verdict == Occupied:
		return refusal(ErrOccupied, nil)
	}
	return refusal(ErrRevoked, nil)
}

// keep is how long to remember a revocation that does not say.
func (a *Auth[C]) keep() time.Duration {
	if a.opts.MaxLifetime > 0 {
		return a.opts.MaxLifetime + a.opts.Leeway + time.Second // see tooLong
	}
	return defaultKeep
}

// seek returns the token of a client, checked, or nil if it has sent none.
func (a *Auth[C]) seek(ctx context.Context, auth any, r *http.Request) (*checked, error) {
	late, early, err := find(a.opts.Sources, auth, r)
	if err != nil {
		return nil, refusal(ErrInvalid, err)
	}
	if early.from.kind == cookie {
		if err := a.origins.Check(r); err != nil {
			return nil, &wrap.Error{Code: "origin_denied", Err: err}
		}
	}
	first, ok := ctx.Value(contextKey[C]{a}).(*checked) // what Handler found
	switch {
	case ok:
		err = a.checkClaims(&first.claims, time.Now())
	case early.token != "" && early.token != late.token:
		first, err = a.check(ctx, early.token, early.from)
		if first != nil {
			first.hash = sha256.Sum256([]byte(early.token))
		}
	case late.token != "":
		return a.check(ctx, late.token, late.from)
	default:
		return nil, nil
	}
	if late.token == "" || first != nil && sha256.Sum256([]byte(late.token)) == first.hash {
		return first, err
	}
	// A connection outlives the token that it was opened with, and cannot replace
	// it: once it has expired, CONNECT may bring a newer one of the same user.
	switch {
	case errors.Is(err, ErrExpired):
	case err == nil || errors.Is(err, ErrInvalid):
		return nil, refusal(ErrInvalid, errAmbiguous)
	default: // a server fault: nobody knows whether it has expired
		return nil, err
	}
	c, err := a.check(ctx, late.token, late.from)
	if err != nil {
		return nil, err
	}
	if c.claims.Subject == "" || c.claims.Subject != first.claims.Subject || c.claims.Issuer != first.claims.Issuer {
		return nil, refusal(ErrInvalid, errAmbiguous)
	}
	return c, nil
}

// contextKey is the context key of what Handler has checked.
type contextKey[C any] struct{ auth *Auth[C] }

// Authenticate does for a token what [Auth.Middleware] does for that of a socket,
// and returns who it belongs to. The error is a *wrap.Error that wraps one of the
// Err values, or an error of Options.Verify; if Verify panics the code is internal,
// and the stack goes to Options.Logger. The check of the store counts as a login.
func (a *Auth[C]) Authenticate(ctx context.Context, token string) (*Identity[C], error) {
	if token == "" {
		return nil, refusal(ErrMissing, nil)
	}
	var id *Identity[C]
	err := safely(func() error {
		c, err := a.check(ctx, token, Source{})
		if err == nil {
			id, err = a.confirm(ctx, c)
		}
		return err
	})
	if err != nil {
		a.panicked(ctx, err)
		return nil, asError(err)
	}
	return id, nil
}

// confirm makes an identity of c, if the application and the store agree.
func (a *Auth[C]) confirm(ctx context.Context, c *checked) (*Identity[C], error) {
	id, err := a.identify(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := a.admit(ctx, id, ""); err != nil {
		return nil, err
	}
	return id, nil
}
