package jwtauthtest_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sioware/sioware/internal/siotest"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/jwtauthtest"
)

type object = map[string]any

var algorithms = strings.Fields("HS256 HS384 HS512 RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA")

// authenticate returns what package jwtauth says of a token.
func authenticate(t testing.TB, keys jwtauth.Keys, token string) (*jwtauth.Identity[object], error) {
	t.Helper()
	auth, err := jwtauth.New[object](keys, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = auth.Close(context.Background()) }()
	return auth.Authenticate(context.Background(), token)
}

// parts returns the header and the claims of a token, and whether it has a
// signature.
func parts(t testing.TB, token string) (header, claims string, signed bool) {
	t.Helper()
	p := strings.Split(token, ".")
	if len(p) != 3 {
		t.Fatalf("token of %d parts", len(p))
	}
	for i := range 2 {
		b, err := base64.RawURLEncoding.DecodeString(p[i])
		if err != nil {
			t.Fatal(err)
		}
		p[i] = string(b)
	}
	return p[0], p[1], p[2] != ""
}

func TestSigners(t *testing.T) {
	t.Parallel()
	for _, alg := range algorithms {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			a, b := jwtauthtest.NewSigner(t, alg), jwtauthtest.NewSigner(t, alg)
			token := a.Token("alice", time.Minute, object{"role": "admin"})
			id, err := authenticate(t, a.Keys(), token)
			if err != nil {
				t.Fatal(err)
			}
			if id.Subject != "alice" || id.Claims["role"] != "admin" || id.Issuer != "" || id.ID == "" {
				t.Errorf("identity %+v", id)
			}
			if _, err := authenticate(t, b.Keys(), token); !errors.Is(err, jwtauth.ErrInvalid) {
				t.Errorf("with the key of another: %v", err)
			}
			if a.KeyID() == b.KeyID() || a.KeyID() == "" {
				t.Errorf("key IDs %q and %q", a.KeyID(), b.KeyID())
			}
			header, _, _ := parts(t, token)
			if want := fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"JWT"}`, alg, a.KeyID()); header != want {
				t.Errorf("header %s, want %s", header, want)
			}

			var jwk object
			if err := json.Unmarshal([]byte(a.JWK()), &jwk); err != nil {
				t.Fatal(err)
			}
			if jwk["kid"] != a.KeyID() || jwk["alg"] != alg || jwk["use"] != "sig" {
				t.Errorf("JWK %v", jwk)
			}
			for _, private := range []string{"d", "p", "q", "dp", "dq", "qi"} {
				if jwk[private] != nil {
					t.Errorf("JWK has %s", private)
				}
			}
		})
	}
}

func TestToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := jwtauthtest.NewSigner(t, "EdDSA")
		now := time.Now().Unix()
		at := func(ttl time.Duration, more ...object) object {
			t.Helper()
			_, claims, _ := parts(t, s.Token("alice", ttl, more...))
			var m object
			if err := json.Unmarshal([]byte(claims), &m); err != nil {
				t.Fatal(err)
			}
			return m
		}
		m := at(time.Minute)
		if len(m) != 4 || m["sub"] != "alice" || m["iat"] != float64(now) || m["exp"] != float64(now+60) || m["jti"] == "" {
			t.Errorf("claims %v", m)
		}
		if at(time.Minute)["jti"] == m["jti"] {
			t.Error("jti twice")
		}
		m = at(time.Minute, object{"iss": "x", "sub": "bob"}, object{"jti": nil, "iss": "y"})
		if len(m) != 4 || m["iss"] != "y" || m["sub"] != "bob" {
			t.Errorf("claims %v", m)
		}
		for ttl, want := range map[time.Duration]int64{
			-time.Second: -1, -time.Millisecond: -1, 0: 0, time.Millisecond: 1, time.Second: 1, 1500 * time.Millisecond: 2,
		} {
			if got := at(ttl)["exp"]; got != float64(now+want) {
				t.Errorf("ttl %v: exp %v, want %v", ttl, got, now+want)
			}
		}
		token := s.Token("alice", time.Minute)
		<-time.After(time.Minute - 1)
		if _, err := authenticate(t, s.Keys(), token); err != nil {
			t.Error(err)
		}
		<-time.After(1)
		if _, err := authenticate(t, s.Keys(), token); !errors.Is(err, jwtauth.ErrExpired) {
			t.Errorf("%v, want expired", err)
		}
	})
}

func TestSignIsExact(t *testing.T) {
	t.Parallel()
	s := jwtauthtest.NewSigner(t, "HS256")
	type claims struct {
		Sub string `json:"sub"`
	}
	for want, c := range map[string]any{
		`{"sub":"alice"}`:              claims{"alice"},
		`{"a":null}`:                   object{"a": nil},
		` {"a":1, "a":2, "<": 1.0e0} `: json.RawMessage(` {"a":1, "a":2, "<": 1.0e0} `),
		`{{{`:                          json.RawMessage(`{{{`),
		``:                             json.RawMessage(nil),
		`null`:                         nil,
	} {
		if _, got, signed := parts(t, s.Sign(c)); got != want || !signed {
			t.Errorf("Sign(%v): %s", c, got)
		}
	}
}

func TestSignHeader(t *testing.T) {
	t.Parallel()
	s := jwtauthtest.NewSigner(t, "RS256")
	claims := object{"sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}
	for name, tt := range map[string]struct {
		header object
		want   string // part of the header
		signed bool
		good   bool
	}{
		"nothing":     {nil, `"typ":"JWT"`, true, true},
		"none":        {object{"alg": "none"}, `"alg":"none"`, false, false},
		"nOnE":        {object{"alg": "nOnE"}, `"alg":"nOnE"`, false, false},
		"confusion":   {object{"alg": "HS256"}, `"alg":"HS256"`, true, false},
		"other alg":   {object{"alg": "PS384"}, `"alg":"PS384"`, true, true},
		"other key":   {object{"alg": "ES256"}, `"alg":"ES256"`, true, false},
		"unknown":     {object{"alg": "XX"}, `"alg":"XX"`, true, false},
		"alg number":  {object{"alg": 7}, `"alg":7`, true, false},
		"no alg":      {object{"alg": nil}, `{"kid":`, true, false},
		"no kid":      {object{"kid": nil}, `{"alg":"RS256","typ":"JWT"}`, true, true},
		"other kid":   {object{"kid": "../../x"}, `"kid":"../../x"`, true, true}, // these Keys have no names
		"jku":         {object{"jku": "https://evil.example"}, `"jku":"https://evil.example"`, true, true},
		"unknown ext": {object{"crit": []string{"x"}, "x": 1}, `"crit":["x"]`, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token := s.SignHeader(tt.header, claims)
			header, _, signed := parts(t, token)
			if !strings.Contains(header, tt.want) || signed != tt.signed {
				t.Errorf("header %s, signed %v", header, signed)
			}
			switch _, err := authenticate(t, s.Keys(), token); {
			case tt.good && err != nil:
				t.Error(err)
			case !tt.good && !errors.Is(err, jwtauth.ErrInvalid):
				t.Errorf("%v, want invalid", err)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	failures := siotest.Failures(t, func(tb testing.TB) {
		s := jwtauthtest.NewSigner(tb, "ES256")
		for _, token := range []string{
			s.Sign(object{"f": func() {}}),
			s.Token("alice", time.Minute, object{"f": make(chan int)}),
			s.SignHeader(object{"kid": func() {}}, nil),
		} {
			if token != "" {
				t.Errorf("token %s of what cannot be signed", token)
			}
		}
	})
	if len(failures) != 3 {
		t.Errorf("%d failures, want 3: %v", len(failures), failures)
	}

	for _, alg := range []string{"", "none", "HS1", "rs256"} {
		failures := siotest.Failures(t, func(tb testing.TB) { jwtauthtest.NewSigner(tb, alg) })
		if len(failures) != 1 {
			t.Errorf("NewSigner(%q): %v, want one failure", alg, failures)
		}
	}
}

func TestSignersAreSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"HS256", "RS256", "ES256", "EdDSA"} {
		s := jwtauthtest.NewSigner(t, alg)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if s.Token("alice", time.Minute) == "" || s.JWK() == "" || s.Keys().Check() != nil {
					t.Errorf("%s failed", alg)
				}
			})
		}
		wg.Wait()
	}
}
