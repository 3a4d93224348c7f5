package jws

import (
	"crypto/ed25519"
	"math/big"
	"slices"
)

// flawed reports whether n has the fingerprint of the RSA keys of CVE-2017-15361
// (ROCA), which can be factored: M. Nemec, M. Sys, P. Svenda, D. Klinec and V.
// Matyas, "The Return of Coppersmith's Attack: Practical Factorization of Widely
// Used RSA Moduli", CCS 2017, section 2. Both of its primes are k*M + (65537^a mod
// M), with M the product of the first primes: 39 of them in the smallest keys,
// more in larger ones. So modulo each of these primes n is a power of 65537. A
// sound key is mistaken for a flawed one with probability 2^-27, the product of
// the fractions of residues that are such powers, and usually fails the test at
// one of the first few primes.
func flawed(n *big.Int) bool {
	var residue, prime big.Int
	for p := int64(3); p <= 167; p += 2 { // 167 is the 39th prime
		if !prime.SetInt64(p).ProbablyPrime(0) {
			continue
		}
		if !powerOf(65537%p, residue.Mod(n, &prime).Int64(), p) {
			return false
		}
	}
	return true
}

// powerOf reports whether x is a power of base modulo the prime p, where base is
// not 0.
func powerOf(base, x, p int64) bool {
	for power := base; ; power = power * base % p {
		if power == x {
			return true
		}
		if power == 1 { // the powers repeat from here
			return false
		}
	}
}

// prime25519 is 2^255 - 19.
var prime25519 = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))

// smallOrder reports whether pub is one of the points of edwards25519 (RFC 8032,
// section 5.1) whose order divides 8. The sign of x does not matter for that, and y is
// taken modulo the prime since crypto/ed25519 accepts other encodings of a point too.
//
// The point of order 1 has y = 1, that of order 2 has y = -1, those of order 4 have
// y = 0. Doubling one of order 8 gives y = 0, thus x^2 = -y^2, and by the equation
// of the curve -x^2 + y^2 = 1 + d x^2 y^2 with d = -121665/121666:
// 121665 y^4 - 243332 y^2 + 121666 = 0.
func smallOrder(pub ed25519.PublicKey) bool {
	b := slices.Clone(pub)
	slices.Reverse(b) // it is little-endian
	b[0] &= 0x7f      // the sign of x
	y := new(big.Int).SetBytes(b)
	y2 := new(big.Int).Mul(y, y)
	y2.Mod(y2, prime25519)
	if y2.Sign() == 0 || y2.IsInt64() && y2.Int64() == 1 {
		return true
	}
	// ((121665 y^2) - 243332) y^2 + 121666
	v := new(big.Int).Mul(y2, big.NewInt(121665))
	v.Sub(v, big.NewInt(243332))
	v.Mul(v, y2)
	v.Add(v, big.NewInt(121666))
	return v.Mod(v, prime25519).Sign() == 0
}
