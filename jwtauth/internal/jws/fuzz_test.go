package jws_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/jwtauth/internal/jws"
)

// clock is before the tokens below expire.
const clock = 1_300_000_000

// agreed reports a token that this package accepts but golang-jwt, set to be as
// strict as it can, does not.
func agreed(t *testing.T, raw string, key any, token *jws.Token) {
	claims, err := jws.ParseClaims(token.Payload(), nil, nil)
	if err != nil || !claims.HasExpiresAt || claims.ExpiresAt <= clock ||
		claims.HasNotBefore && claims.NotBefore > clock || claims.HasIssuedAt && claims.IssuedAt > clock {
		return
	}
	parser := jwt.NewParser(jwt.WithStrictDecoding(), jwt.WithValidMethods([]string{token.Header.Algorithm}),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithTimeFunc(func() time.Time { return time.Unix(clock, 0) }))
	other, err := parser.Parse(raw, func(*jwt.Token) (any, error) { return key, nil })
	var number *json.UnmarshalTypeError
	if errors.As(err, &number) && strings.HasPrefix(number.Value, "number ") {
		return // it reads what is not registered as float64 too, which ends at 1.8e308
	}
	if err != nil {
		t.Fatalf("accepted, but golang-jwt says: %v\n%s", err, raw)
	}
	if issuer, _ := other.Claims.GetIssuer(); issuer != claims.Issuer || token.Issuer() != issuer {
		t.Fatalf("issuers %q, %q and %q\n%s", claims.Issuer, token.Issuer(), issuer, raw)
	}
}

// FuzzParse: whatever a client sends, there is no panic, and others accept what is accepted
// here. The keys are those of the RFCs, so that all processes of a fuzzer use the same.
func FuzzParse(f *testing.F) {
	materials := []any{
		secret,
		rsaKey(f, modulus7515),
		ecdsaKey(f, elliptic.P256(), "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
		edPair.Public().(ed25519.PublicKey),
	}
	f.Add("eyJhbGciOiJSUzI1NiJ9." + joe64 + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw")
	f.Add("eyJhbGciOiJFUzI1NiJ9." + joe64 + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q")
	for _, alg := range []string{"HS256", "HS384", "HS512", "EdDSA"} {
		raw := pairOf(f, alg).token(f, `{"alg":"`+alg+`","typ":"JWT","kid":"k"}`, joe)
		f.Add(raw)
		f.Add(raw[:len(raw)-1])
		f.Add(raw[:len(raw)-1] + "\n" + raw[len(raw)-1:])
	}
	f.Add("eyJhbGciOiJub25lIn0." + joe64 + ".")
	f.Fuzz(func(t *testing.T, raw string) {
		token, err := jws.Parse(raw)
		if err != nil {
			if token != nil {
				t.Fatal("a token with the error")
			}
			return
		}
		token.Issuer()
		for _, material := range materials {
			key, err := jws.NewKey(material)
			if err != nil {
				t.Fatal(err)
			}
			if token.Verify(key) == nil {
				agreed(t, raw, material, token)
			}
		}
	})
}

// FuzzSigned signs what it is given, so that the signature hides nothing.
func FuzzSigned(f *testing.F) {
	k := pairOf(f, "HS256")
	key := k.key(f)
	for _, header := range []string{
		`{"alg":"HS256"}`, `{"alg":"HS256","typ":"at+jwt","kid":"\u0061"}`, `{"alg":"HS256","ALG":"none"}`, `{"alg":"HS256","crit":[]}`,
		`{"alg":"HS256","alg":"none"}`, ` {"x":[{"":{}},1.5e-7,null],"alg":"HS256"}`, `{"alg":"HS256","x":-1e999}`,
	} {
		f.Add(header, joe)
	}
	for _, payload := range []string{
		`{"exp":1e10,"iat":1.5,"nbf":0,"iss":"a"}`, `{"exp":99999999999,"aud":[],"sub":null}`, `{"exp":2e9,"EXP":1}`, `{"exp":2e9,"a":"\ud83d\ude00"}`, `{"exp":2e9,"n":1e999}`, `[]`, ``,
	} {
		f.Add(`{"alg":"HS256"}`, payload)
	}
	f.Fuzz(func(t *testing.T, header, payload string) {
		raw := k.token(t, header, payload)
		token, err := jws.Parse(raw)
		if err != nil {
			return
		}
		if err := token.Verify(key); token.Header.Algorithm == "HS256" && err != nil {
			t.Fatal(err)
		} else if err == nil {
			agreed(t, raw, k.private, token)
		}
	})
}

// FuzzClaims: what ParseClaims accepts is what others read by exact names, and
// encoding/json fills no field from a name that is not exact.
func FuzzClaims(f *testing.F) {
	shape := jws.ShapeOf(reflect.TypeFor[sample]())
	for _, payload := range []string{
		joe, `{"iss":"i","sub":"s","jti":"j","sid":"d","aud":["a","b"],"exp":17e8,"nbf":1.5,"iat":-0}`,
		`{"roles":["a"],"tenant":{"id":"x","ADMIN":true},"scope":{"A":{"Id":"y"}},"desk":"d","desK":"e"}`,
		`{"next":[{"ROLES":["x"],"next":[{"sub":"a"}]}],"any":{"A":1,"a":2}}`,
		`{"ſub":"a"}`, `{"\u017fub":"a"}`, `{"sub":"a","sub":"b"}`, `{"sub":"\ud800"}`, `{"exp":"1"}`, `{"exp":0.1e1}`, `{"aud":"a"}`, `{"a":"\\"}`, `{"a":{},"b":[]}`,
	} {
		f.Add([]byte(payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		claims, err := jws.ParseClaims(payload, shape, nil)
		if err != nil {
			return
		}
		var all map[string]any
		decoder := json.NewDecoder(bytes.NewReader(payload))
		decoder.UseNumber()
		if err := decoder.Decode(&all); err != nil {
			t.Fatal(err)
		}
		for name, got := range map[string]string{"iss": claims.Issuer, "sub": claims.Subject, "jti": claims.ID, "sid": claims.Session} {
			if want, _ := all[name].(string); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		var audience []string
		switch aud := all["aud"].(type) {
		case string:
			audience = []string{aud}
		case []any:
			for _, a := range aud {
				audience = append(audience, a.(string))
			}
		}
		if !slices.Equal(claims.Audience, audience) {
			t.Errorf("aud is %q, want %q", claims.Audience, audience)
		}
		for name, got := range map[string]struct {
			n  int64
			ok bool
			up bool
		}{
			"exp": {claims.ExpiresAt, claims.HasExpiresAt, false}, "nbf": {claims.NotBefore, claims.HasNotBefore, true},
			"iat": {claims.IssuedAt, claims.HasIssuedAt, false},
		} {
			number, ok := all[name].(json.Number)
			if ok != got.ok {
				t.Errorf("%s: %v, want %v", name, got.ok, ok)
			} else if want, exact := round(number.String(), got.up); ok && exact && want != got.n {
				t.Errorf("%s %s is %d, want %d", name, number, got.n, want)
			}
		}

		prune(all)
		exact, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		var got, want sample
		if json.Unmarshal(payload, &got) != nil {
			return // a wrong type of what is not registered
		}
		if err := json.Unmarshal(exact, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s\nis read as %+v\nwant %+v", payload, got, want)
		}
	})
}

// round returns the number rounded down or up, if math/big can do so quickly.
func round(number string, up bool) (n int64, ok bool) {
	if len(number) > 30 {
		return 0, false
	}
	if f, err := json.Number(number).Float64(); err != nil || f != 0 && (f < 1e-9 && f > -1e-9) {
		return 0, false
	}
	r, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, false
	}
	q, m := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int))
	if up && m.Sign() > 0 {
		q.Add(q, big.NewInt(1))
	}
	return q.Int64(), true
}

// prune deletes from what decodes into a sample everything without an exact name.
func prune(v any) {
	m, ok := v.(map[string]any)
	if !ok {
		return
	}
	keep(m, "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "roles", "tenant", "scope", "desk", "next", "any")
	keep(m["tenant"], "id", "admin")
	if scope, ok := m["scope"].(map[string]any); ok {
		for _, tenant := range scope {
			keep(tenant, "id", "admin")
		}
	}
	if next, ok := m["next"].([]any); ok {
		for _, n := range next {
			prune(n)
		}
	}
}

func keep(v any, names ...string) {
	if m, ok := v.(map[string]any); ok {
		for name := range m {
			if !slices.Contains(names, name) {
				delete(m, name)
			}
		}
	}
}
