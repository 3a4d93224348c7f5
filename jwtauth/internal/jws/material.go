package jws

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"errors"
	"fmt"
	"hash"
	"math"
	"math/big"
	"slices"
	"sync"
)

// Sizes of keys. A modulus above maxModulus costs a server too much: whoever
// may name a key, such as a key server, could stall it.
const (
	minModulus = 2048
	maxModulus = 8192
)

// newKey returns material as a key for all algorithms that fit it.
func newKey(material any) (*key, error) {
	switch m := material.(type) {
	case nil:
		return nil, errors.New("jws: nil key")
	case []byte:
		return newHMAC(m)
	case *rsa.PublicKey:
		return newRSA(m)
	case *ecdsa.PublicKey:
		return newECDSA(m)
	case ed25519.PublicKey:
		return newEd25519(m)
	case Key:
		if m.k == nil {
			return nil, errZeroKey
		}
		return m.k, nil
	case string:
		return nil, errors.New("jws: the key is a string; pass a secret as []byte, and parse a public key")
	case rsa.PublicKey, ecdsa.PublicKey, *ed25519.PublicKey:
		return nil, fmt.Errorf("jws: the key is a %T; pass *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey", m)
	case rsa.PrivateKey, ecdsa.PrivateKey, interface{ Public() crypto.PublicKey }:
		return nil, fmt.Errorf("jws: %T is a private key; pass what its method Public returns", m)
	default:
		return nil, fmt.Errorf("jws: %T is not a supported key", m)
	}
}

func newHMAC(secret []byte) (*key, error) {
	switch {
	case len(secret) == 0:
		return nil, errors.New("jws: empty secret; is a variable not set?")
	case len(secret) < 32:
		return nil, fmt.Errorf("jws: secret of %d bytes; at least 32 are required", len(secret))
	case bytes.HasPrefix(bytes.TrimSpace(secret), []byte("-----BEGIN ")):
		return nil, errors.New("jws: the secret is PEM; parse it, and pass the public key")
	}
	secret = slices.Clone(secret)
	k := &key{kind: "HMAC key"}
	// A state that has been used once knows both of its padded keys: resetting it
	// saves half of the work for a short token.
	type state struct {
		hash.Hash
		sum [64]byte
	}
	var pools [algorithms]sync.Pool
	for a := hs256; a <= hs512; a++ {
		if len(secret) < hashes[a].Size() {
			break
		}
		k.allows |= setOf(a)
		pools[a].New = func() any { return &state{Hash: hmac.New(hashes[a].New, secret)} }
	}
	k.verify = func(a algorithm, signed, sig []byte) error {
		s := pools[a].Get().(*state)
		defer pools[a].Put(s)
		s.Reset()
		s.Write(signed)
		if !hmac.Equal(sig, s.Sum(s.sum[:0])) {
			return errSignature
		}
		return nil
	}
	return k, nil
}

func newRSA(pub *rsa.PublicKey) (*key, error) {
	if pub == nil || pub.N == nil {
		return nil, errors.New("jws: nil RSA key")
	}
	bits := pub.N.BitLen()
	switch {
	case pub.N.Sign() <= 0 || pub.N.Bit(0) == 0:
		return nil, errors.New("jws: RSA modulus negative or even")
	case bits < minModulus || bits > maxModulus:
		return nil, fmt.Errorf("jws: RSA key of %d bits; %d to %d are supported", bits, minModulus, maxModulus)
	case pub.E < 3 || pub.E&1 == 0 || pub.E > math.MaxInt32:
		return nil, errors.New("jws: RSA exponent even, below 3 or above 2^31-1")
	case flawed(pub.N):
		return nil, errors.New("jws: RSA key from a flawed generator (CVE-2017-15361)")
	}
	own := &rsa.PublicKey{N: new(big.Int).Set(pub.N), E: pub.E}
	return &key{
		kind:   "RSA key",
		allows: setOf(rs256, rs384, rs512, ps256, ps384, ps512),
		verify: func(a algorithm, signed, sig []byte) error {
			var err error
			if h, sum := digest(a, signed); a >= ps256 {
				// The salt is as long as the hash, not of any length (RFC 7518, section 3.5).
				err = rsa.VerifyPSS(own, h, sum, sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
			} else {
				err = rsa.VerifyPKCS1v15(own, h, sum, sig)
			}
			if err != nil {
				return errSignature
			}
			return nil
		},
	}, nil
}

func newECDSA(pub *ecdsa.PublicKey) (*key, error) {
	if pub == nil || pub.X == nil || pub.Y == nil {
		return nil, errors.New("jws: nil ECDSA key")
	}
	k := &key{kind: "ECDSA key"}
	switch pub.Curve {
	case elliptic.P256():
		k.allows = setOf(es256)
	case elliptic.P384():
		k.allows = setOf(es384)
	case elliptic.P521():
		k.allows = setOf(es512)
	default:
		return nil, errors.New("jws: ECDSA key on a curve other than P-256, P-384 and P-521")
	}
	point, err := pub.Bytes() // refuses what is not on the curve
	if err != nil {
		return nil, errors.New("jws: ECDSA key is not a point on its curve")
	}
	own, err := ecdsa.ParseUncompressedPublicKey(pub.Curve, point)
	if err != nil {
		return nil, errors.New("jws: ECDSA key is not a point on its curve")
	}
	size := (own.Params().BitSize + 7) / 8
	k.verify = func(a algorithm, signed, sig []byte) error {
		// Both numbers have the length of the curve, no other (RFC 7518, section 3.4).
		if len(sig) != 2*size {
			return errSignature
		}
		_, sum := digest(a, signed)
		r, s := new(big.Int).SetBytes(sig[:size]), new(big.Int).SetBytes(sig[size:])
		if !ecdsa.Verify(own, sum, r, s) {
			return errSignature
		}
		return nil
	}
	return k, nil
}

func newEd25519(pub ed25519.PublicKey) (*key, error) {
	if len(pub) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("jws: Ed25519 key of %d bytes; %d are required", len(pub), ed25519.PublicKeySize)
	}
	if smallOrder(pub) {
		return nil, errors.New("jws: Ed25519 key of small order")
	}
	own := slices.Clone(pub)
	return &key{
		kind:   "Ed25519 key",
		allows: setOf(edDSA),
		verify: func(_ algorithm, signed, sig []byte) error {
			if !ed25519.Verify(own, signed, sig) {
				return errSignature
			}
			return nil
		},
	}, nil
}
