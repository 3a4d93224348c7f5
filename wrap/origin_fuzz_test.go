package wrap_test

import (
	"cmp"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/sioware/sioware/wrap"
)

// FuzzOrigin holds what is admitted against an independent reading by net/url.
func FuzzOrigin(f *testing.F) {
	for _, c := range originCases {
		var origin, site string
		if len(c.origins) > 0 {
			origin = c.origins[0]
		}
		if len(c.sites) > 0 {
			site = c.sites[0]
		}
		f.Add(c.host, origin, site, len(c.origins), len(c.sites))
	}
	none, below, all := wrap.Origin(), wrap.Origin("*.example.com"), wrap.Origin("*")
	f.Fuzz(func(t *testing.T, host, origin, site string, origins, sites int) {
		c := originCase{host: host, origins: originValues(origin, origins), sites: originValues(site, sites)}
		pass := func(mw wrap.Middleware) bool {
			_, passed := serveOrigin(mw, c.request())
			return passed
		}
		if len(c.origins) == 0 {
			want := len(c.sites) == 0 || site == "same-origin" || site == "none"
			for _, mw := range []wrap.Middleware{none, below, all} {
				if got := pass(mw); got != want {
					t.Fatalf("no Origin, Sec-Fetch-Site %q: admitted: %t, want %t", c.sites, got, want)
				}
			}
			return
		}
		if pass(none) {
			u, h := readOrigin(t, c), readOriginURL(t, "//"+host)
			port, ok := map[string]string{"http": "80", "ws": "80", "https": "443", "wss": "443"}[u.Scheme]
			if !ok {
				t.Fatalf("%q admitted for host %q: scheme %q", origin, host, u.Scheme)
			}
			if !sameOriginHost(u.Hostname(), h.Hostname()) || cmp.Or(u.Port(), port) != cmp.Or(h.Port(), port) {
				t.Fatalf("%q admitted for host %q", origin, host)
			}
			if !pass(below) || !pass(all) {
				t.Fatalf("%q admitted for host %q, but not with entries", origin, host)
			}
		}
		if pass(all) {
			readOrigin(t, c)
		}
		c.host = "" // matches nothing, which leaves the entry to decide
		if pass(none) {
			t.Fatalf("%q admitted for no host", origin)
		}
		if pass(below) {
			name := strings.ToLower(readOrigin(t, c).Hostname())
			if !strings.HasSuffix(name, ".example.com") || len(name) == len(".example.com") {
				t.Fatalf("%q admitted by *.example.com", origin)
			}
		}
	})
}

// originValues returns n times s, two at most.
func originValues(s string, n int) []string {
	if n <= 0 {
		return nil
	}
	if n == 1 {
		return []string{s}
	}
	return []string{s, s}
}

// readOrigin returns the one admitted origin of c, which must be an origin.
func readOrigin(t *testing.T, c originCase) *url.URL {
	t.Helper()
	if len(c.origins) != 1 {
		t.Fatalf("%d origins admitted", len(c.origins))
	}
	u := readOriginURL(t, c.origins[0])
	if u.Scheme == "" || u.Scheme+"://"+strings.ToLower(u.Host) != strings.ToLower(c.origins[0]) {
		t.Fatalf("%q admitted, which net/url reads as %q", c.origins[0], u)
	}
	return u
}

func readOriginURL(t *testing.T, s string) *url.URL {
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

func sameOriginHost(a, b string) bool {
	ip, err := netip.ParseAddr(a)
	if other, err2 := netip.ParseAddr(b); err == nil && err2 == nil {
		return ip == other
	}
	return strings.EqualFold(a, b)
}
