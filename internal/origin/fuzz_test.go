package origin_test

import (
	"cmp"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/origin"
)

// FuzzCheck compares what is admitted with an independent reading by net/url.
func FuzzCheck(f *testing.F) {
	for _, c := range testCases {
		var value, site string
		if len(c.origins) > 0 {
			value = c.origins[0]
		}
		if len(c.sites) > 0 {
			site = c.sites[0]
		}
		f.Add(c.host, value, site, len(c.origins), len(c.sites))
	}
	none, below, all := compile(f), compile(f, "*.example.com"), compile(f, "*")
	f.Fuzz(func(t *testing.T, host, value, site string, origins, sites int) {
		c := testCase{host: host, origins: values(value, origins), sites: values(site, sites)}
		pass := func(p *origin.Policy) bool { return p.Check(c.request()) == nil }
		if len(c.origins) == 0 {
			want := len(c.sites) == 0 || site == "same-origin" || site == "none"
			for _, p := range []*origin.Policy{none, below, all} {
				if got := pass(p); got != want {
					t.Fatalf("no Origin, Sec-Fetch-Site %q: admitted: %t, want %t", c.sites, got, want)
				}
			}
			return
		}
		if pass(none) {
			u, h := readOrigin(t, c), readURL(t, "//"+host)
			port, ok := map[string]string{"http": "80", "ws": "80", "https": "443", "wss": "443"}[u.Scheme]
			if !ok {
				t.Fatalf("%q admitted for host %q: scheme %q", value, host, u.Scheme)
			}
			if !sameHost(u.Hostname(), h.Hostname()) || cmp.Or(u.Port(), port) != cmp.Or(h.Port(), port) {
				t.Fatalf("%q admitted for host %q", value, host)
			}
			if !pass(below) || !pass(all) {
				t.Fatalf("%q admitted for host %q, but not with entries", value, host)
			}
		}
		if pass(all) {
			readOrigin(t, c)
		}
		c.host = "" // matches nothing, which leaves the entry to decide
		if pass(none) {
			t.Fatalf("%q admitted for no host", value)
		}
		if pass(below) {
			name := strings.ToLower(readOrigin(t, c).Hostname())
			if !strings.HasSuffix(name, ".example.com") || len(name) == len(".example.com") {
				t.Fatalf("%q admitted by *.example.com", value)
			}
		}
	})
}

// values returns s n times, at most twice.
func values(s string, n int) []string {
	if n <= 0 {
		return nil
	}
	if n == 1 {
		return []string{s}
	}
	return []string{s, s}
}

// readOrigin returns the single admitted origin of c, which must be an origin.
func readOrigin(t *testing.T, c testCase) *url.URL {
	t.Helper()
	if len(c.origins) != 1 {
		t.Fatalf("%d origins admitted", len(c.origins))
	}
	u := readURL(t, c.origins[0])
	if u.Scheme == "" || u.Scheme+"://"+strings.ToLower(u.Host) != strings.ToLower(c.origins[0]) {
		t.Fatalf("%q admitted, which net/url reads as %q", c.origins[0], u)
	}
	return u
}

func readURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatalf("admitted, but net/url: %v", err)
	}
	if u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		t.Fatalf("%q admitted with more or less than a host", s)
	}
	return u
}

func sameHost(a, b string) bool {
	ip, err := netip.ParseAddr(a)
	if other, err2 := netip.ParseAddr(b); err == nil && err2 == nil {
		return ip == other
	}
	return strings.EqualFold(a, b)
}
