package origin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/origin"
)

// compile is New for valid entries.
func compile(tb testing.TB, allow ...string) *origin.Policy {
	tb.Helper()
	p, err := origin.New(allow)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func TestCheck(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, c := range testCases {
		if names[c.name] {
			t.Errorf("two cases named %q", c.name)
		}
		names[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if err := compile(t, c.allow...).Check(c.request()); (err == nil) != c.admit {
				t.Errorf("host %q, origins %q, sites %q, allow %q: error %v, want admitted: %t",
					c.host, c.origins, c.sites, c.allow, err, c.admit)
			}
		})
	}
}

// The method does not matter: CSRF packages that skip GET are why this exists.
func TestCheckMethods(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "CONNECT"} {
		r := testCase{host: "example.com", origins: []string{"https://evil.com"}}.request()
		r.Method = method
		if err := compile(t).Check(r); err == nil {
			t.Errorf("%s: admitted", method)
		}
	}
}

// What goes into the log from a hostile header is limited and quoted.
func TestCheckErrorIsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []testCase{
		{host: "h", origins: []string{"https://e.io\n" + strings.Repeat("x", 9000)}},
		{host: "h", sites: []string{"evil\n" + strings.Repeat("x", 9000)}},
		{host: strings.Repeat("h", 9000), origins: []string{"https://" + strings.Repeat("x", 9000) + ".io"}},
	} {
		err := compile(t).Check(c.request())
		if err == nil || len(err.Error()) > 500 || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %.600v", err)
		}
	}
}

// Changing the slice that was passed does not change the policy.
func TestNewCopiesEntries(t *testing.T) {
	t.Parallel()
	allow := []string{"https://app.example.com"}
	p := compile(t, allow...)
	allow[0] = "*"
	if p.Check(testCase{host: "api.io", origins: []string{"https://evil.com"}}.request()) == nil {
		t.Error("an entry changed after New returned took effect")
	}
}

func TestNewFaults(t *testing.T) {
	t.Parallel()
	bad := []string{
		"", " ", "null", "NULL", "**", "*.", "*.*", "*:*", "*:80", "*.*.example.com", "a.*.example.com",
		"app*.example.com", "*example.com", "https://*", "https://*:443", "https://", "://example.com",
		"1http://example.com", "ht tp://example.com", "https://example.com/", "https://example.com/path",
		"https://example.com?q", "https://example.com#f", "https://user@example.com", "user@example.com",
		"example.com/", "example.com ", " example.com", "example.com,example.org", "example.com example.org",
		"example.com:", "example.com:0", "example.com:080", "example.com:65536", "example.com:http",
		"example.com:80:*", "example.com:*:80", "example.com:8*", "https://example.com:*/", ".example.com",
		"a..example.com", "b\u00fccher.example", "example\x00.com", "::1", "[::1", "[::1]x", "[127.0.0.1]",
		"[fe80::1%eth0]", "*.[::1]", "*.127.0.0.1", "*.0.0.1.", "*.1", "capacitor://*.localhost",
		"capacitor://localhost:*", "chrome-extension://*", "https:example.com", "https:/example.com",
		"//example.com", "https://https://example.com",
	}
	for _, entry := range bad {
		text := faults(t, "good.example.com", entry)
		if want := fmt.Sprintf("invalid entry %q: ", entry); !strings.Contains(text, want) {
			t.Errorf("New(%q): error %q lacks %q", entry, text, want)
		}
		if strings.Contains(text, "good.example.com") {
			t.Errorf("New(%q): error %q blames a good entry", entry, text)
		}
	}

	// One run reports every fault: also those within one entry, also beside "*".
	text := faults(t, append([]string{"*", "h ttp://a b"}, bad...)...)
	for _, entry := range bad {
		if want := fmt.Sprintf("invalid entry %q: ", entry); !strings.Contains(text, want) {
			t.Errorf("error of all faults lacks %q", want)
		}
	}
	if n := strings.Count(text, `invalid entry "h ttp://a b": `); n != 2 {
		t.Errorf("entry with a bad scheme and a bad host is named %d times, want 2", n)
	}
}

// faults returns the error of New, which must have one and no policy.
func faults(t *testing.T, allow ...string) string {
	t.Helper()
	p, err := origin.New(allow)
	if err == nil || p != nil {
		t.Fatalf("New(%q): policy %v, error %v", allow, p, err)
	}
	return err.Error()
}

// TestJSONP: a script of the engine is refused to requests of unknown origin.
func TestJSONP(t *testing.T) {
	t.Parallel()
	p := compile(t)
	for query, refused := range map[string]bool{
		"EIO=4&transport=polling":                false,
		"EIO=4&transport=polling&t=abj":          false,
		"EIO=4&transport=polling&j=0":            true,
		"j&transport=polling":                    true,
		"transport=polling&EIO=4&j":              true,
		"EIO=4&transport=polling&%6a=0":          true,
		"EIO=4&transport=polling&x=%6a":          false,
		"j=0":                                    false, // a page's own
		"EIO=4&transport=polling&j=0&j=1&sid=ab": true,
	} {
		r := httptest.NewRequest(http.MethodGet, "http://example.com/socket.io/?"+query, nil)
		if err := p.Check(r); (err != nil) != refused {
			t.Errorf("%s: %v", query, err)
		}
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if err := p.Check(r); err != nil {
			t.Errorf("%s of the same origin: %v", query, err)
		}
	}
}

func TestCheckAllocs(t *testing.T) {
	for name, c := range allocCases {
		p, r := compile(t, c.allow...), c.request()
		if n := testing.AllocsPerRun(100, func() { _ = p.Check(r) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}

var allocCases = map[string]testCase{
	"absent":   {host: "example.com"},
	"same":     {host: "example.com:8443", origins: []string{"https://example.com:8443"}},
	"IPv6":     {host: "[::1]:3000", origins: []string{"http://[::1]:3000"}},
	"bare":     {host: "api.io", origins: []string{"https://app.example.com"}, allow: []string{"a.io", "app.example.com"}},
	"wildcard": {host: "api.io", origins: []string{"https://a.example.com"}, allow: []string{"https://*.example.com:*"}},
}

func BenchmarkCheck(b *testing.B) {
	for name, c := range allocCases {
		b.Run(name, func(b *testing.B) {
			p, r := compile(b, c.allow...), c.request()
			b.ReportAllocs()
			for b.Loop() {
				_ = p.Check(r)
			}
		})
	}
}
