package origin_test

import (
	"net/http"
	"net/http/httptest"
)

// testCase is a row of TestCheck and a seed of FuzzCheck. A nil list of origins or sites
// means that the header is missing.
type testCase struct {
	name    string
	host    string
	origins []string
	sites   []string
	allow   []string
	admit   bool
}

var testCases = []testCase{
	// Neither header, or Sec-Fetch-Site alone.
	{"no browser", "example.com", nil, nil, nil, true},
	{"no browser, no host", "", nil, nil, nil, true},
	{"no browser, allow list", "example.com", nil, nil, []string{"app.example.com"}, true},
	{"same-origin poll", "example.com", nil, []string{"same-origin"}, nil, true},
	{"typed address", "example.com", nil, []string{"none"}, nil, true},
	{"cross-site script", "example.com", nil, []string{"cross-site"}, nil, false},
	{"same-site script", "example.com", nil, []string{"same-site"}, nil, false},
	{"cross-site script, all origins allowed", "example.com", nil, []string{"cross-site"}, []string{"*"}, false},
	{"unknown site", "example.com", nil, []string{"near"}, nil, false},
	{"empty site", "example.com", nil, []string{""}, nil, false},
	{"site in upper case", "example.com", nil, []string{"SAME-ORIGIN"}, nil, false},
	{"two sites, one foreign", "example.com", nil, []string{"same-origin", "cross-site"}, nil, false},
	{"two sites in one value", "example.com", nil, []string{"same-origin, cross-site"}, nil, false},

	// Origin alone decides.
	{"same host, site says cross-site", "example.com", []string{"https://example.com"}, []string{"cross-site"}, nil, true},
	{"foreign, site says same-origin", "example.com", []string{"https://evil.com"}, []string{"same-origin"}, nil, false},
	{"allowed, site says cross-site", "example.com", []string{"https://app.io"}, []string{"cross-site"}, []string{"https://app.io"}, true},

	// Same host and port.
	{"https", "example.com", []string{"https://example.com"}, nil, nil, true},
	{"http", "example.com", []string{"http://example.com"}, nil, nil, true},
	{"ws", "example.com", []string{"ws://example.com"}, nil, nil, true},
	{"wss", "example.com", []string{"wss://example.com"}, nil, nil, true},
	{"wss default port in host", "example.com:443", []string{"wss://example.com"}, nil, nil, true},
	{"https default port in host", "example.com:443", []string{"https://example.com"}, nil, nil, true},
	{"https default port in origin", "example.com", []string{"https://example.com:443"}, nil, nil, true},
	{"http default port in host", "example.com:80", []string{"http://example.com"}, nil, nil, true},
	{"default port of the other scheme", "example.com:443", []string{"http://example.com"}, nil, nil, false},
	{"http port with https", "example.com", []string{"https://example.com:80"}, nil, nil, false},
	{"same port", "localhost:3000", []string{"http://localhost:3000"}, nil, nil, true},
	{"other port", "localhost:3000", []string{"http://localhost:5173"}, nil, nil, false},
	{"port missing in origin", "localhost:3000", []string{"http://localhost"}, nil, nil, false},
	{"port missing in host", "localhost", []string{"http://localhost:3000"}, nil, nil, false},
	{"upper case origin", "example.com", []string{"HTTPS://EXAMPLE.COM"}, nil, nil, true},
	{"upper case host", "EXAMPLE.com", []string{"https://example.com"}, nil, nil, true},
	{"underscore", "my_app.example.com", []string{"https://my_app.example.com"}, nil, nil, true},
	{"trailing dot in both", "example.com.", []string{"https://example.com."}, nil, nil, true},
	{"IPv4", "127.0.0.1:8080", []string{"http://127.0.0.1:8080"}, nil, nil, true},
	{"other IPv4", "127.0.0.1", []string{"http://127.0.0.2"}, nil, nil, false},
	{"IPv6", "[::1]", []string{"http://[::1]"}, nil, nil, true},
	{"IPv6 with port", "[2001:db8::1]:8443", []string{"https://[2001:DB8::1]:8443"}, nil, nil, true},
	{"IPv6 spelled out", "[0:0:0:0:0:0:0:1]:80", []string{"http://[::1]"}, nil, nil, true},
	{"other IPv6", "[::1]", []string{"http://[::2]"}, nil, nil, false},
	{"IPv4 in IPv6 is not IPv4", "127.0.0.1", []string{"http://[::ffff:127.0.0.1]"}, nil, nil, false},
	{"loopback names differ", "localhost", []string{"http://127.0.0.1"}, nil, nil, false},
	{"other scheme with our host", "localhost", []string{"capacitor://localhost"}, nil, nil, false},
	{"file with our host", "localhost", []string{"file://localhost"}, nil, nil, false},

	// A host that cannot be read matches nothing.
	{"empty host", "", []string{"https://example.com"}, nil, nil, false},
	{"host with empty port", "example.com:", []string{"https://example.com"}, nil, nil, false},
	{"host with bad port", "example.com:x", []string{"https://example.com"}, nil, nil, false},
	{"host with userinfo", "a@example.com", []string{"https://example.com"}, nil, nil, false},
	{"bare IPv6 host", "::1", []string{"http://[::1]"}, nil, nil, false},
	{"wildcard host", "*.example.com", []string{"https://a.example.com"}, nil, nil, false},
	{"star host", "*", []string{"https://a.example.com"}, nil, nil, false},
	{"port wildcard host", "localhost:*", []string{"http://localhost:3000"}, nil, nil, false},
	{"empty host, allowed", "", []string{"https://app.io"}, nil, []string{"app.io"}, true},

	// Look-alikes.
	{"suffix", "example.com", []string{"https://example.com.evil.com"}, nil, nil, false},
	{"prefix", "example.com", []string{"https://evilexample.com"}, nil, nil, false},
	{"subdomain", "example.com", []string{"https://app.example.com"}, nil, nil, false},
	{"parent", "app.example.com", []string{"https://example.com"}, nil, nil, false},
	{"userinfo", "example.com", []string{"https://example.com@evil.com"}, nil, nil, false},
	{"userinfo with port", "example.com", []string{"https://example.com:443@evil.com"}, nil, nil, false},
	{"own userinfo", "example.com", []string{"https://user@example.com"}, nil, nil, false},
	{"trailing dot", "example.com", []string{"https://example.com."}, nil, nil, false},
	{"fullwidth letter", "example.com", []string{"https://ex\uff41mple.com"}, nil, nil, false},
	{"fullwidth dot", "example.com", []string{"https://example\u3002com"}, nil, nil, false},
	{"Kelvin sign", "kiosk.com", []string{"https://\u212aiosk.com"}, nil, nil, false},
	{"Kelvin sign in both", "\u212aiosk.com", []string{"https://\u212aiosk.com"}, nil, nil, false},
	{"long s in the scheme", "example.com", []string{"http\u017f://example.com"}, nil, nil, false},
	{"soft hyphen", "example.com", []string{"https://exam\u00adple.com"}, nil, nil, false},

	// Strict form.
	{"null", "example.com", []string{"null"}, nil, nil, false},
	{"null with our host", "null", []string{"null"}, nil, nil, false},
	{"null, all origins allowed", "example.com", []string{"null"}, nil, []string{"*"}, false},
	{"empty origin", "example.com", []string{""}, nil, nil, false},
	{"empty origin, all allowed", "example.com", []string{""}, nil, []string{"*"}, false},
	{"two origins", "example.com", []string{"https://example.com", "https://example.com"}, nil, nil, false},
	{"two origins, all allowed", "example.com", []string{"https://a.io", "https://b.io"}, nil, []string{"*"}, false},
	{"list in one value", "example.com", []string{"https://example.com https://evil.com"}, nil, nil, false},
	{"comma list", "example.com", []string{"https://example.com,https://evil.com"}, nil, nil, false},
	{"trailing slash", "example.com", []string{"https://example.com/"}, nil, nil, false},
	{"path", "example.com", []string{"https://example.com/a"}, nil, nil, false},
	{"query", "example.com", []string{"https://example.com?a"}, nil, nil, false},
	{"fragment", "example.com", []string{"https://example.com#a"}, nil, nil, false},
	{"backslash", "example.com", []string{`https://example.com\evil.com`}, nil, nil, false},
	{"no scheme", "example.com", []string{"example.com"}, nil, nil, false},
	{"empty scheme", "example.com", []string{"://example.com"}, nil, nil, false},
	{"scheme of digits", "example.com", []string{"1http://example.com"}, nil, []string{"*"}, false},
	{"scheme without slashes", "example.com", []string{"https:example.com"}, nil, nil, false},
	{"one slash", "example.com", []string{"https:/example.com"}, nil, nil, false},
	{"three slashes", "example.com", []string{"https:///example.com"}, nil, nil, false},
	{"empty name", "example.com", []string{"https://"}, nil, []string{"*"}, false},
	{"only a port", "example.com", []string{"https://:443"}, nil, []string{"*"}, false},
	{"leading space", "example.com", []string{" https://example.com"}, nil, nil, false},
	{"trailing space", "example.com", []string{"https://example.com "}, nil, nil, false},
	{"tab", "example.com", []string{"https://exam\tple.com"}, nil, []string{"*"}, false},
	{"NUL", "example.com", []string{"https://example.com\x00"}, nil, []string{"*"}, false},
	{"newline", "example.com", []string{"https://example.com\n"}, nil, []string{"*"}, false},
	{"invalid UTF-8", "example.com", []string{"https://example\xff.com"}, nil, []string{"*"}, false},
	{"percent", "example.com", []string{"https://example%2ecom"}, nil, []string{"*"}, false},
	{"empty port", "example.com", []string{"https://example.com:"}, nil, nil, false},
	{"port zero", "example.com", []string{"https://example.com:0"}, nil, []string{"*"}, false},
	{"port with leading zero", "example.com", []string{"https://example.com:0443"}, nil, nil, false},
	{"port with sign", "example.com", []string{"https://example.com:+443"}, nil, nil, false},
	{"port too large", "example.com", []string{"https://example.com:65536"}, nil, []string{"*"}, false},
	{"port that wraps", "example.com", []string{"https://example.com:65979"}, nil, []string{"*"}, false},
	{"port not a number", "example.com", []string{"https://example.com:https"}, nil, nil, false},
	{"two ports", "example.com", []string{"https://example.com:443:443"}, nil, nil, false},
	{"leading dot", ".example.com", []string{"https://.example.com"}, nil, nil, false},
	{"empty label", "a..example.com", []string{"https://a..example.com"}, nil, nil, false},
	{"IPv6 without brackets", "[::1]", []string{"http://::1"}, nil, nil, false},
	{"IPv6 unclosed", "[::1]", []string{"http://[::1"}, nil, nil, false},
	{"IPv6 and text", "[::1]", []string{"http://[::1]evil.com"}, nil, nil, false},
	{"IPv6 and a port without colon", "[::1]", []string{"http://[::1]x80"}, nil, nil, false},
	{"IPv6 zone", "[fe80::1%eth0]", []string{"http://[fe80::1%eth0]"}, nil, nil, false},
	{"IPv4 in brackets", "[127.0.0.1]", []string{"http://[127.0.0.1]"}, nil, nil, false},
	{"empty brackets", "[]", []string{"http://[]"}, nil, nil, false},

	// Entries: full origins.
	{"full", "api.io", []string{"https://app.example.com"}, nil, []string{"https://app.example.com"}, true},
	{"full, other scheme", "api.io", []string{"http://app.example.com"}, nil, []string{"https://app.example.com"}, false},
	{"full, wss", "api.io", []string{"wss://app.example.com"}, nil, []string{"https://app.example.com"}, true},
	{"full ws entry", "api.io", []string{"http://app.example.com"}, nil, []string{"ws://app.example.com"}, true},
	{"full, other port", "api.io", []string{"https://app.example.com:8443"}, nil, []string{"https://app.example.com"}, false},
	{"full with port", "api.io", []string{"https://app.example.com:8443"}, nil, []string{"https://app.example.com:8443"}, true},
	{"full with port, none given", "api.io", []string{"https://app.example.com"}, nil, []string{"https://app.example.com:8443"}, false},
	{"full with default port", "api.io", []string{"https://app.example.com"}, nil, []string{"https://app.example.com:443"}, true},
	{"full in upper case", "api.io", []string{"https://app.example.com"}, nil, []string{"HTTPS://App.Example.COM"}, true},
	{"full, subdomain", "api.io", []string{"https://a.app.example.com"}, nil, []string{"https://app.example.com"}, false},
	{"full IPv6", "api.io", []string{"http://[::1]:3000"}, nil, []string{"http://[0::1]:3000"}, true},
	{"same host beside entries", "api.io", []string{"https://api.io"}, nil, []string{"https://app.example.com"}, true},
	{"last of several", "api.io", []string{"https://c.io"}, nil, []string{"a.io", "b.io", "https://c.io"}, true},

	// Entries: other schemes.
	{"capacitor", "api.io", []string{"capacitor://localhost"}, nil, []string{"capacitor://localhost"}, true},
	{"capacitor, bare entry", "api.io", []string{"capacitor://localhost"}, nil, []string{"localhost"}, false},
	{"capacitor, bare port wildcard", "api.io", []string{"capacitor://localhost"}, nil, []string{"localhost:*"}, false},
	{"capacitor, port", "api.io", []string{"capacitor://localhost:80"}, nil, []string{"capacitor://localhost"}, false},
	{"http, capacitor entry", "api.io", []string{"http://localhost"}, nil, []string{"capacitor://localhost"}, false},
	{"app with port", "api.io", []string{"app://localhost:3000"}, nil, []string{"app://localhost:3000"}, true},
	{"extension", "api.io", []string{"chrome-extension://abc"}, nil, []string{"chrome-extension://abc"}, true},
	{"other extension", "api.io", []string{"chrome-extension://abd"}, nil, []string{"chrome-extension://abc"}, false},

	// Entries: bare hosts.
	{"bare, https", "api.io", []string{"https://app.example.com"}, nil, []string{"app.example.com"}, true},
	{"bare, http", "api.io", []string{"http://app.example.com"}, nil, []string{"app.example.com"}, true},
	{"bare, default port", "api.io", []string{"http://app.example.com:80"}, nil, []string{"app.example.com"}, true},
	{"bare, other port", "api.io", []string{"http://app.example.com:443"}, nil, []string{"app.example.com"}, false},
	{"bare with port", "api.io", []string{"http://app.example.com:8443"}, nil, []string{"app.example.com:8443"}, true},
	{"bare with port, other", "api.io", []string{"http://app.example.com:8444"}, nil, []string{"app.example.com:8443"}, false},
	{"bare IPv6", "api.io", []string{"http://[::1]"}, nil, []string{"[::1]"}, true},
	{"bare, suffix", "api.io", []string{"https://app.example.com.evil.com"}, nil, []string{"app.example.com"}, false},

	// Entries: wildcards.
	{"below", "api.io", []string{"https://a.example.com"}, nil, []string{"*.example.com"}, true},
	{"two below", "api.io", []string{"http://a.b.example.com"}, nil, []string{"*.example.com"}, true},
	{"below in upper case", "api.io", []string{"http://A.EXAMPLE.com"}, nil, []string{"*.example.COM"}, true},
	{"apex", "api.io", []string{"https://example.com"}, nil, []string{"*.example.com"}, false},
	{"below, no dot", "api.io", []string{"https://evilexample.com"}, nil, []string{"*.example.com"}, false},
	{"below, empty label", "api.io", []string{"https://.example.com"}, nil, []string{"*.example.com"}, false},
	{"below, evil suffix", "api.io", []string{"https://a.example.com.evil.com"}, nil, []string{"*.example.com"}, false},
	{"below, trailing dot", "api.io", []string{"https://a.example.com."}, nil, []string{"*.example.com"}, false},
	{"below, trailing dot in both", "api.io", []string{"https://a.example.com."}, nil, []string{"*.example.com."}, true},
	{"below, star", "api.io", []string{"https://*.example.com"}, nil, []string{"*.example.com"}, false},
	{"below, userinfo", "api.io", []string{"https://evil.com@a.example.com"}, nil, []string{"*.example.com"}, false},
	{"below, port", "api.io", []string{"https://a.example.com:8443"}, nil, []string{"*.example.com"}, false},
	{"below with port", "api.io", []string{"https://a.example.com:8443"}, nil, []string{"*.example.com:8443"}, true},
	{"below, any port", "api.io", []string{"https://a.example.com:8443"}, nil, []string{"*.example.com:*"}, true},
	{"below, other scheme of the web", "api.io", []string{"http://a.example.com"}, nil, []string{"https://*.example.com"}, false},
	{"below, that scheme", "api.io", []string{"https://a.example.com"}, nil, []string{"https://*.example.com"}, true},
	{"below, scheme not of the web", "api.io", []string{"app://a.example.com"}, nil, []string{"*.example.com"}, false},
	{"below, IPv6", "api.io", []string{"http://[::1]"}, nil, []string{"*.example.com"}, false},
	{"any port", "api.io", []string{"http://localhost:5173"}, nil, []string{"localhost:*"}, true},
	{"any port, none given", "api.io", []string{"https://localhost"}, nil, []string{"localhost:*"}, true},
	{"any port, scheme", "api.io", []string{"http://localhost:5173"}, nil, []string{"http://localhost:*"}, true},
	{"any port, other scheme", "api.io", []string{"https://localhost:5173"}, nil, []string{"http://localhost:*"}, false},
	{"any port, other host", "api.io", []string{"http://localhost.evil.com:5173"}, nil, []string{"localhost:*"}, false},
	{"any port, IPv6", "api.io", []string{"http://[::1]:5173"}, nil, []string{"[::1]:*"}, true},
	{"all", "api.io", []string{"https://evil.com"}, nil, []string{"*"}, true},
	{"all, other scheme", "api.io", []string{"moz-extension://0a-b1"}, nil, []string{"*"}, true},
	{"all beside entries", "api.io", []string{"https://evil.com"}, nil, []string{"app.example.com", "*"}, true},
}

func (c testCase) request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/socket.io/?EIO=4&transport=websocket", nil)
	r.Host = c.host
	if c.origins != nil {
		r.Header["Origin"] = c.origins
	}
	if c.sites != nil {
		r.Header["Sec-Fetch-Site"] = c.sites
	}
	return r
}
