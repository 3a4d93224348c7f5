package jwtauth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/jwtauth"
)

var b64 = base64.RawURLEncoding

// forge returns a token of exactly these texts, signed by HS256 with a key.
func forge(header, payload string, key []byte) string {
	signed := b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(payload))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(signed))
	return signed + "." + b64.EncodeToString(mac.Sum(nil))
}

const hs256 = `{"alg":"HS256","typ":"JWT"}`

// TestAttacks: tokens that other libraries have accepted, each signed with the
// right key unless that is the point.
func TestAttacks(t *testing.T) {
	t.Parallel()
	exp := time.Now().Add(time.Hour).Unix()
	good := fmt.Sprintf(`{"sub":"ada","exp":%d}`, exp)
	body := func(format string, args ...any) string { return forge(hs256, fmt.Sprintf(format, args...), secret) }
	head := func(header string) string { return forge(header, good, secret) }
	valid := forge(hs256, good, secret)
	parts := strings.Split(valid, ".")

	a := newAuth(t, nil)
	if id, err := a.Authenticate(t.Context(), valid); err != nil || id.Subject != "ada" {
		t.Fatalf("the good token: %+v, %v", id, err)
	}
	for name, tt := range map[string]struct {
		token string
		want  error
	}{
		"alg none":               {parts[0] + "." + parts[1] + ".", jwtauth.ErrInvalid},
		"alg none, spelled":      {b64.EncodeToString([]byte(`{"alg":"NoNe"}`)) + "." + parts[1] + ".AA", jwtauth.ErrInvalid},
		"no signature":           {parts[0] + "." + parts[1], jwtauth.ErrInvalid},
		"another key":            {forge(hs256, good, []byte(strings.Repeat("x", 32))), jwtauth.ErrInvalid},
		"empty key":              {forge(hs256, good, nil), jwtauth.ErrInvalid},
		"alg twice":              {head(`{"alg":"none","alg":"HS256"}`), jwtauth.ErrInvalid},
		"alg in another case":    {head(`{"alg":"HS256","ALG":"none"}`), jwtauth.ErrInvalid},
		"unknown alg":            {head(`{"alg":"HS257"}`), jwtauth.ErrInvalid},
		"crit":                   {head(`{"alg":"HS256","crit":["exp"],"exp":1}`), jwtauth.ErrInvalid},
		"crit, empty":            {head(`{"alg":"HS256","crit":[]}`), jwtauth.ErrInvalid},
		"unencoded payload":      {head(`{"alg":"HS256","b64":false}`), jwtauth.ErrInvalid},
		"typ of a logout token":  {head(`{"alg":"HS256","typ":"logout+jwt"}`), jwtauth.ErrInvalid},
		"CR LF in the signature": {parts[0] + "." + parts[1] + "." + parts[2][:10] + "\r\n" + parts[2][10:], jwtauth.ErrInvalid},
		"space":                  {" " + valid, jwtauth.ErrInvalid},
		"padding":                {valid + "=", jwtauth.ErrInvalid},
		"four parts":             {valid + ".x", jwtauth.ErrInvalid},
		"many dots":              {strings.Repeat(".", 1<<20), jwtauth.ErrInvalid},
		"9 KiB":                  {body(`{"sub":"ada","exp":%d,"x":%q}`, exp, strings.Repeat("x", 9<<10)), jwtauth.ErrInvalid},
		"no exp":                 {body(`{"sub":"ada"}`), jwtauth.ErrInvalid},
		"exp null":               {body(`{"sub":"ada","exp":null}`), jwtauth.ErrInvalid},
		"exp a string":           {body(`{"sub":"ada","exp":"%d"}`, exp), jwtauth.ErrInvalid},
		"exp 0":                  {body(`{"sub":"ada","exp":0}`), jwtauth.ErrExpired},
		"exp negative":           {body(`{"sub":"ada","exp":-1}`), jwtauth.ErrExpired},
		"exp huge":               {body(`{"sub":"ada","exp":1e300}`), jwtauth.ErrInvalid},
		"exp in another case":    {body(`{"sub":"ada","EXP":%d}`, exp), jwtauth.ErrInvalid},
		"exp and its case twin":  {body(`{"sub":"ada","exp":1,"EXP":%d}`, exp), jwtauth.ErrInvalid},
		"exp twice":              {body(`{"sub":"ada","exp":1,"exp":%d}`, exp), jwtauth.ErrInvalid},
		"sub and its case twin":  {body(`{"sub":"ada","SUB":"root","exp":%d}`, exp), jwtauth.ErrInvalid},
		"sub, escaped twin":      {body(`{"sub":"ada","\u0073ub":"root","exp":%d}`, exp), jwtauth.ErrInvalid},
		"sub, Kelvin-like twin":  {body(`{"ſub":"root","exp":%d}`, exp), jwtauth.ErrInvalid},
		"field in another case":  {body(`{"sub":"ada","Role":"admin","exp":%d}`, exp), jwtauth.ErrInvalid},
		"sub a number":           {body(`{"sub":1,"exp":%d}`, exp), jwtauth.ErrInvalid},
		"sub of bad UTF-8":       {body("{\"sub\":\"ada\xff\",\"exp\":%d}", exp), jwtauth.ErrInvalid},
		"sub a lone surrogate":   {body(`{"sub":"\ud800","exp":%d}`, exp), jwtauth.ErrInvalid},
		"nbf ahead":              {body(`{"sub":"ada","exp":%d,"nbf":%d}`, exp, exp-10), jwtauth.ErrInvalid},
		"iat ahead":              {body(`{"sub":"ada","exp":%d,"iat":%d}`, exp, exp-10), jwtauth.ErrInvalid},
		"role a number":          {body(`{"sub":"ada","exp":%d,"role":1}`, exp), jwtauth.ErrInvalid},
		"no object":              {body(`[1]`), jwtauth.ErrInvalid},
		"null":                   {body(`null`), jwtauth.ErrInvalid},
		"two values":             {body(`{"exp":%d} {}`, exp), jwtauth.ErrInvalid},
		"expired, bad signature": {forge(hs256, `{"exp":1}`, []byte(strings.Repeat("x", 32))), jwtauth.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id, err := a.Authenticate(context.Background(), tt.token)
			if id != nil || !errors.Is(err, tt.want) {
				t.Errorf("%+v, %v; want %v", id, err, tt.want)
			}
		})
	}
}

// TestConfusion: a public key is no secret.
func TestConfusion(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edKey, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := jwt.MapClaims{"sub": "ada", "exp": time.Now().Add(time.Hour).Unix()}
	payload := fmt.Sprintf(`{"sub":"root","exp":%d}`, good["exp"])
	for name, tt := range map[string]struct {
		keys    jwtauth.Keys
		public  any
		private any
		method  jwt.SigningMethod
	}{
		"RSA":     {jwtauth.RSA(&rsaKey.PublicKey), &rsaKey.PublicKey, rsaKey, jwt.SigningMethodRS256},
		"PSS":     {jwtauth.RSA(&rsaKey.PublicKey), &rsaKey.PublicKey, rsaKey, jwt.SigningMethodPS512},
		"ECDSA":   {jwtauth.ECDSA(&ecKey.PublicKey), &ecKey.PublicKey, ecKey, jwt.SigningMethodES256},
		"Ed25519": {jwtauth.Ed25519(edKey), edKey, edPrivate, jwt.SigningMethodEdDSA},
		"func": {jwtauth.KeyFunc(func(context.Context, jwtauth.Unverified) ([]any, error) { return []any{edKey}, nil }, "EdDSA"),
			edKey, edPrivate, jwt.SigningMethodEdDSA},
		"func, made": {jwtauth.KeyFunc(func(context.Context, jwtauth.Unverified) ([]any, error) {
			key, err := jwtauth.NewKey(edKey, "EdDSA")
			return []any{key}, err
		}), edKey, edPrivate, jwt.SigningMethodEdDSA},
		"issuers": {jwtauth.Issuers(map[string]jwtauth.Keys{"a": jwtauth.Ed25519(edKey)}), edKey, nil, nil},
	} {
		a, err := jwtauth.New[jwtauth.Claims](tt.keys, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close(t.Context())
		der, err := x509.MarshalPKIXPublicKey(tt.public)
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := tt.public.(ed25519.PublicKey)
		for _, key := range [][]byte{der, raw, nil, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})} {
			if _, err := a.Authenticate(t.Context(), forge(hs256, payload, key)); !errors.Is(err, jwtauth.ErrInvalid) {
				t.Errorf("%s: signed with the public key: %v", name, err)
			}
		}
		if tt.method == nil {
			continue
		}
		token, err := jwt.NewWithClaims(tt.method, good).SignedString(tt.private)
		if err != nil {
			t.Fatal(err)
		}
		if id, err := a.Authenticate(t.Context(), token); err != nil || id.Subject != "ada" {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
}

// TestMalleable: the ID of a token does not depend on how it is spelled.
func TestMalleable(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a, err := jwtauth.New[jwtauth.Claims](jwtauth.ECDSA(&key.PublicKey), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close(t.Context())
	token, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"sub": "ada", "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	id, err := a.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Revoke(t.Context(), jwtauth.ByID(id.ID)); err != nil {
		t.Fatal(err)
	}
	// (r, n-s) is as valid as (r, s).
	parts := strings.Split(token, ".")
	sig, err := b64.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).SetBytes(sig[32:])
	s.Sub(key.Params().N, s).FillBytes(sig[32:])
	for _, spelled := range []string{token, parts[0] + "." + parts[1] + "." + b64.EncodeToString(sig)} {
		if _, err := a.Authenticate(t.Context(), spelled); !errors.Is(err, jwtauth.ErrRevoked) {
			t.Errorf("a revoked token: %v", err)
		}
	}
}
