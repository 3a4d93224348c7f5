package jws_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/jwtauth/internal/jws"
)

// TestHeader signs each header, so that nothing but the header is wrong.
func TestHeader(t *testing.T) {
	t.Parallel()
	k := pairOf(t, "HS256")
	for _, c := range []struct{ name, header, fault string }{
		{"least", `{"alg":"HS256"}`, ""},
		{"JWT", `{"typ":"JWT","alg":"HS256"}`, ""},
		{"jwt", `{"typ":"jwt","alg":"HS256"}`, ""},
		{"media type", `{"typ":"Application/JWT","alg":"HS256"}`, ""},
		{"access token", `{"typ":"at+jwt","alg":"HS256"}`, ""},
		{"access token, media type", `{"typ":"application/at+JWT","alg":"HS256"}`, ""},
		{"space", " {\n\t\"alg\" : \"HS256\" , \"x\" : [ 1 , { } , [ ] ] } \r\n", ""},
		{"escaped name", `{"\u0061lg":"HS\u0032\u0035\u0036"}`, ""},
		{"unknown names", `{"alg":"HS256","cty":"x","jwk":{"kty":"oct","k":"AA"},"jku":"https://evil.example/","x5u":"https://evil.example/","x5c":["AA"]}`, ""},
		{"kid", `{"alg":"HS256","kid":"\"\\\/\ud83d\ude00 é"}`, ""},
		{"kid of most bytes", `{"alg":"HS256","kid":"` + strings.Repeat("k", 1024) + `"}`, ""},

		{"no alg", `{"typ":"JWT"}`, "alg missing"},
		{"none", `{"alg":"none"}`, "alg missing"},
		{"None", `{"alg":"None"}`, "alg missing"},
		{"lower case", `{"alg":"hs256"}`, "alg missing"},
		{"empty alg", `{"alg":""}`, "alg missing"},
		{"alg of encryption", `{"alg":"A128KW"}`, "alg missing"},
		{"alg of NUL", `{"alg":"HS256\u0000"}`, "alg missing"},
		{"alg is a list", `{"alg":["HS256"]}`, "alg missing"},
		{"alg is null", `{"alg":null}`, "alg missing"},
		{"alg is a number", `{"alg":256}`, "alg missing"},
		{"alg twice", `{"alg":"HS256","alg":"HS256"}`, "duplicate"},
		{"alg twice, escaped", `{"alg":"HS256","\u0061lg":"HS256"}`, "duplicate"},
		{"alg twin", `{"alg":"HS256","ALG":"none"}`, "only in case"},
		{"alg twin before", `{"Alg":"none","alg":"HS256"}`, "only in case"},
		{"kid twin, Kelvin sign", `{"alg":"HS256","` + "\u212a" + `id":"a"}`, "only in case"},
		{"kid twin, escaped Kelvin sign", `{"alg":"HS256","\u212aid":"a"}`, "only in case"},
		{"typ twin", `{"alg":"HS256","TYP":"a"}`, "only in case"},
		{"crit twin", `{"alg":"HS256","Crit":["a"]}`, "only in case"},
		{"b64 twin", `{"alg":"HS256","B64":false}`, "only in case"},
		{"duplicate elsewhere", `{"alg":"HS256","jwk":{"a":[{"b":1,"b":2}]}}`, "duplicate"},
		{"many members, two alike", `{"alg":"HS256",` + members(300) + `,"m7":0}`, "duplicate"},
		{"crit", `{"alg":"HS256","crit":["exp"],"exp":1}`, "crit"},
		{"crit empty", `{"alg":"HS256","crit":[]}`, "crit"},
		{"crit null", `{"alg":"HS256","crit":null}`, "crit"},
		{"b64 false", `{"alg":"HS256","b64":false}`, "b64"},
		{"b64 true", `{"alg":"HS256","b64":true}`, "b64"},
		{"typ of another purpose", `{"alg":"HS256","typ":"dpop+jwt"}`, "typ"},
		{"typ of a logout token", `{"alg":"HS256","typ":"logout+jwt"}`, "typ"},
		{"typ JOSE", `{"alg":"HS256","typ":"JOSE"}`, "typ"},
		{"typ empty", `{"alg":"HS256","typ":""}`, "typ"},
		{"typ null", `{"alg":"HS256","typ":null}`, "typ"},
		{"typ prefix only", `{"alg":"HS256","typ":"application/"}`, "typ"},
		{"typ prefix twice", `{"alg":"HS256","typ":"application/application/jwt"}`, "typ"},
		{"kid number", `{"alg":"HS256","kid":1}`, "kid"},
		{"kid null", `{"alg":"HS256","kid":null}`, "kid"},
		{"kid list", `{"alg":"HS256","kid":["a"]}`, "kid"},
		{"kid with line feed", `{"alg":"HS256","kid":"a\nb"}`, "kid"},
		{"kid with DEL", `{"alg":"HS256","kid":"a\u007fb"}`, "kid"},
		{"kid with C1", `{"alg":"HS256","kid":"a\u009bb"}`, "kid"},
		{"kid too long", `{"alg":"HS256","kid":"` + strings.Repeat("k", 1025) + `"}`, "kid"},
		{"lone surrogate", `{"alg":"HS256","x":"\ud800"}`, "surrogate"},
		{"lone low surrogate", `{"alg":"HS256","x":"\udc00"}`, "surrogate"},
		{"surrogates in wrong order", `{"alg":"HS256","x":"\udc00\ud800"}`, "surrogate"},
		{"surrogate and letter", `{"alg":"HS256","x":"\ud800\u0041"}`, "surrogate"},
		{"surrogate and text", `{"alg":"HS256","x":"\ud800abcdef"}`, "surrogate"},
		{"lone surrogate in a name", `{"alg":"HS256","\udfff":1}`, "surrogate"},
		{"lone surrogate in alg", `{"alg":"HS256\ud800"}`, "surrogate"},
		{"lone surrogate in typ", `{"alg":"HS256","typ":"JWT\ud800"}`, "surrogate"},
		{"lone surrogate in kid", `{"alg":"HS256","kid":"\ud800"}`, "surrogate"},
		{"invalid UTF-8", "{\"alg\":\"HS256\",\"x\":\"\xff\"}", "UTF-8"},
		{"overlong UTF-8", "{\"alg\":\"HS256\",\"x\":\"\xc0\xaf\"}", "UTF-8"},
		{"byte order mark", "\ufeff" + `{"alg":"HS256"}`, "JSON"},
		{"not JSON", `{"alg":"HS256"`, "JSON"},
		{"two objects", `{"alg":"HS256"}{}`, "JSON"},
		{"comma at the end", `{"alg":"HS256",}`, "JSON"},
		{"array", `["HS256"]`, "JSON"},
		{"string", `"HS256"`, "JSON"},
		{"null", `null`, "JSON"},
		{"deep", `{"alg":"HS256","x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, "deep"},
		{"deep objects", `{"alg":"HS256","x":` + strings.Repeat(`{"":`, 64) + "0" + strings.Repeat("}", 64) + `}`, "deep"},
	} {
		token, err := jws.Parse(k.token(t, c.header, "{}"))
		switch {
		case c.fault != "" && err == nil:
			t.Errorf("%s: accepted", c.name)
		case c.fault != "" && !strings.Contains(err.Error(), c.fault):
			t.Errorf("%s: error %q, want one with %q", c.name, err, c.fault)
		case c.fault == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.fault == "" && token.Verify(k.key(t)) != nil:
			t.Errorf("%s: does not verify", c.name)
		}
	}
}

// TestSpelling has other ways to write one token. Each would be another token
// where tokens are known by their text, and some would write lines into a log.
func TestSpelling(t *testing.T) {
	t.Parallel()
	k := pairOf(t, "HS256")
	raw := k.token(t, `{"alg":"HS256"}`, `{"a":1}`) // 43 characters of signature
	part := strings.Split(raw, ".")
	if _, err := jws.Parse(raw); err != nil {
		t.Fatal(err)
	}
	other := map[string]string{
		"empty":                  "",
		"dots":                   "..",
		"one part":               part[0],
		"two parts":              part[0] + "." + part[1],
		"no header":              "." + part[1] + "." + part[2],
		"no payload":             part[0] + ".." + part[2],
		"no signature":           part[0] + "." + part[1] + ".",
		"four parts":             raw + "." + part[2],
		"dot at the end":         raw + ".",
		"dot at the start":       "." + raw,
		"thousands of dots":      strings.Repeat(".", 8000),
		"encrypted, five parts":  "a.b.c.d.e",
		"padding":                raw + "=",
		"padding in the header":  part[0] + "=." + part[1] + "." + part[2],
		"line feed at the end":   raw + "\n",
		"line feed inside":       raw[:len(raw)-3] + "\n" + raw[len(raw)-3:],
		"CRLF inside":            raw[:len(raw)-3] + "\r\n" + raw[len(raw)-3:],
		"line feed in a header":  raw[:3] + "\n" + raw[3:],
		"space":                  " " + raw,
		"space at the end":       raw + " ",
		"tab":                    raw + "\t",
		"NUL":                    raw + "\x00",
		"standard base64":        part[0] + "." + part[1] + "." + strings.Repeat("+/", 21) + "A",
		"not ASCII":              raw + "é",
		"one character too many": raw + "AA",
		"JSON serialization":     `{"protected":"` + part[0] + `","payload":"` + part[1] + `","signature":"` + part[2] + `"}`,
		"Bearer":                 "Bearer " + raw,
		"too long":               part[0] + "." + strings.Repeat("A", jws.MaxToken) + "." + part[2],
	}
	// The last of 43 characters has two bits that mean nothing.
	last := strings.IndexByte(alphabet, raw[len(raw)-1])
	for i := 1; i < 4; i++ {
		other["trailing bits "+string(rune('0'+i))] = raw[:len(raw)-1] + string(alphabet[last|i])
	}
	for name, raw := range other {
		if _, err := jws.Parse(raw); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}

	filler := base64.RawURLEncoding.EncodeToString(make([]byte, jws.MaxToken))
	longest := part[0] + "." + filler[:(jws.MaxToken-len(part[0])-len(part[2])-2)/4*4] + "." + part[2]
	if _, err := jws.Parse(longest); err != nil {
		t.Errorf("%d bytes: %v", len(longest), err)
	}
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func TestVerify(t *testing.T) {
	t.Parallel()
	tokens := map[string]*jws.Token{}
	for _, alg := range algorithms {
		token, err := jws.Parse(pairOf(t, alg).sign(t, jwt.MapClaims{"iss": "i"}))
		if err != nil {
			t.Fatal(err)
		}
		tokens[alg] = token
		if token.Header.Algorithm != alg || token.Header.Type != "JWT" || token.Issuer() != "i" {
			t.Errorf("%s: %+v, %q", alg, token.Header, token.Issuer())
		}
		refused(t, token.Verify(jws.Key{}), "zero Key")
	}
	// Each token is verified by its own algorithm and no other, of any key.
	for _, alg := range algorithms {
		key := pairOf(t, alg).key(t, alg)
		for other, token := range tokens {
			if err := token.Verify(key); (err == nil) != (alg == other) {
				t.Errorf("token of %s, key for %s: %v", other, alg, err)
			}
			if key.Allows(other) != (alg == other) {
				t.Errorf("a key for %s allows %s: %v", alg, other, key.Allows(other))
			}
		}
	}
	for _, alg := range algorithms {
		if !pairOf(t, alg).key(t).Allows(alg) {
			t.Errorf("the key of %s does not allow it", alg)
		}
	}
}

// TestForged changes each part of a token in each byte.
func TestForged(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"HS256", "RS256", "PS256", "ES256", "EdDSA"} {
		k := pairOf(t, alg)
		raw, key := k.sign(t, jwt.MapClaims{"sub": "bob"}), k.key(t)
		for i := range raw {
			for _, c := range []byte{'A', raw[i] ^ 1, raw[i] ^ 4} {
				forged := raw[:i] + string(rune(c)) + raw[i+1:]
				if forged == raw {
					continue
				}
				if token, err := jws.Parse(forged); err == nil && token.Verify(key) == nil {
					t.Fatalf("%s: byte %d as %q is accepted", alg, i, c)
				}
			}
		}
	}
}

func TestSignatureLength(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"HS256", "RS256", "PS512", "ES256", "ES512", "EdDSA"} {
		k := pairOf(t, alg)
		key := k.key(t)
		raw := k.sign(t, jwt.MapClaims{})
		dot := strings.LastIndexByte(raw, '.') + 1
		sig := b64(t, raw[dot:])
		half := len(sig) / 2
		for name, forged := range map[string][]byte{
			"one byte":       {0},
			"first half":     sig[:half],
			"a byte less":    sig[:len(sig)-1],
			"a byte more":    append(sig[:len(sig):len(sig)], 0),
			"a zero before":  append([]byte{0}, sig...),
			"halves padded":  append(append(append([]byte{0}, sig[:half]...), 0), sig[half:]...),
			"zeros":          make([]byte, len(sig)),
			"twice as long":  append(sig[:len(sig):len(sig)], sig...),
			"much too long":  make([]byte, 4000),
			"its first zero": make([]byte, 1),
		} {
			token, err := jws.Parse(raw[:dot] + base64.RawURLEncoding.EncodeToString(forged))
			if err != nil {
				t.Fatal(err)
			}
			if token.Verify(key) == nil {
				t.Errorf("%s: %s is accepted", alg, name)
			}
		}
	}
}

// TestHash: the hash identifies what was signed, whatever the signature: for
// ECDSA anybody can make another one from the first.
func TestHash(t *testing.T) {
	t.Parallel()
	k := pairOf(t, "ES256")
	parse := func(claims jwt.MapClaims) [32]byte {
		token, err := jws.Parse(k.sign(t, claims))
		if err != nil || token.Verify(k.key(t)) != nil {
			t.Fatal(err)
		}
		return token.Hash()
	}
	first, second := parse(jwt.MapClaims{"sub": "a"}), parse(jwt.MapClaims{"sub": "a"})
	if first != second {
		t.Error("two signatures of one token make two names")
	}
	if first == parse(jwt.MapClaims{"sub": "b"}) {
		t.Error("two tokens have one name")
	}
}

func TestIssuer(t *testing.T) {
	t.Parallel()
	k := pairOf(t, "HS256")
	for payload, want := range map[string]string{
		`{"iss":"a"}`:                            "a",
		`{"a":{"iss":"b"},"iss":"\u0061"}`:       "a",
		`{"a":["iss",{"iss":1}],"\u0069ss":"a"}`: "a",
		`{}`:                                     "",
		`{"iss":null}`:                           "",
		`{"iss":1}`:                              "",
		`{"iss":["a"]}`:                          "",
		`{"iss":"a","iss":"b"}`:                  "",
		`{"iss":null,"iss":"b"}`:                 "",
		`{"ISS":"a"}`:                            "",
		`{"iss":"a"`:                             "",
		`{"iss":"\ud800"}`:                       "",
		"{\"iss\":\"\xff\"}":                     "",
		`{"iss":"a","b":"\ud800"}`:               "",
		`{"iss":"a","\ud800":1}`:                 "",
		`["iss","a"]`:                            "",
		`"iss"`:                                  "",
		`foo`:                                    "",
	} {
		token, err := jws.Parse(k.token(t, `{"alg":"HS256"}`, payload))
		if err != nil {
			t.Fatal(err)
		}
		if got := token.Issuer(); got != want {
			t.Errorf("%s: issuer %q, want %q", payload, got, want)
		}
	}
}
