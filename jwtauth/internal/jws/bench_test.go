package jws_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/jwtauth/internal/jws"
)

// read does with a token what a server does: claims in C, and the registered ones.
func read[C any](raw string, key jws.Key, shape *jws.Shape) (jws.Claims, C, error) {
	var c C
	token, err := jws.Parse(raw)
	if err != nil {
		return jws.Claims{}, c, err
	}
	if err := token.Verify(key); err != nil {
		return jws.Claims{}, c, err
	}
	claims, err := jws.ParseClaims(token.Payload(), shape, nil)
	if err != nil {
		return jws.Claims{}, c, err
	}
	err = json.Unmarshal(token.Payload(), &c)
	return claims, c, err
}

func benchToken(tb testing.TB, alg string) (string, pair) {
	k := pairOf(tb, alg)
	now := time.Now().Truncate(time.Second)
	return k.sign(tb, jwt.RegisteredClaims{
		Issuer: "https://id.example.com/", Subject: "5f8a2c1e-8a55-4b8e-9d8e-3f1f5a0f7b3c",
		Audience: jwt.ClaimStrings{"chat"}, ID: "0b1c7c3a-9a34-4f2d-8f36-1b3a7a3a1f20",
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour)),
	}), k
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"HS256", "RS256", "ES256", "EdDSA"} {
		raw, k := benchToken(b, alg)
		b.Run(alg+"/jws", func(b *testing.B) {
			key, err := jws.NewKey(k.public)
			if err != nil {
				b.Fatal(err)
			}
			shape := jws.ShapeOf(reflect.TypeFor[jwt.RegisteredClaims]())
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := read[jwt.RegisteredClaims](raw, key, shape); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(alg+"/golang-jwt", func(b *testing.B) {
			parser := jwt.NewParser(jwt.WithStrictDecoding(), jwt.WithValidMethods([]string{alg}),
				jwt.WithExpirationRequired(), jwt.WithIssuedAt())
			key := func(*jwt.Token) (any, error) { return k.public, nil }
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parser.ParseWithClaims(raw, new(jwt.RegisteredClaims), key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPeek is what is done about a token whatever it holds.
func BenchmarkPeek(b *testing.B) {
	raw, _ := benchToken(b, "HS256")
	b.ReportAllocs()
	for b.Loop() {
		token, err := jws.Parse(raw)
		if err != nil || token.Issuer() == "" {
			b.Fatal(err)
		}
	}
}

// TestAllocations has bounds well above what is measured, to notice that a walk
// over a token has begun to build something.
func TestAllocations(t *testing.T) {
	raw, k := benchToken(t, "HS256")
	key, err := jws.NewKey(k.public)
	if err != nil {
		t.Fatal(err)
	}
	shape := jws.ShapeOf(reflect.TypeFor[jwt.RegisteredClaims]())
	token, err := jws.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		most float64
		f    func()
	}{
		"Parse":       {8, func() { _, _ = jws.Parse(raw) }},
		"Verify":      {4, func() { _ = token.Verify(key) }},
		"Issuer":      {4, func() { token.Issuer() }},
		"ParseClaims": {16, func() { _, _ = jws.ParseClaims(token.Payload(), shape, nil) }},
	} {
		if got := testing.AllocsPerRun(100, c.f); got > c.most {
			t.Errorf("%s: %v allocations, want %v at most", name, got, c.most)
		} else {
			t.Logf("%s: %v allocations", name, got)
		}
	}
}
