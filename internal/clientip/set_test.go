package clientip_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/clientip"
)

func TestGroup(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		addr netip.Addr
		bits int
		want string
	}{
		{"IPv4", addr("1.2.3.4"), 64, "1.2.3.4/32"},
		{"IPv4, few bits", addr("1.2.3.4"), 8, "1.2.3.4/32"},
		{"IPv4, no bits", addr("1.2.3.4"), 0, "1.2.3.4/32"},
		{"IPv4, negative bits", addr("1.2.3.4"), -1, "1.2.3.4/32"},
		{"mapped", addr("::ffff:1.2.3.4"), 64, "1.2.3.4/32"},
		{"mapped with zone", addr("::ffff:1.2.3.4%eth0"), 64, "1.2.3.4/32"},
		{"translated", addr("64:ff9b::1.2.3.4"), 64, "64:ff9b::102:304/128"},
		{"translated for a network of its own", addr("64:ff9b:1::1.2.3.4"), 64, "64:ff9b:1::/64"},
		{"/64", addr("2001:db8:1:2:3:4:5:6"), 64, "2001:db8:1:2::/64"},
		{"/56", addr("2001:db8:1:2ff:3:4:5:6"), 56, "2001:db8:1:200::/56"},
		{"/48", addr("2001:db8:1:2:3:4:5:6"), 48, "2001:db8:1::/48"},
		{"/128", addr("2001:db8::1"), 128, "2001:db8::1/128"},
		{"/0", addr("2001:db8::1"), 0, "::/0"},
		{"too many bits", addr("2001:db8::1"), 129, "2001:db8::1/128"},
		{"negative bits", addr("2001:db8::1"), -1, "::/0"},
		{"zone", addr("fe80::1%eth0"), 64, "fe80::/64"},
		{"zero Addr", netip.Addr{}, 64, "invalid Prefix"},
		{"zero Addr, negative bits", netip.Addr{}, -1, "invalid Prefix"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := clientip.Group(c.addr, c.bits)
			if got.String() != c.want || got.IsValid() != c.addr.IsValid() {
				t.Errorf("Group(%v, %d) = %v, want %s", c.addr, c.bits, got, c.want)
			}
		})
	}
}

func TestSetContains(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		prefixes []netip.Prefix
		addr     netip.Addr
		want     bool
	}{
		{"no prefixes", nil, addr("1.2.3.4"), false},
		{"inside", parse("fd00::/8", "1.2.3.0/24"), addr("1.2.3.4"), true},
		{"outside", parse("fd00::/8", "1.2.3.0/24"), addr("1.2.4.4"), false},
		{"host bits set", parse("1.2.3.4/24"), addr("1.2.3.5"), true},
		{"mapped address", parse("1.2.3.0/24"), addr("::ffff:1.2.3.4"), true},
		{"mapped prefix", parse("::ffff:1.2.3.0/120"), addr("1.2.3.4"), true},
		{"outside of a mapped prefix", parse("::ffff:1.2.3.0/120"), addr("1.2.4.4"), false},
		{"both mapped", parse("::ffff:1.2.3.0/120"), addr("::ffff:1.2.3.4"), true},
		{"mapped /96 is IPv4", parse("::ffff:0:0/96"), addr("1.2.3.4"), true},
		{"mapped /96 is not IPv6", parse("::ffff:0:0/96"), addr("2001:db8::1"), false},
		{"all of IPv6 is not IPv4", parse("::/0"), addr("1.2.3.4"), false},
		{"all of IPv6 is not mapped", parse("::/0"), addr("::ffff:1.2.3.4"), false},
		{"all of IPv4 is not IPv6", parse("0.0.0.0/0"), addr("2001:db8::1"), false},
		{"IPv6", parse("2001:db8::/32"), addr("2001:db8::1"), true},
		{"zone", parse("fe80::/10"), addr("fe80::1%eth0"), true},
		{"prefix that lost its zone", []netip.Prefix{netip.PrefixFrom(addr("fe80::1%eth0"), 64)}, addr("fe80::2"), true},
		{"zero Addr", parse("0.0.0.0/0", "::/0"), netip.Addr{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			set, err := clientip.NewSet("allow", c.prefixes)
			if err != nil {
				t.Fatal(err)
			}
			if got := set.Contains(c.addr); got != c.want {
				t.Errorf("%v contains %v: %t, want %t", set, c.addr, got, c.want)
			}
		})
	}
}

func TestNewSetNormalizes(t *testing.T) {
	t.Parallel()
	prefixes := parse("1.2.3.4/24", "::ffff:1.2.3.4/120", "2001:db8::1/32", "::1/128")
	set, err := clientip.NewSet("allow", prefixes)
	if err != nil {
		t.Fatal(err)
	}
	prefixes[3] = netip.MustParsePrefix("::/0")
	for i, want := range []string{"1.2.3.0/24", "1.2.3.0/24", "2001:db8::/32", "::1/128"} {
		if got := set[i].String(); got != want {
			t.Errorf("prefix %d is %s, want %s", i, got, want)
		}
	}
}

func TestNewSetFaults(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]netip.Prefix{
		"zero":                     {},
		"too many bits":            netip.PrefixFrom(addr("1.2.3.4"), 33),
		"negative bits":            netip.PrefixFrom(addr("1.2.3.4"), -1),
		"mapped, too many bits":    netip.PrefixFrom(addr("::ffff:1.2.3.4"), 129),
		"mapped, more than IPv4":   netip.MustParsePrefix("::ffff:1.2.3.4/95"),
		"mapped, host bits beyond": netip.MustParsePrefix("::ffff:1.2.3.4/0"),
	} {
		set, err := clientip.NewSet("deny", []netip.Prefix{netip.MustParsePrefix("1.2.3.0/24"), bad, bad})
		if err == nil || set != nil {
			t.Errorf("%s: set %v, error %v", name, set, err)
			continue
		}
		text := err.Error()
		if !strings.Contains(text, "deny[1]: ") || !strings.Contains(text, "deny[2]: ") || strings.Contains(text, "deny[0]") {
			t.Errorf("%s: error %q does not blame 1 and 2 alone", name, text)
		}
		if wide := strings.Contains(text, "covers all of IPv4"); wide != bad.IsValid() {
			t.Errorf("%s: error %q", name, text)
		}
	}
}
