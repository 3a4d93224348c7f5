package jws_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/jwtauth/internal/jws"
)

// members returns n members.
func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":%d`, i, i)
	}
	return b.String()[1:]
}

// sample is a type of claims as users write them.
type sample struct {
	jwt.RegisteredClaims
	Roles  []string          `json:"roles"`
	Tenant *tenant           `json:"tenant"`
	Scope  map[string]tenant `json:"scope"`
	Desk   string            `json:"desk"` // has a k and an s, which fold from other letters
	Next   []*sample         `json:"next"`
	Any    any               `json:"any"`
}

type tenant struct {
	ID    string `json:"id"`
	Admin bool   `json:"admin"`
}

func TestParseClaims(t *testing.T) {
	t.Parallel()
	shape := jws.ShapeOf(reflect.TypeFor[sample]())
	for payload, want := range map[string]jws.Claims{
		`{}`:        {},
		" {\t}\r\n": {},
		`{"iss":"i","sub":"s","jti":"j","sid":"d","aud":"a"}`:                                       {Issuer: "i", Subject: "s", ID: "j", Session: "d", Audience: []string{"a"}},
		`{"iss":null,"sub":null,"jti":null,"sid":null,"aud":null,"exp":null,"nbf":null,"iat":null}`: {},
		`{"aud":["a","\u00E9"]}`:                 {Audience: []string{"a", "é"}},
		`{"aud":[]}`:                             {Audience: []string{}},
		`{"sub":"\ud83d\ude00\"\\\/\b\f\n\r\t"}`: {Subject: "😀\"\\/\b\f\n\r\t"},
		`{"sub":"` + "\ufffd" + `"}`:             {Subject: "\ufffd"},
		`{"exp":1700000000,"nbf":1,"iat":2}`:     {ExpiresAt: 1700000000, NotBefore: 1, IssuedAt: 2, HasExpiresAt: true, HasNotBefore: true, HasIssuedAt: true},
		`{"exp":10.9,"nbf":10.1,"iat":10.9}`:     {ExpiresAt: 10, NotBefore: 11, IssuedAt: 10, HasExpiresAt: true, HasNotBefore: true, HasIssuedAt: true},
		`{"exp":10.0,"nbf":10.000,"iat":1e1}`:    {ExpiresAt: 10, NotBefore: 10, IssuedAt: 10, HasExpiresAt: true, HasNotBefore: true, HasIssuedAt: true},
		`{"exp":0,"nbf":-0,"iat":-0.0e9}`:        {HasExpiresAt: true, HasNotBefore: true, HasIssuedAt: true},
		`{"exp":-1}`:                             {ExpiresAt: -1, HasExpiresAt: true},
		`{"exp":-1.5}`:                           {ExpiresAt: -2, HasExpiresAt: true},
		`{"exp":-9223372036854775807}`:           {ExpiresAt: -9223372036854775807, HasExpiresAt: true},
		`{"exp":253402300799}`:                   {ExpiresAt: 253402300799, HasExpiresAt: true},
		`{"exp":1.7e9}`:                          {ExpiresAt: 1700000000, HasExpiresAt: true},
		`{"exp":17E+8}`:                          {ExpiresAt: 1700000000, HasExpiresAt: true},
		`{"exp":17000000000e-1}`:                 {ExpiresAt: 1700000000, HasExpiresAt: true},
		`{"exp":1700000000.99999999999999999}`:   {ExpiresAt: 1700000000, HasExpiresAt: true}, // a float64 has the next second
		`{"nbf":1700000000.00000000000000001}`:   {NotBefore: 1700000001, HasNotBefore: true},
		`{"nbf":1e-9999999999999999999999}`:      {NotBefore: 1, HasNotBefore: true},
		`{"exp":0.00017e13}`:                     {ExpiresAt: 1700000000, HasExpiresAt: true},
		`{"exp":0e99999999999999999999}`:         {HasExpiresAt: true},
		`{"roles":["a"],"tenant":{"id":"x","admin":true},"scope":{"ID":{"id":"y"},"Id":{}},"desk":"d"}`: {},
		`{"next":[{"sub":"a","next":[null]}],"any":{"SUB":1,"sub":2,"iss":{}}}`:                         {},
		`{"` + strings.Repeat("x", 200) + `":1,"ünknown":2,"":3,"rôles":4}`:                             {},
		`{` + members(400) + `,"sub":"s"}`:                                                              {Subject: "s"},
	} {
		got, err := jws.ParseClaims([]byte(payload), shape, nil)
		if err != nil {
			t.Errorf("%s: %v", payload, err)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", payload, got, want)
		}
	}
}

func TestParseClaimsRefused(t *testing.T) {
	t.Parallel()
	shape := jws.ShapeOf(reflect.TypeFor[sample]())
	for payload, want := range map[string]string{
		``: "JSON", `[]`: "JSON", `null`: "JSON", `"sub"`: "JSON", `1`: "JSON", `foo`: "JSON",
		`{"sub":"a"}{}`: "JSON", `{"sub":"a",}`: "JSON", `{"sub":}`: "JSON", `{sub:1}`: "JSON", `{"a":01}`: "JSON", `{"a":+1}`: "JSON",
		`{"exp":NaN}`: "JSON", `{"exp":Infinity}`: "JSON", `{"exp":0x10}`: "JSON",
		"{\"sub\":\"\xff\"}": "UTF-8", "{\"\xed\xa0\x80\":1}": "UTF-8",
		`{"aud":"\ud800"}`: "surrogate", `{"aud":["\uD800"]}`: "surrogate", `{"sub":"\ud800"}`: "surrogate", `{"x":{"y":["\udead"]}}`: "surrogate", `{"\ud800":1,"\ud801":2}`: "surrogate",

		`{"sub":"bob","sub":"eve"}`:             "duplicate",
		`{"sub":"bob","\u0073ub":"eve"}`:        "duplicate",
		`{"a":1,"a":1}`:                         "duplicate",
		`{"any":{"a":[{"b":1,"b":2}]}}`:         "duplicate",
		`{"any":{"":1,"":2}}`:                   "duplicate",
		`{"tenant":{"id":"a","id":"b"}}`:        "duplicate",
		`{` + members(500) + `,"m250":1}`:       "duplicate",
		`{"any":{` + members(17) + `,"m16":1}}`: "duplicate",
		`{"sub":null,"sub":"eve"}`:              "duplicate",

		`{"sub":"bob","SUB":"eve"}`:          "only in case",
		`{"SUB":"eve"}`:                      "only in case",
		`{"Exp":99999999999,"exp":1}`:        "only in case",
		`{"ſub":"eve"}`:                      "only in case",
		`{"\u017fub":"eve"}`:                 "only in case",
		`{"ſID":"x"}`:                        "only in case",
		`{"iſſ":"x"}`:                        "only in case",
		`{"Sid":"x"}`:                        "only in case",
		`{"JTI":"x"}`:                        "only in case",
		`{"Roles":["admin"]}`:                "only in case",
		`{"roleſ":["admin"]}`:                "only in case",
		"{\"des\u212a\":\"x\"}":              "only in case",
		`{"desK":"x"}`:                       "only in case",
		`{"tenant":{"ID":"x"}}`:              "only in case",
		`{"tenant":{"Admin":true}}`:          "only in case",
		`{"scope":{"a":{"ADMIN":true}}}`:     "only in case",
		`{"next":[{"next":[{"ROLES":[]}]}]}`: "only in case",
		`{"next":[{"SUB":"x"}]}`:             "only in case",
		`{"` + "\u017f" + `cope":{}}`:        "only in case",

		`{"iss":1}`: "string", `{"sub":{}}`: "string", `{"jti":["a"]}`: "string", `{"sid":true}`: "string",
		`{"aud":1}`: "aud", `{"aud":{}}`: "aud", `{"aud":["a",1]}`: "aud", `{"aud":[null]}`: "aud", `{"aud":[["a"]]}`: "aud", `{"aud":true}`: "aud",
		`{"exp":"1700000000"}`: "date", `{"exp":true}`: "date", `{"exp":[1]}`: "date", `{"nbf":{}}`: "date", `{"iat":"1"}`: "date",
		`{"exp":253402300800}`: "date", `{"exp":1e12}`: "date", `{"exp":1e400}`: "date", `{"exp":1e99999999999999999999}`: "date",
		`{"exp":99999999999999999999999}`: "date", `{"exp":18446744073709551617}`: "date", `{"exp":9223372036854775808}`: "date",
		`{"exp":-9223372036854775809}`: "date", `{"exp":-1e30}`: "date",
		`{"nbf":-1}`: "date", `{"iat":-1}`: "date", `{"iat":-0.5}`: "date", `{"nbf":253402300799.5}`: "date", `{"iat":253402300800}`: "date",

		`{"any":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`:     "deep",
		`{"any":` + strings.Repeat("[", 9999) + strings.Repeat("]", 9999) + `}`: "deep",
	} {
		got, err := jws.ParseClaims([]byte(payload), shape, nil)
		if err == nil {
			t.Errorf("%s: accepted", payload)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %q, want one with %q", payload, err, want)
		}
		if !reflect.DeepEqual(got, jws.Claims{}) {
			t.Errorf("%s: claims with the error: %+v", payload, got)
		}
	}
}

func TestRequired(t *testing.T) {
	t.Parallel()
	required := []string{"sub", "tenant", "sub"} // one twice does no harm
	for payload, ok := range map[string]bool{
		`{"sub":"s","tenant":{}}`:              true,
		`{"tenant":0,"sub":""}`:                true,
		`{"\u0073ub":"s","tenant":[null]}`:     true,
		`{"sub":"s"}`:                          false,
		`{"sub":"s","tenant":null}`:            false,
		`{"sub":"s","Tenant":1}`:               false,
		`{"sub":"s","x":{"tenant":1}}`:         false,
		`{"sub":"s","tenant":1,"tenant":null}`: false,
		`{}`:                                   false,
	} {
		if _, err := jws.ParseClaims([]byte(payload), nil, required); (err == nil) != ok {
			t.Errorf("%s: %v", payload, err)
		}
	}
}

// TestErrorsKeepSecrets: what a token holds must not get into a log by an error.
func TestErrorsKeepSecrets(t *testing.T) {
	t.Parallel()
	shape := jws.ShapeOf(reflect.TypeFor[sample]())
	for _, payload := range []string{
		`{"hunter2":1,"hunter2":2}`, `{"sub":["hunter2"]}`, `{"aud":{"hunter2":1}}`, `{"exp":"hunter2"}`, `hunter2`,
		`{"Roles":"hunter2"}`, `{"hunter2":"\ud800"}`, "{\"hunter2\":\"\xff\"}",
	} {
		_, err := jws.ParseClaims([]byte(payload), shape, []string{"x"})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", payload, err)
		}
	}
	k := pairOf(t, "HS256")
	for _, header := range []string{`{"alg":"hunter2"}`, `{"alg":"HS256","typ":"hunter2"}`, `{"alg":"HS256","kid":"hunter2\n"}`, `{"alg":"HS256","hunter2":1,"hunter2":1}`} {
		_, err := jws.Parse(k.token(t, header, "{}"))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", header, err)
		}
	}
}

// TestLinear gives ParseClaims what would take minutes if its time were that of
// comparing each member with each other.
func TestLinear(t *testing.T) {
	t.Parallel()
	payload := []byte(`{"any":{` + members(200_000) + `}}`)
	start := time.Now()
	if _, err := jws.ParseClaims(payload, jws.ShapeOf(reflect.TypeFor[sample]()), nil); err != nil {
		t.Error(err)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("%v for %d bytes", d, len(payload))
	}
}
