package logging

import (
	"context"
	"crypto"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
)

const (
	redactDepthMax   = 8
	redactEntriesMax = 64
	redactNodesMax   = 1024
	redactBudget     = 17 << 10 // a stack, and the names
	redactJSONMax    = 64 << 10

	redactDeep  = "... (too deep)"
	redactLarge = "... (too large)"
)

// redactWalk goes through one attribute, and keeps to its bounds.
type redactWalk struct {
	names redactNames
	known *redactKnown
	nodes int // that may still be looked at
	bytes int // that may still be kept
}

func (h *redactor) walk() redactWalk {
	return redactWalk{names: h.names, known: h.known, nodes: redactNodesMax, bytes: redactBudget}
}

// spent takes a node off, and reports whether there was none.
func (w *redactWalk) spent() bool {
	w.nodes--
	return w.nodes < 0 || w.bytes <= 0
}

// quiet reports whether attr would return a as it is, or as what is written likewise. It
// does not allocate.
func (w *redactWalk) quiet(a slog.Attr, depth int, grade redactGrade) bool {
	own, quiet := w.known.of(w.names, a.Key)
	if !quiet {
		return false
	}
	w.bytes -= len(a.Key)
	if w.spent() {
		return false
	}
	grade = max(grade, own)
	switch v := a.Value; v.Kind() {
	case slog.KindString:
		limit, stack := redactLimit(a.Key)
		w.bytes -= len(v.String())
		return grade == redactOpen && w.bytes >= 0 && (redactTrace(a.Key, v.String()) || w.names.quiet(v.String(), limit, stack)) ||
			grade != redactOpen && v.String() == redactMark
	case slog.KindGroup:
		attrs := v.Group()
		if len(attrs) > redactEntriesMax || depth >= redactDepthMax || a.Key != "" && grade != redactOpen && len(attrs) > 0 {
			return false
		}
		for _, a := range attrs {
			if !w.quiet(a, depth+1, grade) {
				return false
			}
		}
		return true
	case slog.KindAny:
		if grade != redactOpen {
			return a.Equal(slog.Attr{})
		}
		switch x := v.Any().(type) {
		case nil, slog.Level:
			return true
		case netip.Addr:
			return x.Zone() == ""
		case names:
			return w.quietList(x, depth)
		}
		return false
	case slog.KindLogValuer:
		return false
	}
	return grade < redactSecret
}

// names is a list of texts that nobody changes any more: a handler may keep it.
type names []string

// quietList is quiet for such a list.
func (w *redactWalk) quietList(list names, depth int) bool {
	if w.spent() || len(list) == 0 || len(list) > redactEntriesMax || depth >= redactDepthMax {
		return false
	}
	for _, text := range list {
		w.bytes -= len(text)
		if w.spent() || !w.names.quiet(text, redactTextMax, false) {
			return false
		}
	}
	return true
}

// redactLimit returns how long a text under key may be, and whether it has its own lines.
func redactLimit(key string) (limit int, stack bool) {
	if key == redactStackKey {
		return redactStackMax, true
	}
	return redactTextMax, false
}

func (w *redactWalk) attr(a slog.Attr, depth int, grade redactGrade) slog.Attr {
	own, _ := w.known.of(w.names, a.Key)
	grade = max(grade, own)
	key := w.key(a.Key)
	if w.spent() {
		return slog.String(key, redactLarge)
	}
	if grade != redactOpen {
		if v := a.Value; v.Kind() == slog.KindGroup && (a.Key == "" || len(v.Group()) == 0) {
			return slog.Attr{Key: key, Value: w.group(v.Group(), depth, grade)}
		}
		if a.Equal(slog.Attr{}) || grade == redactSoft && redactNumber(a.Value) {
			return slog.Attr{Key: key, Value: a.Value}
		}
		return slog.String(key, redactMark)
	}
	if limit, stack := redactLimit(a.Key); stack {
		switch x := a.Value.Any().(type) {
		case string:
			return slog.String(key, w.text(x, limit, true))
		case []byte:
			return slog.String(key, w.names.part(string(x[:min(len(x), limit+redactSlack)]), len(x), limit, true))
		}
	}
	if a.Value.Kind() == slog.KindString && redactTrace(a.Key, a.Value.String()) {
		return slog.Attr{Key: key, Value: a.Value}
	}
	return slog.Attr{Key: key, Value: w.value(a.Value, depth)}
}

// redactTrace reports whether s is the ID of a trace, which is 32 hex digits.
func redactTrace(key, s string) bool {
	if len(s) != 32 || strings.Trim(s, "0123456789abcdef") != "" {
		return false
	}
	switch strings.ToLower(key) {
	case "traceid", "trace_id", "trace-id", "trace.id":
		return true
	}
	return false
}

// redactNumber reports whether v may be seen under a name that is only softly secret.
func redactNumber(v slog.Value) bool {
	switch v.Kind() {
	case slog.KindBool, slog.KindInt64, slog.KindUint64, slog.KindFloat64, slog.KindDuration, slog.KindTime:
		return true
	}
	return false
}

func (w *redactWalk) key(s string) string {
	w.bytes -= min(len(s), redactNameMax)
	return w.names.text(s, redactNameMax, false)
}

func (w *redactWalk) text(s string, limit int, lines bool) string {
	limit = min(limit, max(w.bytes, 0))
	w.bytes -= min(len(s), limit)
	return w.names.text(s, limit, lines)
}

// value returns v as a plain value or a group of them.
func (w *redactWalk) value(v slog.Value, depth int) slog.Value {
	switch v.Kind() {
	case slog.KindString:
		return slog.StringValue(w.text(v.String(), redactTextMax, false))
	case slog.KindGroup:
		return w.group(v.Group(), depth, redactOpen)
	case slog.KindLogValuer:
		return w.value(v.Resolve(), depth)
	case slog.KindAny:
		return w.any(v.Any(), depth)
	}
	return v
}

func (w *redactWalk) group(attrs []slog.Attr, depth int, grade redactGrade) slog.Value {
	if depth >= redactDepthMax && len(attrs) > 0 {
		return slog.StringValue(redactDeep)
	}
	out := make([]slog.Attr, 0, min(len(attrs), redactEntriesMax+1))
	for i, a := range attrs {
		if w.full(i) {
			out = append(out, redactMore(len(attrs)-i))
			break
		}
		out = append(out, w.attr(a, depth+1, grade))
	}
	return slog.GroupValue(out...)
}

// full reports whether no more than the i entries before are kept.
func (w *redactWalk) full(i int) bool {
	return i == redactEntriesMax || w.nodes <= 0 || w.bytes <= 0
}

func redactMore(n int) slog.Attr {
	return slog.String("...", "(+"+strconv.Itoa(n)+" more)")
}

// any returns x as a plain value or a group of them.
func (w *redactWalk) any(x any, depth int) slog.Value {
	if w.spent() {
		return slog.StringValue(redactLarge)
	}
	switch x := x.(type) {
	case nil, slog.Level:
		return slog.AnyValue(x)
	case string:
		return slog.StringValue(w.text(x, redactTextMax, false))
	case bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, time.Time, time.Duration:
		return slog.AnyValue(x)
	case float64:
		return redactFloat(x)
	case json.Number:
		return w.number(x)
	case slog.Value:
		return w.value(x, depth)
	case slog.Attr:
		return w.group([]slog.Attr{x}, depth, redactOpen)
	case []slog.Attr:
		return w.group(x, depth, redactOpen)
	case recent: // stays one, for a Redact behind this one
		clean := make(recent, len(x))
		for i, event := range x {
			clean[i] = w.names.text(event, redactTextMax, false)
		}
		return slog.AnyValue(clean)
	}
	// What is a pointer to nothing may panic in any method, and has nothing to say.
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
		return slog.StringValue(redactMark)
	case *http.Cookie:
		return slog.StringValue(w.key(x.Name) + "=" + redactMark)
	case http.Cookie:
		return slog.StringValue(w.key(x.Name) + "=" + redactMark)
	case context.Context: // it would say what it holds
		return slog.StringValue(w.key(v.Type().String()))
	case error:
		return w.say(x.Error)
	case json.RawMessage:
		return w.json(x, depth)
	}
	if reflect.PointerTo(v.Type()).Implements(redactPrivate) || v.Type().Implements(redactPrivate) {
		return slog.StringValue(redactMark)
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

// redactPrivate is what all private keys of the standard library have in common.
var redactPrivate = reflect.TypeFor[interface{ Public() crypto.PublicKey }]()
