package jwtauth_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
)

// sent matches what a reader may take for a token, whatever net/http makes of it.
var sent = map[string]*regexp.Regexp{
	"Authorization": regexp.MustCompile(`(?i)^(?:[^"]*,[ \t]*)?bearer[ \t]+[^ \t]`),
	"Cookie":        regexp.MustCompile(`(?:^|;)[ \t]*jwt[ \t]*=[^;]*[^;"\s]`),
	"query":         regexp.MustCompile(`(?:^|&)(?:t|%74)oken=[^&]`),
}

// FuzzSources: whatever a client puts where tokens are looked for, find does not
// panic, does not overlook a token, and what it finds is removed completely.
func FuzzSources(f *testing.F) {
	f.Add(`{"token":"abc"}`, "Bearer abc", "jwt=abc; a=b", "token=abc&x=1", "socket.io, bearer.abc")
	f.Add(`{"token":["abc"]}`, "bearer  abc", "jwt=\"abc\"", "%74oken=abc;a=b&token", "bearer.")
	f.Add(`{}`, "Basic YTpi, Bearer abc", `jwt=abc\; jwt=abd`, "token=abc%zz&token=abd;", "")
	f.Add(`{}`, `Digest a=", Bearer \"", b`, `jwt="abc`, "%74oken=abc%", "")
	f.Add(`[]`, "Basic x", ";;=;jwt", "&&=&token==", ",,bearer.a,bearer.b")
	sources, _ := everywhere("")
	f.Fuzz(func(t *testing.T, payload, authorization, cookie, query, protocol string) {
		var auth any
		_ = json.Unmarshal([]byte(payload), &auth)
		r := &http.Request{URL: &url.URL{RawQuery: query}, RequestURI: "/?" + query, Header: http.Header{
			"Authorization": {authorization}, "Cookie": {cookie}, "Sec-Websocket-Protocol": {protocol},
		}}
		found, err := jwtauth.Find(sources, auth, r)
		if err != nil && found != "" {
			t.Errorf("%q with %v", found, err)
		}
		for where, text := range map[string]string{"Authorization": authorization, "Cookie": cookie, "query": query} {
			if found == "" && err == nil && sent[where].MatchString(text) {
				t.Errorf("overlooked in %s: %q", where, text)
			}
		}
		jwtauth.Scrub(sources, r)
		// The payload is the socket's; see TestNoTokenLeft.
		if again, err := jwtauth.Find(sources, nil, r); again != "" || err != nil {
			t.Errorf("left: %q, %v in %q %q %q", again, err, r.Header, r.URL.RawQuery, r.RequestURI)
		}
		// Nothing is added.
		for k, v := range r.Header {
			if before := map[string]string{"Authorization": authorization, "Cookie": cookie, "Sec-Websocket-Protocol": protocol}[k]; len(v[0]) > len(before)+strings.Count(before, ",")+strings.Count(before, ";") {
				t.Errorf("%s has grown from %q to %q", k, before, v)
			}
		}
	})
}

// FuzzToken: a whole token, mutated. What passes must pass golang-jwt's strict
// parser too, and be what was signed.
func FuzzToken(f *testing.F) {
	a, err := jwtauth.New[claims](jwtauth.HMAC(secret), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = a.Close(f.Context()) })
	f.Add(hs256, `{"sub":"ada","exp":4102444800,"role":"admin"}`, "")
	f.Add(`{"alg":"HS256","crit":["x"]}`, `{"exp":1}`, "=")
	f.Add(`{"alg":"none"}`, `{"sub":"ada","EXP":4102444800,"aud":["a"],"nbf":1.5}`, "\n")
	f.Add(hs256, `{"exp":4.1e9,"iat":0,"nbf":-1e3,"jti":"x","iss":null,"sid":""}`, ".")
	f.Add(hs256, `{"exp":4.1e9,"n":1e999}`, "")
	strict := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithStrictDecoding(), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	f.Fuzz(func(t *testing.T, header, payload, tail string) {
		token := forge(header, payload, secret) + tail
		id, err := a.Authenticate(t.Context(), token)
		if err != nil {
			var e *wrap.Error
			if id != nil || !errors.As(err, &e) || e.Code != "token_invalid" && e.Code != "token_expired" {
				t.Fatalf("%+v, %v", id, err)
			}
			return
		}
		m := jwt.MapClaims{}
		_, err = strict.ParseWithClaims(token, m, func(*jwt.Token) (any, error) { return secret, nil })
		var number *json.UnmarshalTypeError
		if errors.As(err, &number) && strings.HasPrefix(number.Value, "number ") {
			return // it reads what is not registered as float64 too, which ends at 1.8e308
		}
		if err != nil {
			t.Fatalf("golang-jwt refuses what we accept: %v\n%s\n%s", err, header, payload)
		}
		if sub, _ := m["sub"].(string); sub != id.Subject || id.Claims.Subject != id.Subject {
			t.Errorf("subject %q, %q; the claims say %q", id.Subject, id.Claims.Subject, sub)
		}
		if role, _ := m["role"].(string); role != id.Claims.Role {
			t.Errorf("role %q; the claims say %q", id.Claims.Role, role)
		}
	})
}
