package jwtauthtest

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sioware/sioware/jwtauth"
)

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	TestStore(t, func(*testing.T) (a, b jwtauth.Store) {
		s := jwtauth.NewMemoryStore()
		return s, s
	})
}

// The cases quote sentences of store.go.
func TestStoreQuotes(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../store.go")
	if err != nil {
		t.Fatal(err)
	}
	contract := strings.ToLower(regexp.MustCompile(`\s+(//\s*)?`).ReplaceAllString(string(source), " "))
	cases := slices.Concat(revocationCases, loginCases, refreshCases, watchCases)
	for _, says := range []string{saysJoins, saysReplaced, saysOther, saysBears, saysEach, saysNewest, saysOldest} {
		cases = append(cases, storeCase{says: says}) // within others
	}
	for _, c := range cases {
		if !strings.Contains(contract, strings.ToLower(c.says)) {
			t.Errorf("%s: %q is not in store.go", c.name, c.says)
		}
	}
}
