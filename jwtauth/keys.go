package jwtauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"

	"github.com/sioware/sioware/jwtauth/internal/jws"
)

// Keys finds the keys that may have signed a token. [HMAC], [RSA], [ECDSA],
// [Ed25519], [KeyFunc] and [Issuers] return one, and package jwks has one for
// the keys of a server. A Keys is safe for concurrent use.
type Keys interface {
	// Check returns all faults of the configuration, joined. [New] calls it.
	Check() error

	// Find returns the keys that may have signed a token that describes itself as
	// h, the likeliest first. None means that there is no such key: the token is
	// invalid. An error is a server fault, never the client's: the client is
	// refused with code unavailable and may try again.
	Find(ctx context.Context, h Unverified) ([]Key, error)
}

// Unverified is what a token says about itself before anything is verified:
// good for choosing keys, and for nothing else.
type Unverified struct {
	Algorithm string // alg, of the header
	KeyID     string // kid, of the header; "" if there is none
	Issuer    string // iss, of the claims; "" if there is none
}

// Key is a key that verifies signatures, with the algorithms that it is for. It
// prints as its type, never as what it holds.
type Key struct{ key jws.Key }

// NewKey returns key, a []byte secret, an *rsa.PublicKey, an *ecdsa.PublicKey or
// an ed25519.PublicKey, for use with the given algorithms or, if there are none,
// with all that suit its type and size:
//
//	[]byte              HS256 from 32 bytes, HS384 from 48, HS512 from 64 (RFC 7518, section 3.2)
//	*rsa.PublicKey      RS256, RS384, RS512, PS256, PS384, PS512; 2048 to 8192 bits
//	*ecdsa.PublicKey    ES256 on P-256, ES384 on P-384, ES512 on P-521
//	ed25519.PublicKey   EdDSA
//	Key                 those that it has
//
// The error says why a key is too weak, or cannot be used with an algorithm.
func NewKey(key any, algorithms ...string) (Key, error) {
	if made, ok := key.(Key); ok {
		key = made.key
	}
	k, err := jws.NewKey(key, algorithms...)
	return Key{k}, err
}

// String returns the type of the key.
func (k Key) String() string { return k.key.String() }

// GoString returns the type of the key.
func (k Key) GoString() string { return k.key.String() }

// HMAC returns keys for tokens that are signed with secret by HMAC. To rotate a
// secret, pass the new one first and those still in use after it. A secret has
// at least 32 random bytes: [New] refuses a shorter one, and an empty one, with
// which anybody could sign.
func HMAC(secret []byte, older ...[]byte) Keys {
	return fixedOf("HMAC", append([][]byte{secret}, older...), func(k []byte) any { return slices.Clone(k) })
}

// RSA returns keys for RS256, RS384, RS512, PS256, PS384 and PS512. Keys below
// 2048 bits are refused by [New].
func RSA(keys ...*rsa.PublicKey) Keys {
	return fixedOf("RSA", keys, func(k *rsa.PublicKey) any { return k })
}

// ECDSA returns keys for ES256, ES384 or ES512, depending on their curve.
func ECDSA(keys ...*ecdsa.PublicKey) Keys {
	return fixedOf("ECDSA", keys, func(k *ecdsa.PublicKey) any { return k })
}

// Ed25519 returns keys for EdDSA (RFC 8037).
func Ed25519(keys ...ed25519.PublicKey) Keys {
	return fixedOf("Ed25519", keys, func(k ed25519.PublicKey) any { return k })
}

// fixed is a set of keys that are known from the start.
type fixed struct {
	name  string
	keys  []Key
	fault error
}

func fixedOf[K any](name string, keys []K, raw func(K) any) *fixed {
	f := &fixed{name: name}
	if len(keys) == 0 {
		f.fault = fmt.Errorf("jwtauth: %s: no keys", name)
	}
	for i, k := range keys {
		key, err := NewKey(raw(k))
		if err != nil {
			f.fault = errors.Join(f.fault, fmt.Errorf("jwtauth: %s: key %d: %w", name, i+1, err))
			continue
		}
		f.keys = append(f.keys, key)
	}
	return f
}

func (f *fixed) Check() error { return f.fault }

// allow returns an error for each of algorithms that no key is for.
func (f *fixed) allow(algorithms []string) error {
	var faults []error
	for _, alg := range algorithms {
		if !slices.ContainsFunc(f.keys, func(k Key) bool { return k.key.Allows(alg) }) {
			faults = append(faults, fmt.Errorf("jwtauth: Algorithms: %s has no key for %q", f.name, alg))
		}
	}
	return errors.Join(faults...)
}

func (f *fixed) Find(context.Context, Unverified) ([]Key, error) { return f.keys, nil }

func (f *fixed) String() string { return "jwtauth." + f.name }

func (f *fixed) GoString() string { return f.String() }

// KeyFunc returns keys that f looks up: for each token those that may have signed
// it, of the types that [NewKey] takes, or none. For a key that is used again, f
// should return a [Key] that was made once. An error of f, and a key that NewKey
// refuses, are server faults: the client is told unavailable. f is called
// concurrently, for every token that anybody sends, before anything in it is
// verified; f must cache and bound what it fetches.
//
// algorithms pins those that tokens may use; none means all that suit the type
// of each key.
func KeyFunc(f func(ctx context.Context, h Unverified) ([]any, error), algorithms ...string) Keys {
	return &keyFunc{f, slices.Clone(algorithms)}
}

type keyFunc struct {
	f          func(context.Context, Unverified) ([]any, error)
	algorithms []string
}

func (k *keyFunc) Check() error {
	var err error
	if k.f == nil {
		err = errors.New("jwtauth: KeyFunc: nil function")
	}
	for _, alg := range k.algorithms {
		if !jws.Known(alg) {
			err = errors.Join(err, fmt.Errorf("jwtauth: KeyFunc: unknown algorithm %q", alg))
		}
	}
	return err
}

func (k *keyFunc) Find(ctx context.Context, h Unverified) ([]Key, error) {
	if len(k.algorithms) > 0 && !slices.Contains(k.algorithms, h.Algorithm) {
		return nil, nil
	}
	raw, err := k.f(ctx, h)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, 0, len(raw))
	for _, r := range raw {
		key, err := NewKey(r)
		if err != nil {
			return nil, fmt.Errorf("jwtauth: KeyFunc: %w", err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// Issuers returns keys that depend on the issuer: a token must name one of the
// given issuers, exactly, and be signed with one of its keys. Nothing is looked
// up for any other issuer. A subject is unique only within its issuer (RFC
// 7519, section 4.1.2): where two issuers may use the same name for different
// users, let Options.Verify qualify [Identity].Subject.
func Issuers(keys map[string]Keys) Keys {
	i := make(issuers, len(keys))
	for name, k := range keys {
		i[name] = k
	}
	return i
}

type issuers map[string]Keys

func (i issuers) Check() error {
	if len(i) == 0 {
		return errors.New("jwtauth: Issuers: no issuers")
	}
	var faults []error
	for name, k := range i {
		switch {
		case name == "":
			faults = append(faults, errors.New("jwtauth: Issuers: empty issuer"))
		case k == nil:
			faults = append(faults, fmt.Errorf("jwtauth: Issuers: no keys for %q", name))
		default:
			if err := k.Check(); err != nil {
				faults = append(faults, fmt.Errorf("issuer %q: %w", name, err))
			}
		}
	}
	return errors.Join(faults...)
}

func (i issuers) Find(ctx context.Context, h Unverified) ([]Key, error) {
	k, ok := i[h.Issuer]
	if !ok || h.Issuer == "" {
		return nil, nil
	}
	return k.Find(ctx, h)
}
