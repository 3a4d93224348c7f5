package jws_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/jwtauth/internal/jws"
)

type (
	inner struct {
		Deep   string
		Shared string `json:"shared"`
	}
	left   struct{ Both, LeftOnly string }
	right  struct{ Both, RightOnly string }
	tagged struct {
		Both string `json:"Both"`
	}
	twiceA struct{ twice }
	twiceB struct{ twice }
	twice  struct{ Lower }
	Lower  struct{ Quirk string }
	Named  string
	itself struct {
		Name string  `json:"name"`
		Self *itself `json:"self"`
		More itselfs
	}
	itselfs map[string][]*itself
	decoder struct{ Field string }
	text    struct{ Field string }
	loop    *loop
)

func (*decoder) UnmarshalJSON([]byte) error { return nil }
func (*text) UnmarshalText([]byte) error    { return nil }

// odd returns a struct with fields A, B, C and so on that have these tags, some of
// which linters would not let pass.
func odd(tags ...reflect.StructTag) reflect.Type {
	var fields []reflect.StructField
	for i, tag := range tags {
		fields = append(fields, reflect.StructField{Name: string(rune('A' + i)), Type: reflect.TypeFor[string](), Tag: tag})
	}
	return reflect.StructOf(fields)
}

// TestShapeIsThatOfJSON tries names in many types. A name that encoding/json
// decodes into anything is accepted if it is exact, and refused otherwise.
func TestShapeIsThatOfJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ   reflect.Type
		exact string // all names
	}{
		{reflect.TypeFor[struct{ Upper, lower string }](), "Upper"},
		{odd(`json:"a"`, `json:",omitempty"`, `json:"-"`, `json:"-,"`, `json:"bad\"name"`, `json:"é"`, `json:"k-s_1"`, `json:"X,string"`), "a B - E é k-s_1 X"},
		{reflect.TypeFor[struct {
			ID  string `json:"id"`
			ID2 string `json:"ID"`
		}](), "id ID"},
		{reflect.TypeFor[struct{ inner }](), "Deep shared"},
		{reflect.TypeFor[struct {
			inner
			Shared string `json:"shared"`
			Deeper string `json:"Deep"`
		}](), "Deep shared"},
		{reflect.TypeFor[struct {
			left
			right
		}](), "LeftOnly RightOnly"},
		{reflect.TypeFor[struct {
			left
			right
			tagged
		}](), "Both LeftOnly RightOnly"},
		{reflect.TypeFor[struct {
			left
			right
			X struct{} `json:"both"`
		}](), "both LeftOnly RightOnly"},
		{reflect.TypeFor[struct {
			twiceA
			twiceB
		}](), "Quirk"},
		{reflect.TypeFor[struct{ Named }](), "Named"},
		{reflect.TypeFor[struct {
			inner `json:"in"`
		}](), ""},
		{reflect.TypeFor[struct {
			Lower `json:"in"`
		}](), "in"},
		{reflect.TypeFor[struct{ *Lower }](), "Quirk"},
		{reflect.TypeFor[**struct{ A string }](), "A"},
		{reflect.TypeFor[itself](), "name self More"},
		{reflect.TypeFor[struct {
			decoder
			A string
		}](), ""},
		{reflect.TypeFor[jwt.RegisteredClaims](), "iss sub aud exp nbf iat jti"},
		{reflect.TypeFor[map[string]string](), ""},
		{reflect.TypeFor[any](), ""},
		{reflect.TypeFor[decoder](), ""},
		{reflect.TypeFor[text](), ""},
		{reflect.TypeFor[time.Time](), ""},
		{reflect.TypeFor[json.RawMessage](), ""},
		{reflect.TypeFor[loop](), ""},
		{nil, ""},
	} {
		shape := jws.ShapeOf(c.typ)
		exact := strings.Fields(c.exact)
		for _, name := range exact {
			others := []string{strings.ToUpper(name), strings.ToLower(name),
				strings.NewReplacer("s", "ſ", "S", "ſ", "k", "\u212a", "K", "\u212a").Replace(name)}
			for _, other := range append(others, name) {
				registered := strings.Contains(" iss sub aud exp nbf iat jti sid ", " "+name+" ")
				if registered && other == name {
					continue // has a type
				}
				_, err := jws.ParseClaims(fmt.Appendf(nil, "{%q:{}}", other), shape, nil)
				want := strings.Contains(" "+c.exact+" ", " "+other+" ")
				if (err == nil) != want {
					t.Errorf("%v: %q: %v", c.typ, other, err)
				}
			}
		}
		// Whatever it is called, a member that is accepted and not exact fills nothing.
		if c.typ == nil || c.typ.Kind() != reflect.Struct {
			continue
		}
		for _, name := range []string{
			"A", "a", "B", "b", "-", "E", "e", "É", "X", "x", "C", "Both", "both", "BOTH", "Quirk", "quirk", "in", "In", "Named", "named", "inner", "Lower",
			"leftonly", "LeftOnly", "deep", "Deep", "shared", "Shared", "Deeper", "id", "ID", "Id", "upper", "Upper", "lower", "Self", "More", "more", "bad", "G", "H",
		} {
			for _, value := range []string{`"v"`, `"1"`, `{"Quirk":"v"}`, `{"":[{"name":"v"}]}`} {
				payload := fmt.Appendf(nil, "{%q:%s}", name, value)
				if _, err := jws.ParseClaims(payload, shape, nil); err != nil {
					continue
				}
				v := reflect.New(c.typ)
				_ = json.Unmarshal(payload, v.Interface())
				if !v.Elem().IsZero() && !strings.Contains(" "+c.exact+" ", " "+name+" ") {
					t.Errorf("%v: %s fills %+v", c.typ, payload, v.Elem())
				}
			}
		}
	}
}

func TestShapeAtDepth(t *testing.T) {
	t.Parallel()
	shape := jws.ShapeOf(reflect.TypeFor[itself]())
	for payload, ok := range map[string]bool{
		`{"self":{"self":{"name":"a"}}}`:            true,
		`{"self":{"self":{"Name":"a"}}}`:            false,
		`{"More":{"NAME":[{"name":"a"}]}}`:          true,
		`{"More":{"NAME":[{"Name":"a"}]}}`:          false,
		`{"More":{"a":[{"self":{"More":{}}}]}}`:     true,
		`{"More":{"a":[{"self":{"more":{}}}]}}`:     false,
		`{"self":[{"Name":"a"}],"name":{"NAME":1}}`: true, // cannot be decoded anyway
	} {
		if _, err := jws.ParseClaims([]byte(payload), shape, nil); (err == nil) != ok {
			t.Errorf("%s: %v", payload, err)
		}
	}
}

func TestShapeCheck(t *testing.T) {
	t.Parallel()
	for _, s := range []*jws.Shape{
		nil, jws.ShapeOf(nil), jws.ShapeOf(reflect.TypeFor[sample]()), jws.ShapeOf(reflect.TypeFor[map[string]any]()),
		jws.ShapeOf(reflect.TypeFor[struct {
			In struct{ Sub string }
		}]()),
	} {
		if err := s.Check(); err != nil {
			t.Error(err)
		}
	}
	err := jws.ShapeOf(reflect.TypeFor[struct {
		Sub  string
		ISS  string
		Aud  string `json:"aud"`
		Exp2 int64  `json:"ſid"`
	}]()).Check()
	refused(t, err, `"Sub"`)
	refused(t, err, `"ISS"`)
	refused(t, err, `"ſid"`)
	if err != nil && strings.Contains(err.Error(), "aud") {
		t.Error(err)
	}
}

// raw decodes itself.
type raw string

func (r *raw) UnmarshalJSON(b []byte) error { *r = raw(b); return nil }

func TestCheckType(t *testing.T) {
	t.Parallel()
	type loop *loop
	for _, good := range []reflect.Type{
		reflect.TypeFor[struct{}](), reflect.TypeFor[**struct{ A int }](), reflect.TypeFor[map[string]any](), reflect.TypeFor[any](),
		reflect.TypeFor[raw](), reflect.TypeFor[*raw](),
	} {
		if err := jws.CheckType(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []reflect.Type{reflect.TypeFor[string](), reflect.TypeFor[[]string](), reflect.TypeFor[*int](), reflect.TypeFor[func()](), reflect.TypeFor[error](), reflect.TypeFor[loop]()} {
		if err := jws.CheckType(bad); err == nil || !strings.Contains(err.Error(), bad.String()) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
