package jwtauthtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/jwtauth"
)

// Signer signs tokens with a random key of its own. It is safe for concurrent use
// while its test runs. It reports failures as errors of the test.
type Signer struct {
	tb      testing.TB
	alg     string
	kid     string
	private any // a []byte or a crypto.Signer
	keys    jwtauth.Keys
}

// NewSigner returns a Signer for alg: HS256, HS384, HS512, RS256, RS384, RS512,
// PS256, PS384, PS512, ES256, ES384, ES512 or EdDSA. Any other ends the test. RSA
// keys have 2048 bits; making one takes a tenth of a second or more.
func NewSigner(tb testing.TB, alg string) *Signer {
	tb.Helper()
	s := &Signer{tb: tb, alg: alg, kid: rand.Text()}
	var err error
	switch alg {
	case "HS256", "HS384", "HS512":
		secret := make([]byte, map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}[alg])
		_, err = rand.Read(secret)
		s.private, s.keys = secret, jwtauth.HMAC(secret)
	case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
		var key *rsa.PrivateKey
		if key, err = rsa.GenerateKey(rand.Reader, 2048); err == nil {
			s.private, s.keys = key, jwtauth.RSA(&key.PublicKey)
		}
	case "ES256", "ES384", "ES512":
		curve := map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}[alg]
		var key *ecdsa.PrivateKey
		if key, err = ecdsa.GenerateKey(curve, rand.Reader); err == nil {
			s.private, s.keys = key, jwtauth.ECDSA(&key.PublicKey)
		}
	case "EdDSA":
		var public ed25519.PublicKey
		var key ed25519.PrivateKey
		if public, key, err = ed25519.GenerateKey(rand.Reader); err == nil {
			s.private, s.keys = key, jwtauth.Ed25519(public)
		}
	default:
		err = fmt.Errorf("unknown algorithm %q", alg)
	}
	if err != nil {
		tb.Fatalf("jwtauthtest: NewSigner: %v", err)
	}
	return s
}

// Keys returns the keys that verify what s signs.
func (s *Signer) Keys() jwtauth.Keys { return s.keys }

// KeyID returns the kid of the tokens: random, and different for any two Signers.
func (s *Signer) KeyID() string { return s.kid }

// JWK returns the verification key as a JSON Web Key, with kid, alg and use. For HMAC
// it is the secret itself: no server publishes one, and no client may accept one.
func (s *Signer) JWK() string {
	s.tb.Helper()
	public := s.private
	if key, ok := s.private.(crypto.Signer); ok {
		public = key.Public()
	}
	key, err := jwkset.NewJWKFromKey(public, jwkset.JWKOptions{
		Marshal:  jwkset.JWKMarshalOptions{Private: true}, // "oct" is nothing else
		Metadata: jwkset.JWKMetadataOptions{ALG: jwkset.ALG(s.alg), KID: s.kid, USE: jwkset.UseSig},
	})
	if err != nil {
		s.tb.Errorf("jwtauthtest: JWK: %v", err)
		return ""
	}
	return string(s.marshal("JWK", key.Marshal()))
}

// Token returns a token of subject that is good for ttl: iat is now, exp is ttl
// later, both in whole seconds, so a positive ttl is rounded up. jti is random. A
// ttl that is not positive makes an expired token. There is no iss. Members of more
// are added, or replace one of these; nil removes it:
//
//	signer.Token("alice", time.Minute, map[string]any{"aud": "chat", "jti": nil})
func (s *Signer) Token(subject string, ttl time.Duration, more ...map[string]any) string {
	s.tb.Helper()
	now := time.Now()
	expires := now.Add(ttl)
	if ttl > 0 && expires.Nanosecond() > 0 {
		expires = expires.Add(time.Second)
	}
	claims := map[string]any{"sub": subject, "iat": now.Unix(), "exp": expires.Unix(), "jti": rand.Text()}
	for _, m := range more {
		override(claims, m)
	}
	return s.Sign(claims)
}

// Sign returns a token with these claims and no others: whatever package encoding/json
// can marshal. A json.RawMessage is signed byte for byte, even if it is not JSON.
func (s *Signer) Sign(claims any) string {
	s.tb.Helper()
	return s.SignHeader(nil, claims)
}

// SignHeader is like [Signer.Sign] with other members in the header, which
// otherwise has alg, kid and typ; nil removes one. It makes the tokens of
// attackers, so alg need not be true:
//
//	none, in any case     the signature is empty
//	HS256, HS384, HS512   if s has a public key, that is the secret, as PEM
//	another that s can    is what the token is signed with
//	any other value       is a lie: it is signed as Sign does
func (s *Signer) SignHeader(header map[string]any, claims any) string {
	s.tb.Helper()
	h := map[string]any{"alg": s.alg, "kid": s.kid, "typ": "JWT"}
	override(h, header)
	payload, raw := claims.(json.RawMessage)
	if !raw {
		payload = s.marshal("claims", claims)
	}
	head := s.marshal("header", h)
	if payload == nil && !raw || head == nil {
		return ""
	}
	signed := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(payload)

	alg, _ := h["alg"].(string)
	if strings.EqualFold(alg, "none") {
		return signed + "."
	}
	method, key := jwt.GetSigningMethod(alg), s.private
	if signer, ok := key.(crypto.Signer); ok && strings.HasPrefix(alg, "HS") {
		der, err := x509.MarshalPKIXPublicKey(signer.Public())
		if err != nil {
			s.tb.Errorf("jwtauthtest: %v", err)
			return ""
		}
		key = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	}
	if method != nil {
		if signature, err := method.Sign(signed, key); err == nil {
			return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
		}
	}
	signature, err := jwt.GetSigningMethod(s.alg).Sign(signed, s.private)
	if err != nil {
		s.tb.Errorf("jwtauthtest: signing: %v", err)
		return ""
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// override copies the members of more into m, and removes those that are nil.
func override(m, more map[string]any) {
	maps.Copy(m, more)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
}

// marshal returns v as JSON, or reports an error and returns nil.
func (s *Signer) marshal(what string, v any) []byte {
	s.tb.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		s.tb.Errorf("jwtauthtest: %s: %v", what, err)
		return nil
	}
	return b
}
