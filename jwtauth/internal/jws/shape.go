package jws

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Shape is what encoding/json decodes into a type: the names of the members that it
// takes, at each level. encoding/json also takes a name that differs in case, so that
// {"sub":"bob","SUB":"eve"} is eve; a Shape is there to refuse that. A nil Shape, and
// that of a type which decodes itself, knows no names. A Shape is immutable.
type Shape struct {
	fields map[string]*Shape // of a struct, by exact name
	folded map[string]string // the same names, by their folded form
	values *Shape            // of a map's values
	items  *Shape            // of the elements of a slice or an array
}

// member returns the shape of the member called name. It refuses a name that
// does not match a field exactly, but would set it.
func (s *Shape) member(name []byte) (*Shape, error) {
	if s == nil {
		return nil, nil
	}
	if s.fields == nil {
		return s.values, nil
	}
	if value, ok := s.fields[string(name)]; ok {
		return value, nil
	}
	var folded [64]byte
	if field, ok := s.folded[string(fold(folded[:0], name))]; ok {
		return nil, fmt.Errorf("%w: %q", errTwin, field) // ours, not the token's
	}
	return nil, nil
}

// element returns the shape of the elements, if s is that of an array.
func (s *Shape) element() *Shape {
	if s == nil {
		return nil
	}
	return s.items
}

// Check returns an error for each field whose name differs from that of a
// registered claim only in case, as that of a field Sub without a tag does. No
// token could have such a claim: [ParseClaims] would refuse it.
func (s *Shape) Check() error {
	if s == nil {
		return nil
	}
	var faults []error
	for _, field := range slices.Sorted(maps.Keys(s.fields)) {
		for _, claim := range registered {
			if field != claim && bytes.Equal(fold(nil, []byte(field)), fold(nil, []byte(claim))) {
				faults = append(faults, fmt.Errorf("jws: field %q differs from the claim %q only in case; give it a json tag", field, claim))
			}
		}
	}
	return errors.Join(faults...)
}

var (
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// CheckType returns an error if no JSON object, which is what claims are, can be decoded
// into a value of type t.
func CheckType(t reflect.Type) error {
	e := t
	for range 16 {
		if e.Kind() != reflect.Pointer {
			break
		}
		e = e.Elem()
	}
	switch {
	case e.Kind() == reflect.Struct, e.Kind() == reflect.Map, e.Kind() == reflect.Interface && e.NumMethod() == 0,
		reflect.PointerTo(e).Implements(unmarshaler):
		return nil
	}
	return fmt.Errorf("jws: claims do not decode into %v; use a struct or a map", t)
}

// ShapeOf returns the shape of t, which may be nil.
func ShapeOf(t reflect.Type) *Shape { return shapes{}.of(t) }

// shapes are the shapes known so far, as types may contain themselves.
type shapes map[reflect.Type]*Shape

func (known shapes) of(t reflect.Type) *Shape {
	// A type may be a pointer to itself; no value can be decoded into it.
	for range 16 {
		if t == nil || t.Kind() != reflect.Pointer {
			break
		}
		t = t.Elem()
	}
	if t == nil {
		return nil
	}
	if s, ok := known[t]; ok {
		return s
	}
	s := new(Shape)
	known[t] = s
	if p := reflect.PointerTo(t); p.Implements(unmarshaler) || p.Implements(textUnmarshaler) {
		return s
	}
	switch t.Kind() {
	case reflect.Struct:
		s.fields, s.folded = map[string]*Shape{}, map[string]string{}
		for name, typ := range fieldsOf(t) {
			s.fields[name] = known.of(typ)
			folded := string(fold(nil, []byte(name)))
			// Fields that differ only in case are all exact. Which of them is named
			// does not matter, but should not change.
			if other, ok := s.folded[folded]; !ok || name < other {
				s.folded[folded] = name
			}
		}
	case reflect.Map:
		s.values = known.of(t.Elem())
	case reflect.Slice, reflect.Array:
		s.items = known.of(t.Elem())
	}
	return s
}

// candidate is a field that a name may stand for.
type candidate struct {
	typ    reflect.Type
	tagged bool
}

// fieldsOf returns the types of the fields of a struct as encoding/json sees them:
// those of embedded structs are its own; of fields with one name, the least deeply
// embedded one counts, then the one with a tag, and none if that is ambiguous.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	decided := map[string]bool{} // names found at a shallower level
	visited := map[reflect.Type]bool{}
	level := map[reflect.Type]int{t: 1} // how often each struct is embedded at this level
	for len(level) > 0 {
		next := map[reflect.Type]int{}
		found := map[string][]candidate{}
		for t, times := range level {
			visited[t] = true
			for i := range t.NumField() {
				name, f, embedded := fieldOf(t.Field(i))
				switch {
				case embedded != nil:
					next[embedded]++
				case name != "" && times == 1:
					found[name] = append(found[name], f)
				case name != "": // a duplicate cancels itself
					found[name] = append(found[name], f, f)
				}
			}
		}
		for name, all := range found {
			if decided[name] {
				continue
			}
			decided[name] = true
			if tagged := slices.DeleteFunc(slices.Clone(all), func(c candidate) bool { return !c.tagged }); len(tagged) > 0 {
				all = tagged
			}
			if len(all) == 1 {
				fields[name] = all[0].typ
			}
		}
		maps.DeleteFunc(next, func(t reflect.Type, _ int) bool { return visited[t] })
		level = next
	}
	return fields
}

// fieldOf returns the name of a field in JSON, "" if it has none, or the
// embedded struct whose fields count as those of the outer one.
func fieldOf(f reflect.StructField) (name string, c candidate, embedded reflect.Type) {
	typ := f.Type
	if f.Anonymous && typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if !f.IsExported() && (!f.Anonymous || typ.Kind() != reflect.Struct) {
		return "", c, nil
	}
	tag := f.Tag.Get("json")
	if tag == "-" {
		return "", c, nil
	}
	name, _, _ = strings.Cut(tag, ",")
	if strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r)
	}) {
		name = "" // encoding/json ignores it
	}
	if name != "" {
		return name, candidate{f.Type, true}, nil
	}
	if f.Anonymous && typ.Kind() == reflect.Struct {
		return "", c, typ
	}
	return f.Name, candidate{f.Type, false}, nil
}

// fold appends to dst a form that is the same for all names that encoding/json
// matches with name: for each rune the lowest one that unicode.SimpleFold leads
// to. It makes one of k, K and U+212A, and one of s, S and U+017F.
func fold(dst, name []byte) []byte {
	for i := 0; i < len(name); {
		if c := name[i]; c < utf8.RuneSelf {
			if 'a' <= c && c <= 'z' {
				c -= 'a' - 'A'
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRune(name[i:])
		low := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			low = min(low, f)
		}
		dst = utf8.AppendRune(dst, low)
		i += n
	}
	return dst
}
