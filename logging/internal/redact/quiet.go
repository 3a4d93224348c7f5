package redact

import (
	"log/slog"
	"net/netip"
)

// List is a list of texts that nobody changes any more: a handler may keep it.
type List []string

// Whole is a List of which all entries are kept, not only the first 64. Its creator
// limits its length.
type Whole []string

// quiet reports whether attr would return a unchanged, or as something that is written
// the same. It does not allocate.
func (w *walker) quiet(a slog.Attr, depth int, grade secrecy) bool {
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
		limit, stack := limitOf(a.Key)
		w.bytes -= len(v.String())
		return grade == public && w.bytes >= 0 && (isTrace(a.Key, v.String()) || w.names.quiet(v.String(), limit, stack)) ||
			grade != public && v.String() == mark
	case slog.KindGroup:
		attrs := v.Group()
		if len(attrs) > maxEntries || depth >= maxDepth || a.Key != "" && grade != public && len(attrs) > 0 {
			return false
		}
		for _, a := range attrs {
			if !w.quiet(a, depth+1, grade) {
				return false
			}
		}
		return true
	case slog.KindAny:
		if grade != public {
			return a.Equal(slog.Attr{})
		}
		switch x := v.Any().(type) {
		case nil, slog.Level:
			return true
		case netip.Addr:
			return x.Zone() == ""
		case List:
			return w.quietList(x, depth)
		}
		return false
	case slog.KindLogValuer:
		return false
	}
	return grade < secret
}

// quietList is quiet for a List.
func (w *walker) quietList(list List, depth int) bool {
	if w.spent() || len(list) == 0 || len(list) > maxEntries || depth >= maxDepth {
		return false
	}
	for _, text := range list {
		w.bytes -= len(text)
		if w.spent() || !w.names.quiet(text, maxText, false) {
			return false
		}
	}
	return true
}
