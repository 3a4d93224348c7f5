package jws

import (
	"crypto"
	_ "crypto/sha256" // the hashes of all algorithms
	_ "crypto/sha512"
)

// algorithm is one that can sign a token; zero is none. "none" is not among
// them, nor is anything that RFC 7518 defines for encryption.
type algorithm uint8

const (
	hs256 algorithm = iota + 1
	hs384
	hs512
	rs256
	rs384
	rs512
	ps256
	ps384
	ps512
	es256
	es384
	es512
	edDSA
	algorithms // the number of algorithms, plus one
)

// names are the names of RFC 7518, section 3.1, and RFC 8037, section 3.1. They
// are case-sensitive.
var names = [algorithms]string{
	"", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
	"ES256", "ES384", "ES512", "EdDSA",
}

// hashes are the hashes that algorithms sign. Ed25519 signs the message itself.
var hashes = [algorithms]crypto.Hash{
	0, crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA256, crypto.SHA384, crypto.SHA512,
	crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA256, crypto.SHA384, crypto.SHA512, 0,
}

// algorithmOf returns the algorithm called name, or zero.
func algorithmOf[S string | []byte](name S) algorithm {
	for a := hs256; a < algorithms; a++ {
		if names[a] == string(name) {
			return a
		}
	}
	return 0
}

// Known reports whether alg names an algorithm that can verify a token: HS256,
// HS384, HS512, their RS, PS and ES counterparts, and EdDSA.
func Known(alg string) bool { return algorithmOf(alg) != 0 }

// set is a set of algorithms.
type set uint16

func setOf(as ...algorithm) set {
	var s set
	for _, a := range as {
		s |= 1 << a
	}
	return s
}

func (s set) has(a algorithm) bool { return a != 0 && s>>a&1 == 1 }
