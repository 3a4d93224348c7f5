package clientip_test

import (
	"net/http"
	"strings"
)

// testCase is a row of TestOf and a seed of FuzzOf. The trusted proxies are those in
// proxies; header is the argument of New, and lines are its values.
type testCase struct {
	name   string
	header string
	peer   string
	lines  []string
	want   string // "" is the zero Addr
}

func (c testCase) request() *http.Request {
	r := &http.Request{RemoteAddr: c.peer, Header: http.Header{}}
	name := c.header
	if name == "" {
		name = "X-Forwarded-For"
	}
	for _, line := range c.lines {
		r.Header.Add(name, line)
	}
	return r
}

const (
	proxy = "10.0.0.1:443" // trusted
	other = "7.7.7.7:443"  // not trusted
)

// The proxies of all cases: addresses, and the longest chain that is read.
var (
	proxies = []string{"10.0.0.0/8", "::ffff:172.16.0.0/108", "fd00::/8", "fe80::/10", "::1/128"}
	chain   = strings.Repeat("10.0.0.2,", 98)
)

// junk is longer than any address and any element.
var junk = strings.Repeat("x", 1<<20)

var testCases = []testCase{
	// The peer, in all its spellings.
	{"peer", "", other, nil, "7.7.7.7"},
	{"peer without port", "", "7.7.7.7", nil, "7.7.7.7"},
	{"peer IPv6", "", "[2001:db8::1]:80", nil, "2001:db8::1"},
	{"peer IPv6 without port", "", "2001:db8::1", nil, "2001:db8::1"},
	{"peer in brackets alone", "", "[2001:db8::1]", nil, "2001:db8::1"},
	{"peer with zone", "", "[fe81::1%eth0]:80", nil, "fe81::1"},
	{"peer with zone, no port", "", "fe81::1%eth0", nil, "fe81::1"},
	{"peer mapped", "", "[::ffff:7.7.7.7]:80", nil, "7.7.7.7"},
	{"peer mapped in hex", "", "::ffff:707:707", nil, "7.7.7.7"},
	{"peer Unix socket", "", "@", []string{"1.2.3.4"}, ""},
	{"peer empty", "", "", []string{"1.2.3.4"}, ""},
	{"peer by name", "", "localhost:80", []string{"1.2.3.4"}, ""},
	{"peer port alone", "", ":80", nil, ""},
	{"peer with empty port", "", "7.7.7.7:", nil, ""},
	{"peer with large port", "", "7.7.7.7:65536", nil, ""},
	{"peer with a word as port", "", "7.7.7.7:http", nil, ""},
	{"peer IPv4 in brackets", "", "[7.7.7.7]:80", nil, ""},
	{"peer with open bracket", "", "[2001:db8::1", nil, ""},
	{"peer with stray bracket", "", "2001:db8::1]:80", nil, ""},
	{"peer with text after bracket", "", "[2001:db8::1]x", nil, ""},
	{"peer IPv4 with zone", "", "7.7.7.7%eth0", nil, ""},
	{"peer with empty zone", "", "fe81::1%", nil, ""},
	{"peer with endless zone", "", "fe81::1%" + junk, nil, ""},

	// The header of a peer that is not trusted.
	{"header of a client", "", other, []string{"1.2.3.4"}, "7.7.7.7"},
	{"header of a client names a proxy", "", other, []string{"10.0.0.2"}, "7.7.7.7"},
	{"Forwarded of a client", "Forwarded", other, []string{"for=1.2.3.4"}, "7.7.7.7"},

	// X-Forwarded-For of a proxy.
	{"no header", "", proxy, nil, "10.0.0.1"},
	{"empty header", "", proxy, []string{""}, "10.0.0.1"},
	{"one hop", "", proxy, []string{"1.2.3.4"}, "1.2.3.4"},
	{"one hop, IPv6", "", proxy, []string{"2001:db8::1"}, "2001:db8::1"},
	{"spoofed leftmost hop", "", proxy, []string{"9.9.9.9, 1.2.3.4"}, "1.2.3.4"},
	{"spoofed proxy", "", proxy, []string{"9.9.9.9, 10.0.0.9, 1.2.3.4"}, "1.2.3.4"},
	{"two proxies", "", proxy, []string{"9.9.9.9, 1.2.3.4, 10.0.0.2"}, "1.2.3.4"},
	{"trusted hop repeated", "", proxy, []string{"9.9.9.9, 1.2.3.4, 10.0.0.2, 10.0.0.2,10.0.0.1"}, "1.2.3.4"},
	{"all trusted", "", proxy, []string{"10.0.0.4, 10.0.0.3, 10.0.0.2"}, "10.0.0.4"},
	{"several lines", "", proxy, []string{"9.9.9.9", "8.8.8.8, 1.2.3.4", "10.0.0.2"}, "1.2.3.4"},
	{"spoofed line first", "", proxy, []string{"9.9.9.9", "1.2.3.4"}, "1.2.3.4"},
	{"all trusted on several lines", "", proxy, []string{"10.0.0.4", "", "10.0.0.3"}, "10.0.0.4"},
	{"trusted peer mapped", "", "[::ffff:10.0.0.1]:1", []string{"1.2.3.4"}, "1.2.3.4"},
	{"trusted by a mapped prefix", "", "172.31.0.1:1", []string{"1.2.3.4"}, "1.2.3.4"},
	{"beside a mapped prefix", "", "172.32.0.1:1", []string{"1.2.3.4"}, "172.32.0.1"},
	{"trusted peer with zone", "", "[fe80::1%eth0]:1", []string{"1.2.3.4"}, "1.2.3.4"},
	{"trusted peer IPv6", "", "[::1]:1", []string{"1.2.3.4"}, "1.2.3.4"},
	{"hop mapped", "", proxy, []string{"::ffff:1.2.3.4"}, "1.2.3.4"},
	{"hop mapped in brackets", "", proxy, []string{"[::ffff:1.2.3.4]:99"}, "1.2.3.4"},
	{"trusted hop mapped", "", proxy, []string{"1.2.3.4, ::ffff:10.0.0.2"}, "1.2.3.4"},
	{"hop with zone", "", proxy, []string{"fe81::1%eth0"}, "fe81::1"},
	{"trusted hop with zone", "", proxy, []string{"1.2.3.4, fe80::2%eth0"}, "1.2.3.4"},
	{"hop with port", "", proxy, []string{"9.9.9.9:1, 1.2.3.4:99"}, "1.2.3.4"},
	{"trusted hop with port", "", proxy, []string{"1.2.3.4:99, 10.0.0.2:99"}, "1.2.3.4"},
	{"hop in brackets", "", proxy, []string{"[2001:db8::1]"}, "2001:db8::1"},
	{"hop in brackets with port", "", proxy, []string{"[2001:db8::1]:99"}, "2001:db8::1"},
	{"space around hops", "", proxy, []string{" \t1.2.3.4\t , \t 10.0.0.2 \t"}, "1.2.3.4"},
	{"no space", "", proxy, []string{"9.9.9.9,1.2.3.4,10.0.0.2"}, "1.2.3.4"},
	{"empty elements", "", proxy, []string{",1.2.3.4, ,\t,, 10.0.0.2,", ",", ""}, "1.2.3.4"},
	{"empty elements alone", "", proxy, []string{" , ,"}, "10.0.0.1"},

	// What does not parse ends the search.
	{"unknown", "", proxy, []string{"9.9.9.9, unknown"}, "10.0.0.1"},
	{"unknown behind a proxy", "", proxy, []string{"9.9.9.9, unknown, 10.0.0.2"}, "10.0.0.2"},
	{"junk left of the client", "", proxy, []string{junk + ", 1.2.3.4"}, "1.2.3.4"},
	{"junk", "", proxy, []string{"9.9.9.9, " + junk + ", 10.0.0.2"}, "10.0.0.2"},
	{"junk line", "", proxy, []string{"9.9.9.9", junk, "10.0.0.2"}, "10.0.0.2"},
	{"blank junk", "", proxy, []string{"9.9.9.9", strings.Repeat(" ", 9000), "10.0.0.2"}, "10.0.0.2"},
	{"hop with endless space", "", proxy, []string{"9.9.9.9," + strings.Repeat(" ", 9000) + "1.2.3.4"}, "10.0.0.1"},
	{"junk of commas", "", proxy, []string{"9.9.9.9" + strings.Repeat(",", 1<<20)}, "10.0.0.1"},
	{"junk as zone", "", proxy, []string{"9.9.9.9, fe81::1%" + junk}, "10.0.0.1"},
	{"junk of lines", "", proxy, append([]string{"9.9.9.9"}, make([]string, 100)...), "10.0.0.1"},
	{"leading zero", "", proxy, []string{"9.9.9.9, 010.0.0.1"}, "10.0.0.1"},
	{"three octets", "", proxy, []string{"9.9.9.9, 1.2.3"}, "10.0.0.1"},
	{"number", "", proxy, []string{"9.9.9.9, 16909060"}, "10.0.0.1"},
	{"prefix", "", proxy, []string{"9.9.9.9, 1.2.3.4/32"}, "10.0.0.1"},
	{"quoted", "", proxy, []string{`9.9.9.9, "1.2.3.4"`}, "10.0.0.1"},
	{"two hops without comma", "", proxy, []string{"9.9.9.9, 1.2.3.4 5.6.7.8"}, "10.0.0.1"},
	{"bad port", "", proxy, []string{"9.9.9.9, 1.2.3.4:x"}, "10.0.0.1"},
	{"hidden port outside Forwarded", "", proxy, []string{"9.9.9.9, 1.2.3.4:_x"}, "10.0.0.1"},
	{"no-break space", "", proxy, []string{"9.9.9.9, 1.2.3.4\u00a0"}, "10.0.0.1"},
	{"last of 100 hops", "", proxy, []string{"9.9.9.9, 1.2.3.4," + chain + "10.0.0.3"}, "1.2.3.4"},
	{"more than 100 hops", "", proxy, []string{"9.9.9.9,10.0.0.4," + chain + "10.0.0.3"}, "10.0.0.4"},

	// Other headers.
	{"X-Real-IP", "X-Real-IP", proxy, []string{"1.2.3.4"}, "1.2.3.4"},
	{"CF-Connecting-IP", "CF-Connecting-IP", proxy, []string{"2001:db8::1"}, "2001:db8::1"},
	{"lower case", "x-real-ip", proxy, []string{"1.2.3.4"}, "1.2.3.4"},
	{"upper case", "X-FORWARDED-FOR", proxy, []string{"9.9.9.9, 1.2.3.4"}, "1.2.3.4"},

	// Forwarded.
	{"for", "Forwarded", proxy, []string{"for=9.9.9.9, for=1.2.3.4"}, "1.2.3.4"},
	{"header in lower case", "forwarded", proxy, []string{"for=1.2.3.4"}, "1.2.3.4"},
	{"for in upper case", "Forwarded", proxy, []string{"FOR=1.2.3.4"}, "1.2.3.4"},
	{"for among others", "Forwarded", proxy, []string{"by=_me;for=1.2.3.4;host=h.io;proto=https"}, "1.2.3.4"},
	{"two Forwarded proxies", "Forwarded", proxy, []string{"for=9.9.9.9, for=1.2.3.4", "for=10.0.0.2;by=10.0.0.1"}, "1.2.3.4"},
	{"quoted IPv4", "Forwarded", proxy, []string{`for="1.2.3.4"`}, "1.2.3.4"},
	{"quoted port", "Forwarded", proxy, []string{`for="1.2.3.4:99"`}, "1.2.3.4"},
	{"quoted IPv6", "Forwarded", proxy, []string{`for="[2001:db8::1]"`}, "2001:db8::1"},
	{"quoted IPv6 with port", "Forwarded", proxy, []string{`for="[2001:db8::1]:99"`}, "2001:db8::1"},
	{"hidden port", "Forwarded", proxy, []string{`for="1.2.3.4:_p-1"`}, "1.2.3.4"},
	{"hidden port, IPv6", "Forwarded", proxy, []string{`for="[2001:db8::1]:_p"`}, "2001:db8::1"},
	{"quotes forgotten", "Forwarded", proxy, []string{"for=[2001:db8::1]:99;proto=https"}, "2001:db8::1"},
	{"brackets forgotten", "Forwarded", proxy, []string{"for=2001:db8::1"}, "2001:db8::1"},
	{"escapes", "Forwarded", proxy, []string{`for="1\.2.3.\4"`}, "1.2.3.4"},
	{"space around semicolons", "Forwarded", proxy, []string{" proto=http ; for=1.2.3.4\t;\tby=_b ; , "}, "1.2.3.4"},
	{"empty parameters", "Forwarded", proxy, []string{";;for=1.2.3.4;"}, "1.2.3.4"},
	{"empty Forwarded elements", "Forwarded", proxy, []string{"for=1.2.3.4, ,,", ""}, "1.2.3.4"},
	{"comma in quotes", "Forwarded", proxy, []string{`for=1.2.3.4;host="a,for=9.9.9.9,b"`}, "1.2.3.4"},
	{"semicolon in quotes", "Forwarded", proxy, []string{`host="a;for=9.9.9.9;b";for=1.2.3.4`}, "1.2.3.4"},
	{"escaped quote", "Forwarded", proxy, []string{`for=1.2.3.4;host="a\",for=9.9.9.9,\"b"`}, "1.2.3.4"},
	{"escaped backslash", "Forwarded", proxy, []string{`host="a\\",for=1.2.3.4;x="\\\\",for=10.0.0.2`}, "1.2.3.4"},
	{"odd value of another parameter", "Forwarded", proxy, []string{"for=1.2.3.4;host=;by=@[{:"}, "1.2.3.4"},

	// A client cannot swallow what the proxies append.
	{"quote left open", "Forwarded", proxy, []string{`for="9.9.9.9, for=1.2.3.4`}, "1.2.3.4"},
	{"quote left open, quoted hop", "Forwarded", proxy, []string{`for="9.9.9.9, for="[2001:db8::1]"`}, "2001:db8::1"},
	{"backslash left open", "Forwarded", proxy, []string{`for="9.9.9.9\, for="1.2.3.4"`}, "1.2.3.4"},
	{"Forwarded junk left of the client", "Forwarded", proxy, []string{`x="` + junk + `, for=1.2.3.4`}, "1.2.3.4"},

	// What does not parse in Forwarded.
	{"no for", "Forwarded", proxy, []string{"for=9.9.9.9, proto=https"}, "10.0.0.1"},
	{"semicolon alone", "Forwarded", proxy, []string{"for=9.9.9.9, ;"}, "10.0.0.1"},
	{"two for", "Forwarded", proxy, []string{"for=9.9.9.9, for=9.9.9.9;For=1.2.3.4"}, "10.0.0.1"},
	{"for twice the same", "Forwarded", proxy, []string{"for=9.9.9.9, for=1.2.3.4;for=1.2.3.4"}, "10.0.0.1"},
	{"obfuscated", "Forwarded", proxy, []string{"for=9.9.9.9, for=_hidden"}, "10.0.0.1"},
	{"obfuscated behind a proxy", "Forwarded", proxy, []string{`for=9.9.9.9, for="_x:1", for=10.0.0.2`}, "10.0.0.2"},
	{"Forwarded unknown", "Forwarded", proxy, []string{"for=9.9.9.9, for=unknown"}, "10.0.0.1"},
	{"empty for", "Forwarded", proxy, []string{"for=9.9.9.9, for="}, "10.0.0.1"},
	{"empty quoted for", "Forwarded", proxy, []string{`for=9.9.9.9, for=""`}, "10.0.0.1"},
	{"hidden port alone", "Forwarded", proxy, []string{`for=9.9.9.9, for=":_x"`}, "10.0.0.1"},
	{"hidden port without name", "Forwarded", proxy, []string{`for=9.9.9.9, for="1.2.3.4:_"`}, "10.0.0.1"},
	{"hidden port with odd name", "Forwarded", proxy, []string{`for=9.9.9.9, for="1.2.3.4:_!"`}, "10.0.0.1"},
	{"no value", "Forwarded", proxy, []string{"for=9.9.9.9, for"}, "10.0.0.1"},
	{"no name", "Forwarded", proxy, []string{"for=9.9.9.9, =1.2.3.4"}, "10.0.0.1"},
	{"address alone", "Forwarded", proxy, []string{"for=9.9.9.9, 1.2.3.4"}, "10.0.0.1"},
	{"space in a name", "Forwarded", proxy, []string{"for=9.9.9.9, a b=c;for=1.2.3.4"}, "10.0.0.1"},
	{"space before =", "Forwarded", proxy, []string{"for=9.9.9.9, for =1.2.3.4"}, "10.0.0.1"},
	{"space after =", "Forwarded", proxy, []string{"for=9.9.9.9, for= 1.2.3.4"}, "10.0.0.1"},
	{"space in quotes", "Forwarded", proxy, []string{`for=9.9.9.9, for=" 1.2.3.4"`}, "10.0.0.1"},
	{"text after quotes", "Forwarded", proxy, []string{`for=9.9.9.9, for="1.2.3.4"x`}, "10.0.0.1"},
	{"quote inside a value", "Forwarded", proxy, []string{`for=9.9.9.9, for=1.2.3.4"5"`}, "10.0.0.1"},
	{"quote never closed", "Forwarded", proxy, []string{"for=\"1.2.3.4"}, "10.0.0.1"},
	{"lone quote", "Forwarded", proxy, []string{`for=9.9.9.9, for=1.2.3.4;x="`}, "10.0.0.1"},
	{"comma before a lone quote", "Forwarded", proxy, []string{`a=b,for=9.9.9.9;x=y"`}, "10.0.0.1"},
	{"Forwarded junk", "Forwarded", proxy, []string{`for=9.9.9.9, for="` + junk + `"`}, "10.0.0.1"},
	{"Forwarded junk beside for", "Forwarded", proxy, []string{"for=9.9.9.9, for=1.2.3.4;x=" + junk[:9000]}, "10.0.0.1"},
	{"Forwarded junk of some length", "Forwarded", proxy, []string{`for=9.9.9.9, for="` + junk[:5000] + `"`}, "10.0.0.1"},
	{"Forwarded junk of backslashes", "Forwarded", proxy, []string{"for=9.9.9.9, " + strings.Repeat(`\"`, 1<<19)}, "10.0.0.1"},
	{"more than 100 Forwarded hops", "Forwarded", proxy, []string{"for=9.9.9.9" + strings.Repeat(",for=10.0.0.2", 100)}, "10.0.0.2"},
}
