package jwtauth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sioware/sioware/jwtauth"
)

// TestIssuers: the key of one issuer is worthless for another, and nothing is
// fetched for unknown issuers.
func TestIssuers(t *testing.T) {
	t.Parallel()
	secrets := map[string][]byte{"a": []byte(strings.Repeat("a", 32)), "b": []byte(strings.Repeat("b", 32))}
	var asked []string
	keys := make(map[string]jwtauth.Keys)
	for name, secret := range secrets {
		keys[name] = jwtauth.KeyFunc(func(_ context.Context, h jwtauth.Unverified) ([]any, error) {
			asked = append(asked, h.Issuer)
			return []any{secret}, nil
		})
	}
	a, err := jwtauth.New[jwtauth.Claims](jwtauth.Issuers(keys), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close(t.Context())
	claims := func(iss string) string { return fmt.Sprintf(`{%s"exp":%d}`, iss, time.Now().Add(time.Hour).Unix()) }
	for _, tt := range []struct {
		token string
		ok    bool
		asked string
	}{
		{forge(hs256, claims(`"iss":"a",`), secrets["a"]), true, "[a]"},
		{forge(hs256, claims(`"iss":"b",`), secrets["b"]), true, "[b]"},
		{forge(hs256, claims(`"iss":"a",`), secrets["b"]), false, "[a]"},
		{forge(hs256, claims(`"iss":"c",`), secrets["a"]), false, "[]"},
		{forge(hs256, claims(`"iss":"A",`), secrets["a"]), false, "[]"},
		{forge(hs256, claims(`"ISS":"a",`), secrets["a"]), false, "[]"},
		{forge(hs256, claims(`"iss":"b","iss":"a",`), secrets["a"]), false, ""},
		{forge(hs256, claims(``), secrets["a"]), false, "[]"},
	} {
		asked = []string{}
		id, err := a.Authenticate(t.Context(), tt.token)
		if (err == nil) != tt.ok || !tt.ok && !errors.Is(err, jwtauth.ErrInvalid) {
			t.Errorf("%+v, %v", id, err)
		}
		if got := fmt.Sprint(asked); tt.asked != "" && got != tt.asked {
			t.Errorf("asked for keys of %s, want %s", got, tt.asked)
		}
	}
}

// TestStrangersFetchNothing: a token that names an issuer that is not accepted
// does not cause a key lookup.
func TestStrangersFetchNothing(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	keys := jwtauth.KeyFunc(func(context.Context, jwtauth.Unverified) ([]any, error) {
		asked.Add(1)
		return []any{secret}, nil
	})
	a, err := jwtauth.New(keys, &jwtauth.Options[claims]{Issuers: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close(t.Context())
	for _, more := range []object{nil, {"iss": ""}, {"iss": "b"}, {"iss": "A"}, {"iss": 1}} {
		if _, err := a.Authenticate(t.Context(), token(t, "ada", time.Hour, more)); !errors.Is(err, jwtauth.ErrInvalid) {
			t.Errorf("%v: %v", more, err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("keys were looked up %d times", n)
	}
	if _, err := a.Authenticate(t.Context(), token(t, "ada", time.Hour, object{"iss": "a"})); err != nil || asked.Load() != 1 {
		t.Errorf("a good token: %v, looked up %d times", err, asked.Load())
	}
}
