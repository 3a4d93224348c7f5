package redact

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
)

const (
	jwtHead    = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
	jwtPayload = "eyJzdWIiOiIxMjM0NTY3ODkwIn0"
	jwtSig     = "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
	jwt        = jwtHead + "." + jwtPayload + "." + jwtSig
	socketID   = "AbC123_-xyzABC12AAAB" // the ID of a socket
)

func TestSlogtest(t *testing.T) {
	t.Parallel()
	t.Run("json", func(t *testing.T) {
		var buf bytes.Buffer
		slogtest.Run(t, func(*testing.T) slog.Handler {
			buf.Reset()
			return New(slog.NewJSONHandler(&buf, nil))
		}, func(t *testing.T) map[string]any {
			m := map[string]any{}
			if err := json.Unmarshal(buf.Bytes(), &m); err != nil {
				t.Fatal(err)
			}
			return m
		})
	})
	t.Run("text", func(t *testing.T) {
		var buf bytes.Buffer
		slogtest.Run(t, func(*testing.T) slog.Handler {
			buf.Reset()
			return New(slog.NewTextHandler(&buf, nil))
		}, func(t *testing.T) map[string]any {
			top := map[string]any{}
			for field := range strings.FieldsSeq(strings.TrimSuffix(buf.String(), "\n")) {
				path, value, _ := strings.Cut(field, "=")
				m := top
				names := strings.Split(path, ".")
				for _, name := range names[:len(names)-1] {
					next, ok := m[name].(map[string]any)
					if !ok {
						next = map[string]any{}
						m[name] = next
					}
					m = next
				}
				m[names[len(names)-1]] = value
			}
			return top
		})
	})
}

func TestShapes(t *testing.T) {
	t.Parallel()
	const h32 = "0123456789abcdef0123456789ABCDEF"
	const b32 = "PYXN4LNLQ2TZ7ABCDEFGHIJKLMNOPQRSTUVWXYZ234567GHKCUMQ"
	const pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIBOgIBAAJBAK\n-----END RSA PRIVATE KEY-----"
	for in, want := range map[string]string{
		// Tokens.
		jwt:                          "[redacted]",
		"a " + jwt + " b":            "a [redacted] b",
		"x-" + jwt + ", b":           "[redacted], b",
		jwtHead + ".e30.":            "[redacted]",
		jwtHead + "..aXY.Y3Q.dGFn":   "[redacted]",
		jwtHead + ".a.b.c.d":         "[redacted]",
		"eyJ.a.b":                    "[redacted]",
		"eyAiYWxnIjoibm9uZSJ9.e30.x": "[redacted]",
		"ewogImFsZyI6MX0.e30.x":      "[redacted]",
		jwtHead + "%2Ee30%2ex":       "[redacted]",
		jwtHead + "%252Ee30%252Ex":   "[redacted]",
		jwtHead + "==.e30=.x":        "[redacted]",
		"(" + jwt + ")":              "([redacted])",
		"https://h/" + jwt + "/x":    "https://h/[redacted]/x",
		jwtHead + "." + jwtPayload:   "[redacted]",
		// Schemes.
		"Bearer abc":                               "Bearer [redacted]",
		"bearer \t abc def":                        "bearer \\t [redacted] def",
		"BEARER " + socketID:                       "BEARER [redacted]",
		"Bearer%20abc":                             "Bearer%20[redacted]",
		"Basic dXNlcjpwYXNz":                       "Basic [redacted]",
		"basic  dXNlcjpwYXNz, x":                   "basic  [redacted], x",
		`Digest username="a", response="b"`:        "Digest [redacted]",
		"Authorization: Basic dXNlcjpwYXNz":        "Authorization: Basic [redacted]",
		"Authorization: Token abcdef\nHost: h":     `Authorization: Token [redacted]\nHost: h`,
		"Authorization: AWS4 Credential=a, Sig=b":  "Authorization: [redacted]",
		"map[Authorization:[Bearer x] Host:[h]]":   "map[Authorization:[redacted] Host:[h]]",
		"token=Bearer abc":                         "token=Bearer [redacted]",
		"Cookie: a=b; c=d":                         "Cookie: [redacted]",
		"GET / HTTP/1.1\r\nCookie: a=b\r\nHost: h": `GET / HTTP/1.1\r\nCookie: [redacted]\r\nHost: h`,
		`Bearer "ab c"`:                            `Bearer "[redacted]"`,
		`"bad Bearer \"abc\", x"`:                  `"bad Bearer \"[redacted]\", x"`,
		`Basic 'dXNlcjpwYXNz'`:                     `Basic '[redacted]'`,
		`Bearer token="a b" x`:                     `Bearer [redacted] x`,
		"?r=%252F%253Fh%253DBearer%2520abc":        "?r=%252F%253Fh%253DBearer%2520[redacted]",
		"cookie=a=b; c=d":                          "cookie=[redacted]",
		// URLs.
		"https://user:pass@host/x":          "https://[redacted]@host/x",
		"redis://:p%40ss@h:6379":            "redis://[redacted]@h:6379",
		"https://u:p@ss@host":               "https://[redacted]@host",
		"amqp://u:pa/ss@host/x":             "amqp://[redacted]@host/x",
		"root:hunter2@tcp(127.0.0.1:3306)/": "[redacted]@tcp(127.0.0.1:3306)/",
		"root:hunter2@/db?x=1":              "[redacted]@/db?x=1",
		"root:hunter2@(127.0.0.1)/db":       "[redacted]@(127.0.0.1)/db",
		"u:hun=ter2=@tcp(h)/db":             "[redacted]@tcp(h)/db",
		"dsn=u:hun=ter2=@unix(/a.sock)/db":  "dsn=[redacted]@unix(/a.sock)/db",
		"u:hunter2@cloudsql(a:b)/db":        "[redacted]@cloudsql(a:b)/db",
		"/socket.io/?EIO=4&sid=abc&x=1":     "/socket.io/?EIO=4&sid=[redacted]&x=1",
		"?token=a,b&x=1":                    "?token=[redacted]&x=1",
		"?%74oken=abc&x=1":                  "?%74oken=[redacted]&x=1",
		"r=https%3A%2F%2Fh%3Ftoken%3Dabc":   "r=https%3A%2F%2Fh%3Ftoken%3D[redacted]",
		"user[password]=abc&x=1":            "user[password]=[redacted]&x=1",
		"user%5Bpassword%5D=abc":            "user%5Bpassword%5D=[redacted]",
		"#access_token=abc&state=1":         "#access_token=[redacted]&state=1",
		`https:\/\/u:p@h`:                   `https:\/\/[redacted]@h`,
		"https%3A%2F%2Fu%3Ap%40h%2Fx":       "https%3A%2F%2F[redacted]%40h%2Fx",
		"https%3a%2f%2fu%3ap%40h":           "https%3a%2f%2f[redacted]%40h",
		`?token=abc\u0026x=<Bearer abc>`:    `?token=[redacted]\u0026x=<Bearer [redacted]>`,
		`?token\u003dabc\u0026x\u003d1`:     `?token\u003d[redacted]\u0026x\u003d1`,
		`?x\u003D1\u0026token\u003Dabc`:     `?x\u003D1\u0026token\u003D[redacted]`,
		// Pairs.
		`%7B%22password%22%3A%22abc%22%7D`:  `%7B%22password%22%3A[redacted]`,
		`"token: abc\nBearer abc"`:          `"token: [redacted]\nBearer [redacted]"`,
		`"token: abc\r\npassword: abc"`:     `"token: [redacted]\r\npassword: [redacted]"`,
		`"token: abc\nx: y"`:                `"token: [redacted]\nx: y"`,
		`password=ab\nacus`:                 `password=[redacted]`,
		`password\u003dhunter2`:             `password\u003d[redacted]`,
		`password\u003A hunter2`:            `password\u003A [redacted]`,
		`"password\\u003dhunter2\\u0026x"`:  `"password\\u003d[redacted]\\u0026x"`,
		`password\u003d\"it is\"`:           `password\u003d\"[redacted]\"`,
		`k\u003dghp_16C7e42F292c6912E7710c`: `k\u003d[redacted]`,
		`k%3Dghp_16C7e42F292c6912E7710c`:    `k%3D[redacted]`,
		`{"token":"abc","x":1}`:             `{"token":"[redacted]","x":1}`,
		`{"token": "a\"b","x":1}`:           `{"token": "[redacted]","x":1}`,
		`{\"token\":\"a\\\"b\",\"x\":1}`:    `{\"token\":\"[redacted]\",\"x\":1}`,
		`{"t\u006fken":"abc"}`:              `{"t\u006fken":"[redacted]"}`,
		`{"auth":{"a":"}b"},"x":1}`:         `{"auth":[redacted],"x":1}`,
		`{"auth":{"a":"`:                    `{"auth":[redacted]`,
		"{\"token\":\n \"abc\"}":            `{"token":\n "[redacted]"}`,
		`"token"=>"abc"`:                    `"token"=>"[redacted]"`,
		"token: xyz":                        "token: [redacted]",
		"token = xyz":                       "token = [redacted]",
		"password: hunter2 x":               "password: [redacted] x",
		"password=correct horse":            "password=[redacted] horse",
		"{Token:abc User:bob}":              "{Token:[redacted] User:bob}",
		"API key: abc":                      "API key: [redacted]",
		"X-Api-Key: abc":                    "X-Api-Key: [redacted]",
		"the session id: abc, x":            "the session id: [redacted], x",
		"connect.sid=s%3Aabc.def; path=/":   "connect.sid=[redacted]; path=/",
		"token='it is'":                     "token='[redacted]'",
		`{'token': u'x', b'password': b'hunter2 and more', "n": 1}`: `{'token': u'[redacted]', b'password': b'[redacted]', "n": 1}`,
		`"{\\"token\\": Rb\\"x y\\"}"`:                              `"{\\"token\\": Rb\\"[redacted]\\"}"`,
		`token=bu x`:                                                `token=[redacted] x`,
		`token="unterminated`:                                       `token="[redacted]`,
		"otp=123456":                                                "otp=[redacted]",
		"pa\u017f\u017fword=x":                                      "pa\u017f\u017fword=[redacted]",
		`"\r\nauth: a1b2"`:                                          `"\r\nauth: [redacted]"`,
		"credentials: [a b] x":                                      "credentials: [redacted] x",
		"token=[redacted]real":                                      "token=[redacted]",
		"jwt: a1b2c3 from x":                                        "jwt: [redacted] from x",
		"x-amz-signature=abc0":                                      "x-amz-signature=[redacted]",
		"auth.token=abc":                                            "auth.token=[redacted]",
		"req.auth=abc":                                              "req.auth=[redacted]",
		"sessionid=123456":                                          "sessionid=[redacted]",
		"session:8f3":                                               "session:[redacted]",
		"tokens_left=5&token=5abc&pwd=1234":                         "tokens_left=5&token=[redacted]&pwd=[redacted]",
		// After a name that is a secret too.
		`auth: token="a b", x`:                `auth: [redacted], x`,
		`session: sid='a b' x`:                `session: [redacted] x`,
		`password=token="a b"`:                `password=[redacted]`,
		`{"e":"auth: token=\"a b\"","x":"y"}`: `{"e":"auth: [redacted]","x":"y"}`,
		`token: Bearer id="a b"`:              `token: Bearer [redacted]`,
		`token: Some("a b") x`:                `token: [redacted]) x`,
		`{"e":"token=YWJj=","x":"y"}`:         `{"e":"token=[redacted]","x":"y"}`,
		`{"token":abcdefg,"x":"y"}`:           `{"token":[redacted],"x":"y"}`,
		// What fmt writes.
		`http.Header{"Cookie":[]string{"a=b", "c=d"}, "X":[]string{"y"}}`:     `http.Header{"Cookie":[redacted], "X":[]string{"y"}}`,
		`map[string]interface {}{"token":[]interface {}{"a b", 1}, "x":1}`:    `map[string]interface {}{"token":[redacted], "x":1}`,
		`map[string]any{"auth":map[string]interface {}{"a":"b"}, "x":1}`:      `map[string]any{"auth":[redacted], "x":1}`,
		`{"credentials":main.User{Name:"a", X:map[string]int{"}":1}}, "x":1}`: `{"credentials":[redacted], "x":1}`,
		`{Secret:struct { A string; B int }{A:"a b", B:1}, X:1}`:              `{Secret:[redacted], X:1}`,
		`{Token:[]uint8{0x61, 0x62}, X:1}`:                                    `{Token:[redacted], X:1}`,
		"map[auth:map[a:b c:map[d:e f:g]] x:1]":                               "map[auth:[redacted] x:1]",
		"token: &{a b} x":                                                     "token: [redacted] x",
		`token: &main.T{A:"a b"} x`:                                           "token: [redacted] x",
		`"token=map[a:"b c" d:e] x"`:                                          `"token=[redacted] x"`,
		"token=map[a b]c d":                                                   "token=[redacted] d",
		"?token=&x={a b}":                                                     "?token=&x={a b}",
		"token: abc [x y]":                                                    "token: [redacted] [x y]",
		// Keys.
		pem:                                 "[redacted]",
		"a " + pem + " b":                   "a [redacted] b",
		pem[:40]:                            "[redacted]",
		strings.ReplaceAll(pem, "\n", `\n`): "[redacted]",
		h32:                                 "[redacted]",
		"sha256:" + h32 + h32:               "sha256:[redacted]",
		jwtSig:                              "[redacted]",
		"/reset/" + jwtSig:                  "/reset/[redacted]",
		"/tmp/session_" + b32 + ": denied":  "/tmp/[redacted]: denied",
		"a " + b32[2:] + " b":               "a [redacted] b",
		"wJ4lrXUtnF3MI/K7mDEn9/bPxRfiCY2xAmPlEK3Y":  "[redacted]",
		"sk_live_4eC39HqLyjWD":                      "[redacted]",
		"ghp_16C7e42F292c6912E7710c838347Ae178B4a":  "[redacted]",
		"xoxb-123456789012-abc":                     "[redacted]",
		"AKIAIOSFODNN7EXAMPLE":                      "[redacted]",
		"k AIzaSyDaGmWKa4JsXZ-HjGw7ISLn_3namBGewQe": "k [redacted]",
		"github_pat_11ABCDEFG0123456789_x":          "[redacted]",
		// Control characters.
		"a\nb\r\t\x1b[31m":      `a\nb\r\t\x1b[31m`,
		"a\x00\x7f\u0085\u2028": `a\x00\x7f\u0085\u2028`,
		"\u202eabc\u2066\u200f": `\u202eabc\u2066\u200f`,
		"\xff\xfea":             `\xff\xfea`,
	} {
		if got := Names(nil).Text(in); got != want {
			t.Errorf("Text(%q)\n got %q\nwant %q", in, got, want)
		}
		if got := Names(nil).Text(want); got != want {
			t.Errorf("not idempotent: Text(%q)\n got %q", want, got)
		}
	}
}

func TestStays(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "connected", "transport close", "transport error", "ping timeout", "client namespace disconnect", "rate_limited",
		"parse error", "forced close", "token_expired: Token expired: exp was 3s ago", "invalid token: signature is invalid",
		"token is malformed: token contains an invalid number of segments", "token has invalid claims: token is expired",
		"jwtauth: no token", "token: expired", "session: not found", "load session: dial tcp 127.0.0.1:6379: connect: connection refused",
		"session: securecookie: hash key is not set", "securecookie: base64 decode failed - caused by: illegal base64 data at input byte 4",
		"jwtauth: HMAC: key 1: jws: empty secret; is a variable not set?", "jwtauth: cannot verify now: jwtauth: KeyFunc: jws: the key is a string",
		"session: redis: nil", "read cookie: http: named cookie not present", "csrf: origin mismatch", "auth: token_expired",
		"wrong password: too short", "password: must have 8 characters", "session:join", "auth:login", "tokens_left=5",
		"token.go:45", "/app/session/token.go:45: undefined: x", "password.go:12 +0x1d", "Bearer token missing", "bearer of bad news",
		`Bearer realm="x"`, `bearer "token" missing`, "expected Bearer prefix",
		"Authorization header format must be Bearer {token}", "Access denied for user 'root'@'localhost' (using password: YES)", `{"prefix":"Bearer ","x":"y"}`, `"Bearer " + token`, "cookie=; path=/", "basic auth", "Basic authentication required", "basic usage", "digest mismatch", "cookie_name=abc",
		"token_type=x", "token=", "?token=&x=1", "session: <nil>", "token: nil", "if token == nil", "code=42", "code: ECONNRESET", `x\u003d1\u0026y\u003a2`,
		"reason=transport close", "namespace=/chat", "Access-Control-Allow-Credentials: true", "key=value", "public_key: x",
		socketID, "room " + socketID, "2026-11-21T09:32:01.123456789Z", "2026-11-21T09:32:01+01:00",
		"123e4567-e89b-12d3-a456-426614174000", "2001:db8::8a2e:370:7334", "[2001:db8::1]:8080", "127.0.0.1:8080", "fe80::1%eth0",
		"v0.0.0-20190716044945-2f068394615f", "v1.26.8", "go1.26.8 linux/amd64", "github.com/zishang520/socket.io/v2/socket",
		"github.com/sioware/sioware/jwtauth/internal/keys.(*Set).refreshLockedAndVerify",
		"/Users/Bob/Projects/MyApp2/internal/SomeThing/LongDirectoryName/file.go",
		"/home/u1/go/pkg/mod/github.com/!micah!parks/jwkset@v0.11.3/storage.go",
		"TestConnectionStateRecoveryWithSeveralNamespacesAndRooms2",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
		"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", "gzip, deflate, br, zstd",
		"https://example.com/path?x=1#top", "http://[::1]:8080/", "ws://localhost:3000/socket.io/?EIO=4&transport=websocket",
		"https://host:80/@/x", "import from:@/components", "GET:/users/@/x", "npm:@scope/pkg",
		"mail bob@example.com", "@here (all)", "50% of 3", "100%3", "the keys: a, b", "Token expired", "é ü 日本 👨‍👩‍👧",
		strings.Repeat("X", 64), strings.Repeat("GATTACA", 12), "THISISWHATPEOPLEWRITEWHENTHEYHAVELOSTTHEIRSPACEBAR", "PYXN4LNLQ2TZ7ABCDEFGHIJKLM", // rand.Text, as IDs are
		"[redacted]", "Bearer [redacted]", "token=[redacted]&x=1", "https://[redacted]@host", "abc-eyes.only.here", "ewe.a.b",
		"-----BEGIN CERTIFICATE-----", "panic: runtime error: index out of range [5] with length 3",
		"goroutine 7 [select]: main.(*conn).serve(0xc000123456, {0x7f1234567890, 0xc0000a0000}) created by x in goroutine 1",
	} {
		if got := Names(nil).Text(s); got != s {
			t.Errorf("Text(%q)\n got %q", s, got)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"password", "Password", "PASSWORD", "user_password", "passwordHash", "passwd", "pwd", "db.pwd", "secret", "client-secret",
		"clientSecret", "SECRET_KEY", "token", "tokens", "accessToken", "x-csrf-token", "authorization", "Proxy-Authorization",
		"auth", "cookie", "Set-Cookie", "set_cookie", "cookies", "apikey", "api_key", "API-Key", "X API Key", "accessKeyId", "private.key",
		"credential", "credentials", "sid", "connect.sid", "PHPSESSID", "JSESSIONID", "session", "userSession", "sessions", "session_id",
		"sessionId", "jwt", "JWTs", "bearer", "signature", "X-Amz-Signature", "otp", "otp_code", "totp", "pin", "user_pin", "csrf",
		"XSRF-TOKEN", "pass", "db_pass", "sig", "token2", "to\u212aen", "\u017fecret", "pass\u200bword", "tok\x00en", strings.Repeat("x", 2000),
	} {
		if Names(nil).grade(name) == public {
			t.Errorf("%q stays", name)
		}
	}
	for _, name := range []string{
		"", "code", "socket", "namespace", "reason", "key", "keys", "public_key", "author", "authority", "authenticated", "ping", "pinned",
		"mapping", "shipping", "inside", "side", "status", "error", "err", "user", "room", "event", "id", "addr", "session_count", "token_type",
		"cookie_name", "tokenExpired", "token_expired", "token_ttl", "passed", "bypass_list", "compass", "sign", "design", "assign", "option",
		"hotplug", "trace_id", "session_started_at", "transport", "cache_key", "monkey", "duration", "stack", "msg", "level", "time",
	} {
		if Names(nil).grade(name) != public {
			t.Errorf("%q is taken for a secret", name)
		}
	}
}

// TestNoName: an empty name does not match everything without a name.
func TestNoName(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	slog.New(New(slog.NewJSONHandler(&out, nil), "", "*", "pet")).Info("if x == y", slog.Group("", "a", 1, "b", "c"), "pet", "rex")
	if got := out.String(); !strings.Contains(got, `"msg":"if x == y","a":1,"b":"c","pet":"[redacted]"`) {
		t.Error(got)
	}
}

// TestKnown: the cache returns what would be found for a name, however many there are.
func TestKnown(t *testing.T) {
	t.Parallel()
	var known cache
	names := Names{"pet": {}}
	all := []string{"", "pet", "Pet", "password", "pass_word", "token_type", "line\nbreak", "conn", strings.Repeat("x", 32), strings.Repeat("x", 33), strings.Repeat("x", 200)}
	for i := range 1000 {
		all = append(all, "name"+strconv.Itoa(i), "secret"+strconv.Itoa(i))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2 {
				for _, name := range all {
					grade, quiet := known.of(names, name)
					if wantGrade, wantQuiet := names.look(name); grade != wantGrade || quiet != wantQuiet {
						t.Errorf("%q is %d, %t, want %d, %t", name, grade, quiet, wantGrade, wantQuiet)
					}
				}
			}
		})
	}
	wg.Wait()
}

// TestTexts: a list of texts stays one, without its secrets.
func TestTexts(t *testing.T) {
	t.Parallel()
	long := make([]string, maxEntries+1)
	for name, test := range map[string]struct {
		list []string
		want string
	}{
		"plain":   {[]string{"polling", "websocket"}, `["polling","websocket"]`},
		"none":    {[]string{}, `[]`},
		"nil":     {nil, `null`},
		"secret":  {[]string{"a", "Bearer abcdefgh12345678"}, `["a","Bearer [redacted]"]`},
		"control": {[]string{"a\nb"}, `["a\\nb"]`},
		"long":    {long, `(+1 more)`},
		"large":   {[]string{strings.Repeat("x y ", maxText/4), strings.Repeat("x y ", maxText/4+1)}, "(+4 bytes)"},
	} {
		var out strings.Builder
		slog.New(New(slog.NewJSONHandler(&out, nil))).Info("m", "list", test.list)
		if !strings.Contains(out.String(), test.want) {
			t.Errorf("%s: %s, want %s", name, out.String(), test.want)
		}
		out.Reset()
		slog.New(New(slog.NewJSONHandler(&out, nil))).Info("m", "tokens", test.list)
		if !strings.Contains(out.String(), `"tokens":"[redacted]"`) {
			t.Errorf("%s: %s under a name that is secret", name, out.String())
		}
	}
}
