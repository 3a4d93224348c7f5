package sioware_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestDependencies: packages pull in only what their users need. Importing jwtauth
// compiles no Redis client.
func TestDependencies(t *testing.T) {
	t.Parallel()
	list := func(args ...string) []string {
		out, err := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...).Output()
		if err != nil {
			t.Fatalf("go list %v: %v", args, err)
		}
		return strings.Fields(string(out))
	}
	// A package, and who may depend on it, by part of the path.
	rules := map[string][]string{
		"github.com/redis/":                           {"/redisstore", "/examples/", "/internal/bench", "/internal/redistest", "/internal/redisclient"},
		"github.com/alicebob/miniredis/":              {"/internal/redistest"},
		"github.com/MicahParks/":                      {"/jwks", "/jwtauthtest"},
		"github.com/golang-jwt/":                      {"/jwtauth", "/examples/", "/internal/bench"},
		"github.com/gorilla/sessions":                 {"/session", "/examples/", "/internal/bench"},
		"github.com/prometheus/":                      {"/prommetrics", "/examples/"},
		"github.com/boj/":                             {"/examples/"},
		"github.com/sioware/sioware/internal/siotest": {},
		"testing": {"/internal/siotest", "/internal/redistest", "test"},
	}
	for _, pkg := range list("./...") {
		deps := list("-deps", pkg)
		for dep, allowed := range rules {
			for _, d := range deps {
				below := strings.HasSuffix(dep, "/") && strings.HasPrefix(d, dep)
				if d == pkg || d != dep && !below {
					continue
				}
				ok := false
				for _, part := range allowed {
					ok = ok || strings.Contains(pkg, part)
				}
				if !ok {
					t.Errorf("%s depends on %s", pkg, d)
				}
			}
		}
	}
}
