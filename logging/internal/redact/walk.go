package redact

import (
	"context"
	"crypto"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
)

const (
	maxDepth   = 8
	maxEntries = 64
	maxNodes   = 1024
	maxBytes   = 17 << 10 // a stack, and the names
	maxJSON    = 64 << 10

	tooDeep  = "... (too deep)"
	tooLarge = "... (too large)"
)

// walker converts one attribute, within its limits.
type walker struct {
	names Names
	known *cache
	nodes int // that may still be visited
	bytes int // that may still be kept
}

func (h *Handler) walk() walker {
	return walker{names: h.names, known: h.known, nodes: maxNodes, bytes: maxBytes}
}

// spent counts a node, and reports whether a limit was exceeded.
func (w *walker) spent() bool {
	w.nodes--
	return w.nodes < 0 || w.bytes <= 0
}

// limitOf returns the maximum length of a text under key, and whether it keeps its lines.
func limitOf(key string) (limit int, stack bool) {
	if key == stackKey {
		return maxStack, true
	}
	return maxText, false
}

func (w *walker) attr(a slog.Attr, depth int, grade secrecy) slog.Attr {
	own, _ := w.known.of(w.names, a.Key)
	grade = max(grade, own)
	key := w.key(a.Key)
	if w.spent() {
		return slog.String(key, tooLarge)
	}
	if grade != public {
		if v := a.Value; v.Kind() == slog.KindGroup && (a.Key == "" || len(v.Group()) == 0) {
			return slog.Attr{Key: key, Value: w.group(v.Group(), depth, grade)}
		}
		if a.Equal(slog.Attr{}) || grade == soft && isNumber(a.Value) {
			return slog.Attr{Key: key, Value: a.Value}
		}
		return slog.String(key, mark)
	}
	if limit, stack := limitOf(a.Key); stack {
		switch x := a.Value.Any().(type) {
		case string:
			return slog.String(key, w.text(x, limit, true))
		case []byte:
			return slog.String(key, w.names.part(string(x[:min(len(x), limit+slack)]), len(x), limit, true))
		}
	}
	if a.Value.Kind() == slog.KindString && isTrace(a.Key, a.Value.String()) {
		return slog.Attr{Key: key, Value: a.Value}
	}
	return slog.Attr{Key: key, Value: w.value(a.Value, depth)}
}

// isTrace reports whether s, under key, is a trace ID, which is 32 hex digits.
func isTrace(key, s string) bool {
	if len(s) != 32 || strings.Trim(s, "0123456789abcdef") != "" {
		return false
	}
	switch strings.ToLower(key) {
	case "traceid", "trace_id", "trace-id", "trace.id":
		return true
	}
	return false
}

// isNumber reports whether v may be shown under a name that is only softly secret.
func isNumber(v slog.Value) bool {
	switch v.Kind() {
	case slog.KindBool, slog.KindInt64, slog.KindUint64, slog.KindFloat64, slog.KindDuration, slog.KindTime:
		return true
	}
	return false
}

func (w *walker) key(s string) string {
	w.bytes -= min(len(s), maxName)
	return w.names.text(s, maxName, false)
}

func (w *walker) text(s string, limit int, lines bool) string {
	limit = min(limit, max(w.bytes, 0))
	w.bytes -= min(len(s), limit)
	return w.names.text(s, limit, lines)
}

// value returns v as a plain value or a group of plain values.
func (w *walker) value(v slog.Value, depth int) slog.Value {
	switch v.Kind() {
	case slog.KindString:
		return slog.StringValue(w.text(v.String(), maxText, false))
	case slog.KindGroup:
		return w.group(v.Group(), depth, public)
	case slog.KindLogValuer:
		return w.value(v.Resolve(), depth)
	case slog.KindAny:
		return w.any(v.Any(), depth)
	}
	return v
}

func (w *walker) group(attrs []slog.Attr, depth int, grade secrecy) slog.Value {
	if depth >= maxDepth && len(attrs) > 0 {
		return slog.StringValue(tooDeep)
	}
	out := make([]slog.Attr, 0, min(len(attrs), maxEntries+1))
	for i, a := range attrs {
		if w.full(i) {
			out = append(out, more(len(attrs)-i))
			break
		}
		out = append(out, w.attr(a, depth+1, grade))
	}
	return slog.GroupValue(out...)
}

// full reports whether i entries have been kept and no more may be.
func (w *walker) full(i int) bool {
	return i == maxEntries || w.nodes <= 0 || w.bytes <= 0
}

func more(n int) slog.Attr {
	return slog.String("...", "(+"+strconv.Itoa(n)+" more)")
}

// any returns x as a plain value or a group of plain values.
func (w *walker) any(x any, depth int) slog.Value {
	if w.spent() {
		return slog.StringValue(tooLarge)
	}
	switch x := x.(type) {
	case nil, slog.Level:
		return slog.AnyValue(x)
	case string:
		return slog.StringValue(w.text(x, maxText, false))
	case bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, time.Time, time.Duration:
		return slog.AnyValue(x)
	case float64:
		return float(x)
	case json.Number:
		return w.number(x)
	case slog.Value:
		return w.value(x, depth)
	case slog.Attr:
		return w.group([]slog.Attr{x}, depth, public)
	case []slog.Attr:
		return w.group(x, depth, public)
	case Whole:
		clean := make(Whole, len(x))
		for i, event := range x {
			clean[i] = w.names.text(event, maxText, false)
		}
		return slog.AnyValue(clean)
	}
	// A nil pointer may panic in any method, and has nothing to say.
	v := reflect.ValueOf(x)
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return slog.AnyValue(nil)
	}
	switch x := x.(type) {
	case []byte:
		return w.bits(x, len(x))
	case slog.LogValuer:
		return w.value(slog.AnyValue(x).Resolve(), depth)
	case *http.Request:
		return w.request(x)
	case http.Request:
		return w.request(&x)
	case *url.URL:
		return w.say(x.String)
	case url.URL:
		return w.say(x.String)
	case *url.Userinfo, url.Userinfo:
		return slog.StringValue(mark)
	case *http.Cookie:
		return slog.StringValue(w.key(x.Name) + "=" + mark)
	case http.Cookie:
		return slog.StringValue(w.key(x.Name) + "=" + mark)
	case context.Context: // it would describe what it holds
		return slog.StringValue(w.key(v.Type().String()))
	case error:
		return w.say(x.Error)
	case json.RawMessage:
		return w.json(x, depth)
	}
	if reflect.PointerTo(v.Type()).Implements(privateKey) || v.Type().Implements(privateKey) {
		return slog.StringValue(mark)
	}
	switch x := x.(type) {
	case json.Marshaler:
		return w.marshal(x, depth)
	case encoding.TextMarshaler:
		return w.say(func() string {
			text, err := x.MarshalText()
			if err != nil {
				return "!ERROR: " + err.Error()
			}
			return string(text)
		})
	case fmt.Stringer:
		return w.say(x.String)
	}
	return w.reflect(v, depth)
}

// privateKey is what all private keys of the standard library have in common.
var privateKey = reflect.TypeFor[interface{ Public() crypto.PublicKey }]()
