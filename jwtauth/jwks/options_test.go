package jwks_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sioware/sioware/jwtauth/jwks"
)

func TestNewFaults(t *testing.T) {
	t.Parallel()
	const good = "https://id.example.com/keys"
	for name, tt := range map[string]struct {
		url  string
		opts *jwks.Options
		want []string // none: no fault
	}{
		"nil":            {good, nil, nil},
		"http allowed":   {"http://127.0.0.1/", &jwks.Options{InsecureHTTP: true}, nil},
		"long refresh":   {good, &jwks.Options{RefreshEvery: 48 * time.Hour}, nil},
		"http":           {"http://127.0.0.1/", nil, []string{"https is required"}},
		"empty":          {"", nil, []string{"no URL; is a variable not set?"}},
		"file":           {"file:///etc/keys", &jwks.Options{InsecureHTTP: true}, []string{"scheme is not https"}},
		"no host":        {"https:///keys", nil, []string{"no host"}},
		"malformed":      {"https://[", nil, []string{"malformed URL"}},
		"no algorithm":   {good, &jwks.Options{Algorithms: []string{}}, []string{"Algorithms: empty"}},
		"short MaxStale": {good, &jwks.Options{MaxStale: time.Minute}, []string{"MaxStale: 1m0s is less than RefreshEvery, 1h0m0s"}},
		"all at once": {"http://h", &jwks.Options{
			Algorithms: []string{"HS256", "none", "RS256"}, RefreshEvery: -1, UnknownEvery: time.Millisecond, MaxStale: -1,
		}, []string{"https is required", `"HS256" is not`, `"none" is not`, "RefreshEvery: -1ns", "UnknownEvery: 1ms", "MaxStale: -1ns"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := jwks.New(tt.url, tt.opts)
			if len(tt.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Check(); err != nil {
					t.Errorf("Check: %v", err)
				}
				return
			}
			if err == nil {
				t.Fatal("no fault found")
			}
			if s != nil {
				t.Error("a Set in spite of faults")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not contain %q", err, want)
				}
			}
		})
	}
}

func TestOptionsAreCopied(t *testing.T) {
	t.Parallel()
	opts := jwks.Options{Algorithms: []string{"EdDSA"}}
	s := newSet(t, address, opts)
	opts.Algorithms[0] = "HS256"
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	if opts.RefreshEvery != 0 || opts.Client != nil {
		t.Error("the defaults were written into the caller's options")
	}
}
