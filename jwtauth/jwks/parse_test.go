package jwks_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/jwks"
	"github.com/sioware/sioware/jwtauth/jwtauthtest"
)

type object = map[string]any

// jwk returns the key of s with other members; nil takes one away.
func jwk(t testing.TB, s *jwtauthtest.Signer, more object) string {
	t.Helper()
	var m object
	if err := json.Unmarshal([]byte(s.JWK()), &m); err != nil {
		t.Fatal(err)
	}
	maps.Copy(m, more)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func set(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

func b64(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }

func TestWhichKeysAreUsed(t *testing.T) {
	t.Parallel()
	ed, ec, rs, hs := jwtauthtest.NewSigner(t, "EdDSA"), jwtauthtest.NewSigner(t, "ES256"),
		jwtauthtest.NewSigner(t, "RS256"), jwtauthtest.NewSigner(t, "HS256")
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	huge := new(big.Int).Lsh(big.NewInt(1), 64) // e + 2^64 is e, to who cuts it
	huge.Add(huge, big.NewInt(65537))

	for name, tt := range map[string]struct {
		s    *jwtauthtest.Signer
		more object
		algs string // which it may be used for
		log  string // if not used
	}{
		"Ed25519":           {ed, nil, "EdDSA", ""},
		"P-256":             {ec, nil, "ES256", ""},
		"RSA":               {rs, nil, "RS256", ""},
		"no alg: Ed25519":   {ed, object{"alg": nil}, "EdDSA", ""},
		"no alg: P-256":     {ec, object{"alg": nil}, "ES256", ""},
		"no alg: RSA":       {rs, object{"alg": nil}, "PS256 PS384 PS512 RS256 RS384 RS512", ""},
		"alg PS512":         {rs, object{"alg": "PS512"}, "PS512", ""},
		"no use":            {ed, object{"use": nil}, "EdDSA", ""},
		"key_ops":           {ed, object{"key_ops": []string{"verify", "x"}}, "EdDSA", ""},
		"key_ops null":      {ed, object{"key_ops": json.RawMessage("null")}, "EdDSA", ""},
		"useless x5c":       {rs, object{"x5c": []string{"!"}, "x5u": "http://127.0.0.1:1/"}, "RS256", ""},
		"x5c no list":       {ed, object{"x5c": "MII", "x5t": 1, "x5t#S256": object{}, "x5u": []string{}}, "EdDSA", ""},
		"USE sig":           {ed, object{"use": "enc", "USE": "sig"}, "", "level=DEBUG"},
		"USE enc":           {ed, object{"USE": "enc", "Kty": "RSA", "ALG": 1, "\u212aid": "x"}, "EdDSA", ""},
		"unknown members":   {ed, object{"exp": 1, "custom": object{}}, "EdDSA", ""},
		"use enc":           {ed, object{"use": "enc"}, "", "level=DEBUG"},
		"use unknown":       {ed, object{"use": "SIG"}, "", "level=DEBUG"},
		"use no string":     {ed, object{"use": 1}, "", "malformed"},
		"key_ops sign":      {ed, object{"key_ops": []string{"sign"}}, "", "level=DEBUG"},
		"key_ops none":      {ed, object{"key_ops": []string{}}, "", "level=DEBUG"},
		"alg of encryption": {rs, object{"alg": "RSA-OAEP"}, "", "level=DEBUG"},
		"alg of HMAC":       {rs, object{"alg": "HS256"}, "", "level=DEBUG"},
		"alg none":          {rs, object{"alg": "none"}, "", "level=DEBUG"},
		"alg of other key":  {rs, object{"alg": "ES256"}, "", "does not suit"},
		"alg of curve":      {ec, object{"alg": "ES384"}, "", "does not suit"},
		"secret":            {hs, nil, "", "level=ERROR"},
		"secret, other alg": {hs, object{"alg": "RS256"}, "", "level=ERROR"},
		"secret beside":     {rs, object{"k": "AAAA"}, "", "level=ERROR"},
		"private Ed25519":   {ed, object{"d": "AAAA"}, "", "level=ERROR"},
		"private P-256":     {ec, object{"d": "AAAA"}, "", "level=ERROR"},
		"private RSA":       {rs, object{"p": "AAAA"}, "", "level=ERROR"},
		"RSA of 1024 bits":  {rs, object{"n": b64(weak.N)}, "", "level=WARN"},
		"e of 1":            {rs, object{"e": "AQ"}, "", "level=WARN"},
		"e that overflows":  {rs, object{"e": b64(huge)}, "", "level=WARN"},
		"no n":              {rs, object{"n": nil}, "", "level=WARN"},
		"off the curve":     {ec, object{"x": "AQ", "y": "AQ"}, "", "level=WARN"},
		"at infinity":       {ec, object{"x": "AA", "y": "AA"}, "", "level=WARN"},
		"curve unknown":     {ec, object{"crv": "secp256k1", "alg": nil}, "", "level=WARN"},
		"wrong curve":       {ec, object{"crv": "P-384", "alg": nil}, "", "level=WARN"},
		"X25519":            {ed, object{"crv": "X25519", "alg": nil}, "", "not for signatures"},
		"short Ed25519":     {ed, object{"x": "AAAA"}, "", "level=WARN"},
		"small order":       {ed, object{"x": base64.RawURLEncoding.EncodeToString(append([]byte{1}, make([]byte, 31)...))}, "", "level=WARN"},
		"kty of other key":  {ed, object{"kty": "RSA"}, "", "level=WARN"},
		"no kty":            {ed, object{"kty": nil}, "", "level=WARN"},
		"kid no string":     {ed, object{"kid": 1}, "", "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				good := jwtauthtest.NewSigner(t, "EdDSA")
				logger, text := logs()
				n := &network{body: set(jwk(t, tt.s, tt.more), "7", good.JWK())}
				s := overNetwork(t, n, jwks.Options{Logger: logger})
				finds(t, s, by(good), good) // whatever is wrong with another key
				var algs []string
				for _, alg := range []string{"", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512", "none"} {
					keys, err := s.Find(t.Context(), jwtauth.Unverified{Algorithm: alg, KeyID: tt.s.KeyID()})
					if err != nil {
						t.Fatal(err)
					}
					if len(keys) > 0 {
						algs = append(algs, alg)
					}
				}
				if got := strings.Join(algs, " "); got != tt.algs {
					t.Errorf("used for %q, want %q", got, tt.algs)
				}
				if tt.log != "" && !strings.Contains(text(), tt.log) || !strings.Contains(text(), "malformed key") {
					t.Errorf("not in the log: %q\n%s", tt.log, text())
				}
				if k, _ := tt.more["k"].(string); k != "" && strings.Contains(text(), k) {
					t.Errorf("the secret is in the log:\n%s", text())
				}
			})
		})
	}
}

func TestAlgorithms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ed, ec := jwtauthtest.NewSigner(t, "EdDSA"), jwtauthtest.NewSigner(t, "ES256")
		n := &network{body: keySet(ed, ec)}
		s := overNetwork(t, n, jwks.Options{Algorithms: []string{"ES256"}})
		finds(t, s, by(ed))
		if n.count() != 0 {
			t.Error("fetched for an algorithm that is not allowed")
		}
		finds(t, s, by(ec), ec)
		finds(t, s, by(ed))
		finds(t, s, jwtauth.Unverified{Algorithm: "ES256"}, ec)
	})
}

func TestNamesOfKeys(t *testing.T) {
	t.Parallel()
	var ed []*jwtauthtest.Signer
	var same, unnamed []string
	for range 6 {
		s := jwtauthtest.NewSigner(t, "EdDSA")
		ed = append(ed, s)
		same = append(same, jwk(t, s, object{"kid": "same"}))
		unnamed = append(unnamed, jwk(t, s, object{"kid": nil}))
	}
	ec := jwtauthtest.NewSigner(t, "ES256")
	enc := jwk(t, jwtauthtest.NewSigner(t, "EdDSA"), object{"use": "enc"})

	t.Run("several with one name", func(t *testing.T) {
		s := overNetwork(t, &network{body: set(append(same, ec.JWK())...)}, jwks.Options{})
		finds(t, s, jwtauth.Unverified{Algorithm: "EdDSA", KeyID: "same"}, ed[:4]...)
		finds(t, s, by(ec), ec)
	})
	t.Run("token without kid", func(t *testing.T) {
		s := overNetwork(t, &network{body: set(enc, ed[0].JWK(), ec.JWK(), unnamed[1])}, jwks.Options{})
		finds(t, s, jwtauth.Unverified{Algorithm: "EdDSA"}, ed[0], ed[1])
		finds(t, s, jwtauth.Unverified{Algorithm: "ES256"}, ec)
		finds(t, s, jwtauth.Unverified{Algorithm: "RS256"})
	})
	t.Run("many without kid", func(t *testing.T) {
		s := overNetwork(t, &network{body: set(unnamed...)}, jwks.Options{})
		finds(t, s, jwtauth.Unverified{Algorithm: "EdDSA"}, ed[:4]...)
		finds(t, s, by(ed[0])) // one that names its key means no other
	})
	t.Run("empty set", func(t *testing.T) {
		n := &network{body: set()}
		s := overNetwork(t, n, jwks.Options{})
		for range 10 {
			finds(t, s, jwtauth.Unverified{Algorithm: "EdDSA"})
			finds(t, s, by(ec))
		}
		if got := n.count(); got != 2 {
			t.Errorf("%d fetches, want the first and that of the window", got)
		}
	})
}

func TestManyKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, late := jwtauthtest.NewSigner(t, "EdDSA"), jwtauthtest.NewSigner(t, "EdDSA")
		keys := make([]string, 10_000)
		for i := range keys {
			keys[i] = fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":"%d","x":"!"}`, i)
		}
		keys[99], keys[100] = first.JWK(), late.JWK()
		logger, text := logs()
		s := overNetwork(t, &network{body: set(keys...)}, jwks.Options{Logger: logger})
		finds(t, s, by(first), first)
		finds(t, s, by(late))
		if !strings.Contains(text(), "9900 keys beyond the first 100") || strings.Count(text(), "\n") > 102 {
			t.Errorf("log of %d lines, or without the rest", strings.Count(text(), "\n"))
		}
	})
}

// What is wrong with a set is logged once, not at each refresh.
func TestLogOfOneSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := jwtauthtest.NewSigner(t, "EdDSA")
		n := &network{body: set("7", a.JWK())}
		logger, text := logs()
		s := overNetwork(t, n, jwks.Options{Logger: logger})
		finds(t, s, by(a), a)
		before := text()
		pass(24 * 60 * 60e9)
		if got := text(); n.count() < 24 || got != before || strings.Count(got, "malformed") != 1 {
			t.Errorf("log after %d fetches:\n%s", n.count(), got)
		}
		n.set(func() { n.body = set() })
		pass(60 * 60e9)
		if !strings.Contains(text(), "level=WARN msg=\"jwks: new key set\" keys=0") {
			t.Errorf("an empty set is not in the log:\n%s", text())
		}
	})
}
