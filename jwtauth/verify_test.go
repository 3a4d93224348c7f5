package jwtauth_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/jwtauth"
)

// TestFaultsAreNamed: what a token has instead of what was asked for is in the error, for the
// log: an issuer may differ by a slash. What a client can make up is cut.
func TestFaultsAreNamed(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1000)
	for _, tt := range []struct {
		name  string
		o     jwtauth.Options[claims]
		token object
		want  string
	}{
		{"issuer", jwtauth.Options[claims]{Issuers: []string{"https://id.example.com/"}}, object{"iss": "https://id.example.com"}, `issuer "https://id.example.com" not accepted`},
		{"no issuer", jwtauth.Options[claims]{Issuers: []string{"https://id.example.com/"}}, nil, `issuer "" not accepted`},
		{"audience", jwtauth.Options[claims]{Audiences: []string{"chat"}}, object{"aud": []string{"a", "b"}}, `"a b"`},
		{"long audience", jwtauth.Options[claims]{Audiences: []string{"chat"}}, object{"aud": long}, long[:100] + `"`},
	} {
		a := newAuth(t, &tt.o)
		_, err := a.Authenticate(t.Context(), token(t, "ada", time.Minute, tt.token))
		if !errors.Is(err, jwtauth.ErrInvalid) || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 300 {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}
