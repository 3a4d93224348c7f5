package jws_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/sioware/sioware/jwtauth/internal/jws"
)

func TestKnown(t *testing.T) {
	t.Parallel()
	for _, alg := range algorithms {
		if !jws.Known(alg) {
			t.Errorf("%s is not known", alg)
		}
	}
	for _, alg := range []string{"", "none", "None", "NONE", "hs256", "HS1", "ES256K", "RSA-OAEP", "A128KW", "dir", "Ed25519", "HS256 "} {
		if jws.Known(alg) {
			t.Errorf("%q is known", alg)
		}
	}
}

func TestNewKey(t *testing.T) {
	t.Parallel()
	rsaKey, ecKey, edKey := pairOf(t, "RS256"), pairOf(t, "ES256"), pairOf(t, "EdDSA")
	hmac := func(n int) []byte { return bytes.Repeat([]byte("k"), n) }
	for _, c := range []struct {
		name   string
		key    any
		allows string
	}{
		{"secret of 32 bytes", hmac(32), "HS256"},
		{"secret of 47 bytes", hmac(47), "HS256"},
		{"secret of 48 bytes", hmac(48), "HS256 HS384"},
		{"secret of 64 bytes", hmac(64), "HS256 HS384 HS512"},
		{"secret of 300 bytes", hmac(300), "HS256 HS384 HS512"},
		{"RSA", rsaKey.public, "RS256 RS384 RS512 PS256 PS384 PS512"},
		{"P-256", ecKey.public, "ES256"},
		{"P-384", pairOf(t, "ES384").public, "ES384"},
		{"P-521", pairOf(t, "ES512").public, "ES512"},
		{"Ed25519", edKey.public, "EdDSA"},
	} {
		key, err := jws.NewKey(c.key)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		for _, alg := range algorithms {
			want := slices.Contains(strings.Fields(c.allows), alg)
			if key.Allows(alg) != want {
				t.Errorf("%s: allows %s: %v", c.name, alg, key.Allows(alg))
			}
			// Naming it is allowed when it is implied, and so is narrowing a Key.
			for _, material := range []any{c.key, key} {
				if narrow, err := jws.NewKey(material, alg); (err == nil) != want || narrow.Allows(alg) != want {
					t.Errorf("%s: named %s: %v", c.name, alg, err)
				}
			}
		}
		if key.Allows("none") || key.Allows("") {
			t.Errorf("%s: allows none", c.name)
		}
	}
}

func TestNewKeyRefused(t *testing.T) {
	t.Parallel()
	ec := pairOf(t, "ES256").public.(*ecdsa.PublicKey)
	n := pairOf(t, "RS256").public.(*rsa.PublicKey).N
	bits := func(n int) *big.Int { // odd, of n bits, and no power of anything
		return new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), uint(n-1)), big.NewInt(12345))
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		key   any
		algs  []string
		fault string
	}{
		{"nil", nil, nil, "nil"},
		{"string", "a secret that is long enough for HS256", nil, "string"},
		{"number", 7, nil, "not a supported key"},
		{"zero Key", jws.Key{}, nil, "zero Key"},
		{"nil secret", []byte(nil), nil, "empty secret"},
		{"empty secret", []byte{}, nil, "empty secret"},
		{"short secret", make([]byte, 31), nil, "31 bytes"},
		{"PEM as a secret", []byte("\n-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n"), nil, "PEM"},
		{"secret too short for HS512", secret[:63], []string{"HS512"}, "HS512"},
		{"unknown algorithm", secret, []string{"HS256", "HS1"}, `"HS1"`},
		{"none", secret, []string{"none"}, `"none"`},
		{"empty algorithm", secret, []string{""}, "unknown"},
		{"secret for RS256", secret, []string{"RS256"}, "RS256"},
		{"RSA for HS256", &rsa.PublicKey{N: n, E: 65537}, []string{"HS256"}, "HS256"},
		{"ES256 on another curve", pairOf(t, "ES384").public, []string{"ES256"}, "ES256"},

		{"RSA private key", pairOf(t, "RS256").private, nil, "private"},
		{"ECDSA private key", pairOf(t, "ES256").private, nil, "private"},
		{"Ed25519 private key", pairOf(t, "EdDSA").private, nil, "private"},
		{"RSA by value", rsa.PublicKey{N: n, E: 65537}, nil, "pass"},
		{"nil RSA", (*rsa.PublicKey)(nil), nil, "nil"},
		{"zero RSA", &rsa.PublicKey{}, nil, "nil"},
		{"RSA of 1024 bits", &rsa.PublicKey{N: bits(1024), E: 65537}, nil, "1024 bits"},
		{"RSA of 2047 bits", &rsa.PublicKey{N: bits(2047), E: 65537}, nil, "2047 bits"},
		{"RSA of 8193 bits", &rsa.PublicKey{N: bits(8193), E: 65537}, nil, "8193 bits"},
		{"RSA even", &rsa.PublicKey{N: new(big.Int).Sub(n, big.NewInt(1)), E: 65537}, nil, "even"},
		{"RSA negative", &rsa.PublicKey{N: new(big.Int).Neg(n), E: 65537}, nil, "negative"},
		{"RSA exponent 0", &rsa.PublicKey{N: n}, nil, "exponent"},
		{"RSA exponent 1", &rsa.PublicKey{N: n, E: 1}, nil, "exponent"},
		{"RSA exponent 2", &rsa.PublicKey{N: n, E: 2}, nil, "exponent"},
		{"RSA exponent even", &rsa.PublicKey{N: n, E: 65536}, nil, "exponent"},
		{"RSA exponent negative", &rsa.PublicKey{N: n, E: -3}, nil, "exponent"},
		{"RSA of a flawed generator", &rsa.PublicKey{N: flawed(t), E: 65537}, nil, "CVE-2017-15361"},

		{"nil ECDSA", (*ecdsa.PublicKey)(nil), nil, "nil"},
		{"zero ECDSA", &ecdsa.PublicKey{}, nil, "nil"},
		{"P-224", &p224.PublicKey, nil, "curve"},
		{"no curve", &ecdsa.PublicKey{X: ec.X, Y: ec.Y}, nil, "curve"},
		{"point of another curve", &ecdsa.PublicKey{Curve: elliptic.P384(), X: ec.X, Y: ec.Y}, nil, "point"},
		{"off the curve", &ecdsa.PublicKey{Curve: ec.Curve, X: ec.X, Y: new(big.Int).Add(ec.Y, big.NewInt(1))}, nil, "point"},
		{"infinity", &ecdsa.PublicKey{Curve: ec.Curve, X: new(big.Int), Y: new(big.Int)}, nil, "point"},
		{"coordinate not reduced", &ecdsa.PublicKey{Curve: ec.Curve, X: new(big.Int).Add(ec.X, ec.Params().P), Y: ec.Y}, nil, "point"},
		{"coordinate negative", &ecdsa.PublicKey{Curve: ec.Curve, X: new(big.Int).Neg(ec.X), Y: ec.Y}, nil, "point"},

		{"nil Ed25519", ed25519.PublicKey(nil), nil, "0 bytes"},
		{"short Ed25519", make(ed25519.PublicKey, 31), nil, "31 bytes"},
		{"long Ed25519", make(ed25519.PublicKey, 33), nil, "33 bytes"},
	} {
		key, err := jws.NewKey(c.key, c.algs...)
		if err == nil {
			t.Errorf("%s: accepted", c.name)
		} else if !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: error %q, want one with %q", c.name, err, c.fault)
		}
		if key != (jws.Key{}) {
			t.Errorf("%s: a key with the error", c.name)
		}
	}
}

// flawed returns a modulus as the generator of CVE-2017-15361 makes them, but for
// being a product of primes: p = k*M + (65537^a mod M), and q likewise.
func flawed(t *testing.T) *big.Int {
	m := big.NewInt(1)
	for p, n := int64(2), 0; n < 126; p++ { // 126 primes: 1984 to 3936 bits
		if prime := big.NewInt(p); prime.ProbablyPrime(0) {
			m.Mul(m, prime)
			n++
		}
	}
	half := func(k, a int64) *big.Int {
		p := new(big.Int).Exp(big.NewInt(65537), big.NewInt(a), m)
		return p.Add(p, new(big.Int).Mul(new(big.Int).Lsh(big.NewInt(k), 40), m))
	}
	n := new(big.Int).Mul(half(77777, 12345), half(99999, 54321))
	if n.BitLen() < 2048 || n.BitLen() > 8192 || n.Bit(0) == 0 {
		t.Fatalf("the test has a modulus of %d bits", n.BitLen())
	}
	return n
}

// TestSmallOrder: with these keys a signature of one message verifies others, and
// can be made without any private key. They are the points that have an order of
// at most 8, with each sign of x, and the encodings of y that are not reduced.
func TestSmallOrder(t *testing.T) {
	t.Parallel()
	for _, y := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	} {
		for _, sign := range []byte{0, 0x80} {
			b, err := hex.DecodeString(y)
			if err != nil {
				t.Fatal(err)
			}
			b[31] |= sign
			_, err = jws.NewKey(ed25519.PublicKey(b))
			refused(t, err, "small order")
		}
	}
}

// TestKeyIsItsOwn changes what a key was made of.
func TestKeyIsItsOwn(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"HS256", "RS256", "ES256", "EdDSA"} {
		k := pairOf(t, alg)
		var change func()
		switch public := k.public.(type) {
		case []byte:
			own := slices.Clone(public)
			k.public, change = own, func() { own[0]++ }
		case *rsa.PublicKey:
			own := &rsa.PublicKey{N: new(big.Int).Set(public.N), E: public.E}
			k.public, change = own, func() { own.N.SetInt64(15); own.E = 3 }
		case *ecdsa.PublicKey:
			own := &ecdsa.PublicKey{Curve: public.Curve, X: new(big.Int).Set(public.X), Y: new(big.Int).Set(public.Y)}
			k.public, change = own, func() { own.X.SetInt64(1); own.Curve = elliptic.P224() }
		case ed25519.PublicKey:
			own := slices.Clone(public)
			k.public, change = own, func() { own[0]++ }
		}
		key := k.key(t)
		change()
		token, err := jws.Parse(k.token(t, `{"alg":"`+alg+`"}`, "{}"))
		if err != nil {
			t.Fatal(err)
		}
		if err := token.Verify(key); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

func TestKeyPrints(t *testing.T) {
	t.Parallel()
	word := "correct horse battery staple, and more of that"
	key, err := jws.NewKey([]byte(word))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "key", key, "in", struct{ K jws.Key }{key})
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "key", key, "in", struct{ K jws.Key }{key})
	type hidden struct{ key jws.Key }
	all := []string{log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T"} {
		all = append(all, fmt.Sprintf(verb, key), fmt.Sprintf(verb, &key), fmt.Sprintf(verb, []jws.Key{key}),
			fmt.Sprintf(verb, hidden{key}), fmt.Sprintf(verb, &hidden{key}), fmt.Sprintf(verb, struct{ K any }{key}))
	}
	b, err := json.Marshal(map[string]any{"k": key})
	if err != nil || string(b) != `{"k":"HMAC key"}` {
		t.Errorf("JSON %s, %v", b, err)
	}
	all = append(all, string(b), key.String(), key.GoString())
	for _, s := range all {
		for _, secret := range []string{word[:5], hex.EncodeToString([]byte(word[:5])), strings.ToUpper(hex.EncodeToString([]byte(word[:5]))), "99 111 114", "0x63, 0x6f"} {
			if strings.Contains(s, secret) {
				t.Errorf("the secret is in %q", s)
			}
		}
	}
	for want, k := range map[string]jws.Key{
		"HMAC key": key, "no key": {}, "RSA key": pairOf(t, "RS256").key(t),
		"ECDSA key": pairOf(t, "ES256").key(t), "Ed25519 key": pairOf(t, "EdDSA").key(t),
	} {
		if got := fmt.Sprintf("%v %+v %#v %s %q", k, k, k, k, k); got != strings.TrimSpace(strings.Repeat(want+" ", 5)) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
