package jwks_test

import (
	"log/slog"
	"net/http"
	"strconv"
	"testing"

	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/jwks"
	"github.com/sioware/sioware/jwtauth/jwtauthtest"
)

func BenchmarkFind(b *testing.B) {
	signer := jwtauthtest.NewSigner(b, "EdDSA")
	s := overNetwork(b, &network{body: keySet(signer, jwtauthtest.NewSigner(b, "ES256"))}, jwks.Options{})
	finds(b, s, by(signer), signer)
	finds(b, s, unknown("spends the window"))
	for name, h := range map[string]jwtauth.Unverified{
		"known": by(signer), "no kid": {Algorithm: "EdDSA"}, "unknown": unknown("x"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Find(b.Context(), h); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("known, parallel", func(b *testing.B) {
		h := by(signer)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				_, _ = s.Find(b.Context(), h)
			}
		})
	})
}

func BenchmarkRefresh(b *testing.B) {
	for _, keys := range []int{1, 10} {
		b.Run(strconv.Itoa(keys), func(b *testing.B) {
			var signers []*jwtauthtest.Signer
			for range keys {
				signers = append(signers, jwtauthtest.NewSigner(b, "ES256"))
			}
			opts := jwks.Options{
				Client: &http.Client{Transport: &network{body: keySet(signers...)}},
				Logger: slog.New(slog.DiscardHandler),
			}
			b.ReportAllocs()
			for b.Loop() {
				s, err := jwks.New(address, &opts)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := s.Find(b.Context(), by(signers[0])); err != nil {
					b.Fatal(err)
				}
				_ = s.Close(b.Context())
			}
		})
	}
}
