package redact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"unicode/utf8"
)

// say returns the text of f, which is foreign code.
func (w *walker) say(f func() string) slog.Value {
	return slog.StringValue(w.text(safely(f), maxText, false))
}

func safely(f func() string) (s string) {
	defer func() {
		if p := recover(); p != nil {
			s = "!PANIC: " + panicText(p)
		}
	}()
	return f()
}

// panicText describes p without fmt, which would follow a cycle until the stack
// overflows.
func panicText(p any) (s string) {
	defer func() {
		if recover() != nil {
			s = fmt.Sprintf("%T", p)
		}
	}()
	switch p := p.(type) {
	case string:
		return p
	case error:
		return p.Error()
	}
	return fmt.Sprintf("%T", p)
}

func float(f float64) slog.Value {
	if math.IsNaN(f) || math.IsInf(f, 0) { // encoding/json fails on them
		return slog.StringValue(strconv.FormatFloat(f, 'g', -1, 64))
	}
	return slog.Float64Value(f)
}

func (w *walker) number(n json.Number) slog.Value {
	if i, err := n.Int64(); err == nil {
		return slog.Int64Value(i)
	}
	if f, err := n.Float64(); err == nil && len(n) < 20 {
		return float(f)
	}
	return slog.StringValue(w.text(n.String(), maxText, false))
}

// bits returns b, the first of total bytes, as text if it is text. Anything else may be a
// key.
func (w *walker) bits(b []byte, total int) slog.Value {
	if b == nil {
		return slog.AnyValue(nil)
	}
	head := b[:min(len(b), maxText+slack)]
	for k := 0; k < utf8.UTFMax-1 && len(head) < total && len(head) > 0 && !utf8.Valid(head); k++ {
		head = head[:len(head)-1]
	}
	if bytes.IndexByte(head, 0) >= 0 || !utf8.Valid(head) {
		return slog.StringValue("(" + strconv.Itoa(total) + " bytes)")
	}
	limit := min(maxText, max(w.bytes, 0))
	w.bytes -= min(len(head), limit)
	return slog.StringValue(w.names.part(string(head), total, limit, false))
}

func (w *walker) request(r *http.Request) slog.Value {
	path := ""
	if r.URL != nil {
		path = w.text(r.URL.Path, maxText, false)
	}
	return slog.GroupValue(slog.String("method", w.key(r.Method)), slog.String("path", path),
		slog.String("remote_addr", w.key(r.RemoteAddr)))
}

func (w *walker) marshal(x json.Marshaler, depth int) slog.Value {
	var data []byte
	fault := safely(func() string {
		var err error
		if data, err = x.MarshalJSON(); err != nil {
			return "!ERROR: " + err.Error()
		}
		return ""
	})
	if fault != "" {
		return slog.StringValue(w.text(fault, maxText, false))
	}
	return w.json(data, depth)
}

func (w *walker) json(data []byte, depth int) slog.Value {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var x any
	if len(data) > maxJSON || d.Decode(&x) != nil {
		return w.bits(data, len(data))
	}
	return w.any(x, depth)
}
