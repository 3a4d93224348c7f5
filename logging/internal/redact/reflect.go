package redact

import (
	"encoding"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// reflect converts a value without methods that describe it.
func (w *walker) reflect(v reflect.Value, depth int) slog.Value {
	switch v.Kind() {
	case reflect.String:
		return slog.StringValue(w.text(v.String(), maxText, false))
	case reflect.Bool:
		return slog.BoolValue(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return slog.Int64Value(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return slog.Uint64Value(v.Uint())
	case reflect.Float32, reflect.Float64:
		return float(v.Float())
	case reflect.Complex64, reflect.Complex128:
		return slog.StringValue(strconv.FormatComplex(v.Complex(), 'g', -1, 128))
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return slog.AnyValue(nil)
		}
		if v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
			return w.reflect(v.Elem(), depth) // its methods are among those of v
		}
		return w.element(v.Elem(), depth)
	case reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
	default:
		return slog.StringValue(w.key(v.Type().String()))
	}
	if depth >= maxDepth {
		return slog.StringValue(tooDeep)
	}
	switch v.Kind() {
	case reflect.Map:
		return w.mapping(v, depth)
	case reflect.Struct:
		attrs := w.fields(nil, v, depth)
		if len(attrs) == 0 { // an empty group would not be shown
			return slog.StringValue(w.key(v.Type().String()))
		}
		return slog.GroupValue(attrs...)
	}
	return w.list(v, depth)
}

// element is any for a value found by reflection.
func (w *walker) element(v reflect.Value, depth int) slog.Value {
	if v.Kind() == reflect.Struct && v.CanAddr() && v.Addr().CanInterface() && v.Addr().NumMethod() > v.NumMethod() {
		v = v.Addr() // the method that describes it may need its address
	}
	if !v.CanInterface() {
		return slog.StringValue(w.key(v.Type().String()))
	}
	return w.any(v.Interface(), depth)
}

// entry is attr for a map key or field name.
func (w *walker) entry(key string, grade secrecy, v reflect.Value, depth int) slog.Attr {
	if grade == public {
		return slog.Attr{Key: w.key(key), Value: w.element(v, depth+1)}
	}
	for range maxDepth {
		if v.Kind() != reflect.Interface && v.Kind() != reflect.Pointer || v.IsNil() {
			break
		}
		v = v.Elem()
	}
	if grade == soft && v.IsValid() {
		if v.CanInterface() {
			if x := slog.AnyValue(v.Interface()); isNumber(x) {
				return slog.Attr{Key: w.key(key), Value: x}
			}
		}
		if v.Kind() == reflect.Bool || v.CanInt() || v.CanUint() || v.CanFloat() {
			return slog.Attr{Key: w.key(key), Value: w.reflect(v, depth+1)}
		}
	}
	return slog.String(w.key(key), mark)
}

func (w *walker) mapping(v reflect.Value, depth int) slog.Value {
	if v.Len() == 0 {
		return slog.AnyValue(map[string]any{})
	}
	type pair struct {
		key   string
		value reflect.Value
	}
	pairs := make([]pair, 0, min(v.Len(), maxEntries))
	for it := v.MapRange(); len(pairs) < maxEntries && it.Next(); {
		pairs = append(pairs, pair{keyText(it.Key()), it.Value()})
	}
	slices.SortFunc(pairs, func(a, b pair) int { return strings.Compare(a.key, b.key) })
	attrs := make([]slog.Attr, 0, len(pairs)+1)
	for _, p := range pairs {
		if w.full(len(attrs)) {
			break
		}
		w.nodes--
		attrs = append(attrs, w.entry(p.key, w.names.grade(p.key), p.value, depth))
	}
	if n := v.Len() - len(attrs); n > 0 {
		attrs = append(attrs, more(n))
	}
	return slog.GroupValue(attrs...)
}

// keyText returns the name of a map key.
func keyText(v reflect.Value) string {
	if v.Kind() == reflect.Interface && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() == reflect.String {
		return v.String()
	}
	if v.CanInterface() {
		if x, ok := v.Interface().(encoding.TextMarshaler); ok {
			return safely(func() string {
				text, _ := x.MarshalText()
				return string(text)
			})
		}
	}
	switch {
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10)
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10)
	case v.Kind() == reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case v.CanFloat():
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	}
	return v.Type().String()
}

// fields appends the exported fields of v to attrs.
func (w *walker) fields(attrs []slog.Attr, v reflect.Value, depth int) []slog.Attr {
	t := v.Type()
	for i := range t.NumField() {
		field := t.Field(i)
		tag := field.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		if tag == "-" || !field.IsExported() && !field.Anonymous {
			continue
		}
		if field.Anonymous && name == "" && field.Type.Kind() == reflect.Struct && depth < maxDepth {
			grade := w.names.grade(field.Name)
			if grade == public {
				attrs = w.fields(attrs, v.Field(i), depth+1)
				continue
			}
		}
		if !field.IsExported() {
			continue
		}
		if w.full(len(attrs)) {
			return append(attrs, more(t.NumField()-i))
		}
		w.nodes--
		grade := w.names.grade(field.Name)
		if name == "" {
			name = field.Name
		} else {
			grade = max(grade, w.names.grade(name))
		}
		attrs = append(attrs, w.entry(name, grade, v.Field(i), depth))
	}
	return attrs
}

func (w *walker) list(v reflect.Value, depth int) slog.Value {
	if v.Kind() == reflect.Slice && v.IsNil() {
		return slog.AnyValue(nil)
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		b := make([]byte, min(v.Len(), maxText+slack))
		for i := range b {
			b[i] = byte(v.Index(i).Uint())
		}
		return w.bits(b, v.Len())
	}
	out := make([]any, 0, min(v.Len(), maxEntries+1))
	for i := range v.Len() {
		if w.full(i) {
			out = append(out, "... (+"+strconv.Itoa(v.Len()-i)+" more)")
			break
		}
		out = append(out, listed(w.element(v.Index(i), depth+1)))
	}
	return slog.AnyValue(out)
}

// listed returns v as an element of a list, which cannot contain groups.
func listed(v slog.Value) any {
	if v.Kind() != slog.KindGroup {
		return v.Any()
	}
	out := make(map[string]any, len(v.Group()))
	for _, a := range v.Group() {
		if a.Key == "" && a.Value.Kind() == slog.KindGroup {
			inline, _ := listed(a.Value).(map[string]any)
			for key, value := range inline {
				out[key] = value
			}
			continue
		}
		out[a.Key] = listed(a.Value)
	}
	return out
}
