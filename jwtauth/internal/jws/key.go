package jws

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Key verifies signatures, by the algorithms that it is for. The zero Key
// verifies none. A Key is immutable and safe for concurrent use. Nothing that
// prints can reach what it holds: see [Key.String].
type Key struct{ k *key }

// key keeps the material in the closure verify: neither fmt nor a dumper that
// follows pointers by reflection can see into it, wherever the Key is embedded.
type key struct {
	kind   string
	allows set
	verify verifier
}

// verifier returns errSignature unless sig is a signature of signed by a. It is
// called only for algorithms that fit the key.
type verifier func(a algorithm, signed, sig []byte) error

var (
	errZeroKey   = errors.New("jws: zero Key")
	errAlgorithm = errors.New("jws: the key does not fit the token's algorithm")
	errSignature = errors.New("jws: the signature does not match")
)

// NewKey returns material as a Key for the given algorithms or, if there are
// none, for all that fit it:
//
//   - a []byte secret of 32 bytes at least for HS256, 48 for HS384 and 64 for
//     HS512 (RFC 7518, section 3.2). It is copied. PEM is refused: it is mostly a
//     public key, and then anybody could sign.
//   - an *rsa.PublicKey of 2048 to 8192 bits for RS and PS (RFC 7518, sections
//     3.3 and 3.5). The exponent is odd, 3 at least and below 2^31, as in
//     crypto/rsa. Moduli of the flawed generator of CVE-2017-15361 are refused.
//   - an *ecdsa.PublicKey on P-256 for ES256, P-384 for ES384, P-521 for ES512.
//   - an ed25519.PublicKey for EdDSA. A point of small order is refused: signatures
//     of it can be had without any private key.
//   - a Key, to narrow it to fewer algorithms.
//
// The error says what is wrong and contains nothing of the material.
func NewKey(material any, algs ...string) (Key, error) {
	k, err := newKey(material)
	if err != nil {
		return Key{}, err
	}
	if len(algs) == 0 {
		return Key{k}, nil
	}
	narrow := key{kind: k.kind, verify: k.verify}
	for _, name := range algs {
		a := algorithmOf(name)
		if a == 0 {
			return Key{}, fmt.Errorf("jws: unknown algorithm %q", name)
		}
		if !k.allows.has(a) {
			return Key{}, fmt.Errorf("jws: this %s does not fit %s: wrong type or size", k.kind, name)
		}
		narrow.allows |= setOf(a)
	}
	return Key{&narrow}, nil
}

// Allows reports whether k is for alg.
func (k Key) Allows(alg string) bool { return k.k != nil && k.k.allows.has(algorithmOf(alg)) }

// String returns the kind of the key, such as "RSA key". All other ways to
// print a Key show the same.
func (k Key) String() string {
	if k.k == nil {
		return "no key"
	}
	return k.k.kind
}

// GoString returns what [Key.String] does.
func (k Key) GoString() string { return k.String() }

// Format writes what [Key.String] returns, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalJSON returns what [Key.String] does, quoted.
func (k Key) MarshalJSON() ([]byte, error) { return json.Marshal(k.String()) }

// LogValue returns what [Key.String] does.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// digest returns the hash of signed that a signs.
func digest(a algorithm, signed []byte) (crypto.Hash, []byte) {
	h := hashes[a].New()
	h.Write(signed)
	return hashes[a], h.Sum(nil)
}
