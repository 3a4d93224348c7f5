package clientip_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/clientip"
)

// parse returns prefixes that are spelled correctly.
func parse(prefixes ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(prefixes))
	for i, p := range prefixes {
		list[i] = netip.MustParsePrefix(p)
	}
	return list
}

// source is New for valid arguments.
func source(tb testing.TB, header string, trusted ...string) *clientip.Source {
	tb.Helper()
	s, err := clientip.New(parse(trusted...), header)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// addr parses an address; "" is the zero one.
func addr(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}

func TestOf(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, c := range testCases {
		if names[c.name] {
			t.Errorf("two cases named %q", c.name)
		}
		names[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := source(t, c.header, proxies...).Of(c.request()); got != addr(c.want) {
				t.Errorf("peer %.100q, %s %.100q: client %v, want %q", c.peer, c.header, c.lines, got, c.want)
			}
		})
	}
}

// Without trusted proxies, no request gets its address from a header.
func TestOfTrustsNobody(t *testing.T) {
	t.Parallel()
	none := source(t, "")
	for _, c := range testCases {
		alone := c
		alone.lines = nil
		want := none.Of(alone.request())
		for name, s := range map[string]*clientip.Source{"without prefixes": none, "zero": {}} {
			if got := s.Of(c.request()); got != want {
				t.Errorf("%s: Source %s: client %v, want %v", c.name, name, got, want)
			}
		}
	}
}

// Only the header that was named is read.
func TestOfReadsOneHeader(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"": "1.1.1.1", "X-Forwarded-For": "1.1.1.1", "Forwarded": "2.2.2.2", "X-Real-Ip": "3.3.3.3", "X-Other": "10.0.0.1",
	} {
		r := &http.Request{RemoteAddr: proxy, Header: http.Header{
			"X-Forwarded-For": {"1.1.1.1"}, "Forwarded": {"for=2.2.2.2"}, "X-Real-Ip": {"3.3.3.3"},
		}}
		if got := source(t, header, proxies...).Of(r); got != addr(want) {
			t.Errorf("header %q: client %v, want %s", header, got, want)
		}
	}
}

// The header as net/http hands it out, whatever case it was sent in.
func TestOfServer(t *testing.T) {
	t.Parallel()
	s := source(t, "x-forwarded-FOR", "127.0.0.0/8", "::1/128")
	got := make(chan netip.Addr, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- s.Of(r) }))
	defer server.Close()
	r := httptest.NewRequest("GET", server.URL, nil)
	r.RequestURI = ""
	r.Header = http.Header{"x-forwarded-for": {"9.9.9.9", "1.2.3.4"}} // two lines, sent as they are
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if a := <-got; a != addr("1.2.3.4") {
		t.Errorf("client %v, want 1.2.3.4", a)
	}
}

// Changing the slice that was passed does not change whom to trust.
func TestNewCopiesPrefixes(t *testing.T) {
	t.Parallel()
	trusted := parse("10.0.0.0/8")
	s, err := clientip.New(trusted, "")
	if err != nil {
		t.Fatal(err)
	}
	trusted[0] = netip.MustParsePrefix("0.0.0.0/0")
	if got := s.Of(testCase{peer: other, lines: []string{"1.2.3.4"}}.request()); got != addr("7.7.7.7") {
		t.Errorf("client %v: a prefix changed after New returned took effect", got)
	}
}

func TestNewFaults(t *testing.T) {
	t.Parallel()
	good := netip.MustParsePrefix("10.0.0.0/8")
	for _, c := range []struct {
		name    string
		trusted []netip.Prefix
		header  string
		want    []string
	}{
		{"zero prefix", []netip.Prefix{good, {}}, "", []string{"TrustedProxies[1]: invalid prefix"}},
		{"header without prefixes", nil, "X-Real-IP", []string{`ProxyHeader: "X-Real-IP" is never read`}},
		{"default spelled out without prefixes", nil, "X-Forwarded-For", []string{"without TrustedProxies"}},
		{"blank header", []netip.Prefix{good}, " ", []string{`ProxyHeader: " " is not a valid name`}},
		{"header with colon", []netip.Prefix{good}, "Forwarded:", []string{`ProxyHeader: "Forwarded:" is not`}},
		{"two headers", []netip.Prefix{good}, "Forwarded, X-Real-IP", []string{"not a valid name"}},
		{"header not ASCII", []netip.Prefix{good}, "X-R\u00e9al-IP", []string{"not a valid name"}},
		{"hostile header", []netip.Prefix{good}, "\n" + junk, []string{`ProxyHeader: "\n`}},
		{"all at once", []netip.Prefix{{}, good, netip.MustParsePrefix("::ffff:0:0/95")}, "a b", []string{
			"TrustedProxies[0]: invalid", "TrustedProxies[2]: ::ffff:0.0.0.0/95 covers all of IPv4", `ProxyHeader: "a b" is not`,
		}},
		{"both faults of a header", nil, "a b", []string{"without TrustedProxies", "not a valid name"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := clientip.New(c.trusted, c.header)
			if err == nil || s != nil {
				t.Fatalf("source %v, error %v", s, err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
			if lines := strings.Split(err.Error(), "\n"); len(lines) != len(c.want) || len(err.Error()) > 500 {
				t.Errorf("%d faults, want %d: %.500q", len(lines), len(c.want), err)
			}
		})
	}
}

var allocCases = map[string]testCase{
	"peer":           {peer: other, lines: []string{"1.2.3.4"}},
	"peer IPv6":      {peer: "[2001:db8::1]:80"},
	"two hops":       {peer: proxy, lines: []string{"1.2.3.4, 10.0.0.2"}},
	"two lines":      {peer: "[::1]:80", lines: []string{"9.9.9.9, 2001:db8::1", "10.0.0.2:99"}},
	"junk on left":   {peer: proxy, lines: []string{junk + ", 1.2.3.4"}},
	"commas":         {peer: proxy, lines: []string{strings.Repeat(",", 1<<20)}},
	"Forwarded":      {header: "Forwarded", peer: proxy, lines: []string{`for="[2001:db8::1]:9";host="a,b", for=10.0.0.2`}},
	"Forwarded junk": {header: "Forwarded", peer: proxy, lines: []string{strings.Repeat(`"`, 1<<20)}},
}

func TestOfAllocs(t *testing.T) {
	for name, c := range allocCases {
		s, r := source(t, c.header, proxies...), c.request()
		want := 0.0
		if name == "Forwarded junk" {
			want = 1 // the error of netip, whatever it is about
		}
		if n := testing.AllocsPerRun(100, func() { _ = s.Of(r) }); n > want {
			t.Errorf("%s: %v allocations, want %v", name, n, want)
		}
	}
	s, r := source(t, ""), allocCases["two hops"].request()
	if n := testing.AllocsPerRun(100, func() { _ = s.Of(r) }); n != 0 {
		t.Errorf("no trusted prefixes: %v allocations, want 0", n)
	}
}

func BenchmarkOf(b *testing.B) {
	run := func(name string, s *clientip.Source, c testCase) {
		b.Run(name, func(b *testing.B) {
			r := c.request()
			b.ReportAllocs()
			for b.Loop() {
				_ = s.Of(r)
			}
		})
	}
	for name, c := range allocCases {
		run(name, source(b, c.header, proxies...), c)
	}
	run("no trusted prefixes", source(b, ""), allocCases["two hops"])
}
