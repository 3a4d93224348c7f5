package jwtauth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"runtime"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/zishang520/socket.io/v2/socket"
)

// BenchmarkVerify compares a whole verification, store included, with that of
// golang-jwt alone.
func BenchmarkVerify(b *testing.B) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	edKey, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	for _, tt := range []struct {
		method  jwt.SigningMethod
		private any
		public  crypto.PublicKey
		keys    jwtauth.Keys
	}{
		{jwt.SigningMethodHS256, secret, secret, jwtauth.HMAC(secret)},
		{jwt.SigningMethodRS256, rsaKey, &rsaKey.PublicKey, jwtauth.RSA(&rsaKey.PublicKey)},
		{jwt.SigningMethodES256, ecKey, &ecKey.PublicKey, jwtauth.ECDSA(&ecKey.PublicKey)},
		{jwt.SigningMethodEdDSA, edPrivate, edKey, jwtauth.Ed25519(edKey)},
	} {
		now := time.Now()
		token, err := jwt.NewWithClaims(tt.method, claims{
			RegisteredClaims: jwt.RegisteredClaims{
				Issuer: "https://issuer.example", Subject: "5f0c2a7e-user", ID: rand.Text(),
				IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour)),
			},
			Role: "admin",
		}).SignedString(tt.private)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(tt.method.Alg()+"/jwtauth", func(b *testing.B) {
			a, err := jwtauth.New[claims](tt.keys, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer a.Close(b.Context())
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Authenticate(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(tt.method.Alg()+"/golang-jwt", func(b *testing.B) {
			p := jwt.NewParser(jwt.WithValidMethods([]string{tt.method.Alg()}), jwt.WithStrictDecoding(),
				jwt.WithExpirationRequired(), jwt.WithIssuedAt())
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.ParseWithClaims(token, new(claims), func(*jwt.Token) (any, error) { return tt.public, nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFrom(b *testing.B) {
	a := newAuth(b, nil)
	s, sockets := authenticated(b, a)
	s.Dial(b, with(token(b, "ada", time.Hour))).Connected(b)
	so := <-sockets
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := a.From(so); !ok {
			b.Fatal("nobody")
		}
	}
}

// BenchmarkConnect joins a namespace and is disconnected again, without and with a token.
func BenchmarkConnect(b *testing.B) {
	for _, name := range []string{"plain", "jwtauth"} {
		b.Run(name, func(b *testing.B) {
			a := newAuth(b, nil)
			connected := make(chan *socket.Socket, 1)
			s := serve(b, func(io *socket.Server) {
				if name == "jwtauth" {
					io.Use(a.Middleware())
				}
				onConnection(io.Sockets(), func(s *socket.Socket) { connected <- s })
			})
			auth := object{"token": token(b, "ada", time.Hour)}
			c := s.Dial(b, siotest.Dial{Auth: auth})
			(<-connected).Disconnect(false)
			b.ReportAllocs()
			for b.Loop() {
				c.Connect("/", auth)
				(<-connected).Disconnect(false)
			}
		})
	}
}

// BenchmarkArmed adds 100,000 members with one exp to the index and the clock:
// what they cost besides their sockets, and how many goroutines.
func BenchmarkArmed(b *testing.B) {
	const n = 100_000
	for b.Loop() {
		a := newAuth(b, nil)
		exp := time.Now().Add(time.Hour)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		goroutines := runtime.NumGoroutine()
		start := time.Now()
		keep := jwtauth.Members(a, n, &jwtauth.Identity[claims]{Subject: "ada", ID: "one token", ExpiresAt: exp})
		took := time.Since(start)
		goroutines = runtime.NumGoroutine() - goroutines
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/member")
		b.ReportMetric(float64(took.Nanoseconds())/n, "ns/member")
		b.ReportMetric(float64(goroutines), "goroutines")
		runtime.KeepAlive(keep)
	}
}
