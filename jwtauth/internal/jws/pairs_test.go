package jws_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/jwtauth/internal/jws"
)

// pair signs by golang-jwt, and has what verifies.
type pair struct {
	alg             string
	private, public any
}

// algorithms are all that there are.
var algorithms = []string{
	"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
	"ES256", "ES384", "ES512", "EdDSA",
}

var (
	secret  = bytes.Repeat([]byte("secret! "), 8)
	rsaPair = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	ecPairs = map[string]func() (*ecdsa.PrivateKey, error){}
	edPair  = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
)

func init() {
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		ecPairs[alg] = sync.OnceValues(func() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(curve, rand.Reader) })
	}
}

// pairOf returns keys for alg, the same ones each time.
func pairOf(tb testing.TB, alg string) pair {
	tb.Helper()
	var signer crypto.Signer
	var err error
	switch alg[:2] {
	case "HS":
		return pair{alg, secret, secret}
	case "RS", "PS":
		signer, err = rsaPair()
	case "ES":
		signer, err = ecPairs[alg]()
	default:
		signer = edPair
	}
	if err != nil {
		tb.Fatal(err)
	}
	return pair{alg, signer, signer.Public()}
}

func (p pair) key(tb testing.TB, algs ...string) jws.Key {
	tb.Helper()
	k, err := jws.NewKey(p.public, algs...)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func (p pair) sign(tb testing.TB, claims jwt.Claims) string {
	tb.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		tb.Fatal(err)
	}
	return p.token(tb, `{"alg":"`+p.alg+`","typ":"JWT"}`, string(payload))
}

// token signs any header and payload, with p.alg whatever the header says.
func (p pair) token(tb testing.TB, header, payload string) string {
	tb.Helper()
	signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	sig, err := jwt.GetSigningMethod(p.alg).Sign(signed, p.private)
	if err != nil {
		tb.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// refused reports an error that is missing, or does not hold want.
func refused(tb testing.TB, err error, want string) {
	tb.Helper()
	if err == nil {
		tb.Errorf("accepted; want an error with %q", want)
	} else if !strings.Contains(err.Error(), want) {
		tb.Errorf("error %q; want one with %q", err, want)
	}
}
