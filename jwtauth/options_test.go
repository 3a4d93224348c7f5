package jwtauth_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/jwtauth"
)

// TestNewFaults: all faults come back together.
func TestNewFaults(t *testing.T) {
	t.Parallel()
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	_, err = jwtauth.New(jwtauth.HMAC(nil, []byte("short"), secret), &jwtauth.Options[claims]{
		Sources:    []jwtauth.Source{{}, jwtauth.AuthField(""), jwtauth.Bearer(), jwtauth.Bearer(), jwtauth.Header("authorization")},
		Algorithms: []string{"none", "HS999"},
		Issuers:    []string{""}, Audiences: []string{}, Required: []string{"a", ""},
		Leeway: time.Hour, Warning: 60, MaxLifetime: -1, InsecureNoExpiry: true,
		OnExpiry: 7, Logins: -1, Origins: []string{"nonsense://*"},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"key 1", "key 2", "zero Source", "needs a name", "twice", "use Bearer()", `"none"`, `"HS999"`, "Issuers: empty string", "Audiences: empty",
		"Required: empty string", "Leeway", "Warning: 60ns is less than 1ms", "MaxLifetime", "OnExpiry", "Logins", "Origins",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "short") {
		t.Errorf("the secret is told:\n%v", err)
	}

	for name, keys := range map[string]jwtauth.Keys{
		"nil":           nil,
		"no RSA key":    jwtauth.RSA(),
		"nil RSA key":   jwtauth.RSA(nil),
		"weak RSA key":  jwtauth.RSA(&weak.PublicKey),
		"nil ECDSA key": jwtauth.ECDSA(nil),
		"no curve":      jwtauth.ECDSA(&ecdsa.PublicKey{}),
		"empty Ed25519": jwtauth.Ed25519(ed25519.PublicKey{}),
		"nil func":      jwtauth.KeyFunc(nil),
		"none":          jwtauth.KeyFunc(nil, "none"),
		"no issuer":     jwtauth.Issuers(nil),
		"empty issuer":  jwtauth.Issuers(map[string]jwtauth.Keys{"": jwtauth.HMAC(secret)}),
		"nil issuer":    jwtauth.Issuers(map[string]jwtauth.Keys{"a": nil}),
		"weak issuer":   jwtauth.Issuers(map[string]jwtauth.Keys{"a": jwtauth.HMAC([]byte("x"))}),
	} {
		if _, err := jwtauth.New[claims](keys, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	// An algorithm that no key is for would refuse everybody.
	if _, err := jwtauth.New(jwtauth.HMAC(secret), &jwtauth.Options[claims]{Algorithms: []string{"HS256", "RS256"}}); err == nil {
		t.Error("RS256 with a secret: no error")
	}
	if _, err := jwtauth.New(jwtauth.HMAC(secret), &jwtauth.Options[claims]{InsecureNoExpiry: true, MaxLifetime: time.Hour}); err == nil {
		t.Error("no expiry with a longest lifetime: no error")
	}
	// The store would let a second login in beside the sockets that stay.
	for name, policy := range policies {
		o := &jwtauth.Options[claims]{OnExpiry: jwtauth.Notify, Logins: policy}
		if _, err := jwtauth.New(jwtauth.HMAC(secret), o); err == nil || !strings.Contains(err.Error(), "Notify") {
			t.Errorf("Notify with the %s login: %v", name, err)
		}
	}
	// A variable that was not set is not a store.
	var unset *jwtauth.MemoryStore
	if _, err := jwtauth.New(jwtauth.HMAC(secret), &jwtauth.Options[claims]{Store: unset}); err == nil || !strings.Contains(err.Error(), "Store: a nil *jwtauth.MemoryStore") {
		t.Errorf("a nil store: %v", err)
	}
}

// TestOptionsAreCopied: what the caller does later changes nothing.
func TestOptionsAreCopied(t *testing.T) {
	t.Parallel()
	key := []byte(strings.Repeat("k", 32))
	o := &jwtauth.Options[claims]{Audiences: []string{"chat"}}
	a, err := jwtauth.New(jwtauth.HMAC(key), o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close(t.Context())
	good := forge(hs256, `{"aud":"chat","exp":9999999999}`, []byte(strings.Repeat("k", 32)))
	o.Audiences[0], o.Leeway, key[0] = "other", time.Hour, 'x'
	if _, err := a.Authenticate(t.Context(), good); err != nil {
		t.Error(err)
	}
	if o.Store != nil || o.Sources != nil || o.Logger != nil || o.Warning != 0 {
		t.Errorf("New has written into the options: %+v", o)
	}
}

// TestClaimOptions: what the options say about claims.
func TestClaimOptions(t *testing.T) {
	t.Parallel()
	type options = jwtauth.Options[claims]
	hour := time.Hour
	for name, tt := range map[string]struct {
		o    *options
		more object
		ok   bool
	}{
		"iss":               {&options{Issuers: []string{"a", "b"}}, object{"iss": "b"}, true},
		"iss missing":       {&options{Issuers: []string{"a"}}, nil, false},
		"iss other":         {&options{Issuers: []string{"a"}}, object{"iss": "A"}, false},
		"aud":               {&options{Audiences: []string{"a"}}, object{"aud": "a"}, true},
		"aud list":          {&options{Audiences: []string{"a"}}, object{"aud": []string{"x", "a"}}, true},
		"aud other":         {&options{Audiences: []string{"a"}}, object{"aud": []string{"x", ""}}, false},
		"aud empty":         {&options{Audiences: []string{"a"}}, object{"aud": []string{}}, false},
		"aud unasked":       {nil, object{"aud": "a"}, true},
		"aud of objects":    {nil, object{"aud": []object{{}}}, false},
		"required":          {&options{Required: []string{"role"}}, object{"role": "x"}, true},
		"required missing":  {&options{Required: []string{"role"}}, nil, false},
		"required null":     {&options{Required: []string{"x"}}, object{"x": []any{}}, true},
		"leeway":            {&options{Leeway: time.Minute}, object{"exp": time.Now().Unix() - 30}, true},
		"beyond leeway":     {&options{Leeway: time.Minute}, object{"exp": time.Now().Unix() - 61}, false},
		"nbf within leeway": {&options{Leeway: time.Minute}, object{"nbf": time.Now().Unix() + 30}, true},
		"iat within leeway": {&options{Leeway: time.Minute}, object{"iat": time.Now().Unix() + 30}, true},
		"lifetime":          {&options{MaxLifetime: hour + time.Minute}, nil, true},
		"beyond lifetime":   {&options{MaxLifetime: hour / 2}, nil, false},
		"lifetime + leeway": {&options{MaxLifetime: hour, Leeway: time.Minute}, object{"exp": time.Now().Unix() + 3630}, true},
		"beyond both":       {&options{MaxLifetime: hour, Leeway: time.Minute}, object{"exp": time.Now().Unix() + 3690}, false},
		"long, nearly over": {&options{MaxLifetime: hour}, object{"iat": time.Now().Unix() - 3600}, false},
		"iat rounded":       {&options{MaxLifetime: hour + time.Second/2}, object{"iat": time.Now().Unix() - 1, "exp": time.Now().Unix() + 3600}, true},
		"long, no iat":      {&options{MaxLifetime: hour}, object{"iat": nil}, true},
		"no exp, wanted":    {&options{InsecureNoExpiry: true}, object{"exp": nil}, true},
		"exp, though":       {&options{InsecureNoExpiry: true}, object{"exp": 1}, false},
		"algorithm":         {&options{Algorithms: []string{"HS256"}}, nil, true},
	} {
		_, err := newAuth(t, tt.o).Authenticate(t.Context(), token(t, "ada", hour, tt.more))
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := []byte(strings.Repeat("l", 64))
	a, err := jwtauth.New(jwtauth.HMAC(long), &options{Algorithms: []string{"HS512"}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close(t.Context())
	if _, err := a.Authenticate(t.Context(), forge(hs256, `{"exp":9999999999}`, long)); err == nil {
		t.Error("HS256 was accepted where HS512 is asked for")
	}
}

// TestRotation: a secret that is in use still verifies.
func TestRotation(t *testing.T) {
	t.Parallel()
	fresh := []byte(strings.Repeat("n", 32))
	a, err := jwtauth.New[claims](jwtauth.HMAC(fresh, secret), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close(t.Context())
	for _, key := range [][]byte{fresh, secret} {
		if _, err := a.Authenticate(t.Context(), forge(hs256, `{"exp":9999999999}`, key)); err != nil {
			t.Error(err)
		}
	}
}
