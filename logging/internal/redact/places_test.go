package redact

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

type stringer string

func (s stringer) String() string { return "I am " + string(s) }

type textError struct{ text string }

func (e *textError) Error() string { return e.text }

type thrower string

func (s thrower) Error() string { panic("failed on " + string(s)) }

type valuer struct{ v slog.Value }

func (v valuer) LogValue() slog.Value { return v.v }

type marshaler string

func (s marshaler) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"token": string(s), "n": 1})
}

type texter string

func (s texter) MarshalText() ([]byte, error) { return []byte("text " + s), nil }

type node struct {
	Name string `json:"name"`
	Next *node
	Self any
}

type structure struct {
	User   string `json:"user"`
	Pin    int64  `json:"code"`
	Data   string `json:"x-auth-token"`
	Hidden string `json:"-"`
	inner  string
	Deep   map[string][]any
	embedded
}

type embedded struct{ Note string }

// logged returns what record writes, as JSON and as text.
func logged(t *testing.T, record func(*slog.Logger), keys ...string) string {
	t.Helper()
	var all string
	for _, text := range []bool{false, true} {
		var buf bytes.Buffer
		var h slog.Handler = slog.NewJSONHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug})
		if text {
			h = slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug})
		}
		record(slog.New(New(h, keys...)))
		if n := strings.Count(buf.String(), "\n"); n != 1 {
			t.Errorf("%d lines: %q", n, buf.String())
		}
		if !text && !json.Valid(buf.Bytes()) {
			t.Errorf("not JSON: %q", buf.String())
		}
		all += buf.String()
	}
	return all
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	const secret = jwt
	request := httptest.NewRequest("GET", "/path?token=abc", nil)
	request.Header.Set("Cookie", "a="+secret)
	cycle := &node{Name: secret}
	cycle.Next, cycle.Self = cycle, cycle
	loop := map[string]any{"s": secret}
	loop["loop"] = loop
	list := []any{secret, nil}
	list[1] = list
	for name, v := range map[string]any{
		"string": secret, "error": errors.New("bad " + secret), "wrapped": fmt.Errorf("x: %w", &textError{secret}),
		"joined": errors.Join(errors.New("a"), errors.New(secret)), "panic": thrower(secret),
		"nil error": (*textError)(nil), "stringer": stringer(secret), "text": texter(secret),
		"marshaler": marshaler(secret), "valuer": valuer{slog.StringValue(secret)},
		"valuer group": valuer{slog.GroupValue(slog.Any("v", valuer{slog.StringValue(secret)}))},
		"map":          map[string]string{"a": secret}, "key": map[string]int{secret: 1}, "any key": map[any]any{texter(secret): 1},
		"nested": map[string]any{"a": map[string]any{"b": []any{secret}}}, "by name": map[string]any{"token": []any{"hunter2"}},
		"slice": []string{secret}, "array": [2]string{secret}, "bytes": []byte(secret), "raw": json.RawMessage(`{"a":"` + secret + `"}`),
		"bad raw": json.RawMessage(`{"a":"` + secret), "header": http.Header{"Cookie": {"hunter2"}, "X": {secret}}, "request": request,
		"url":       &url.URL{Scheme: "https", Host: "h", Path: "/" + secret, User: url.UserPassword("u", "hunter2")},
		"url value": url.URL{Scheme: "https", Host: "h", User: url.UserPassword("u", "hunter2")},
		"cookie":    []*http.Cookie{{Name: "a", Value: "hunter2"}}, "values": url.Values{"password": {"hunter2"}},
		"struct": structure{Pin: 471147114711, Data: "hunter2", Hidden: "hunter2", inner: "hunter2", embedded: embedded{secret}},
		"cycle":  cycle, "cyclic map": loop, "cyclic list": list, "pointer": &[]*string{new(string)}, "attrs": []slog.Attr{slog.String("pwd", "hunter2")},
		"context": context.WithValue(t.Context(), texter("k"), "hunter2"), "func": func() {}, "chan": make(chan int), "nan": []any{1.5, func() float64 { var z float64; return z / z }()},
		"userinfo": url.UserPassword("u", "hunter2"), "key bytes": [4]byte{0, 0xff, 1, 2},
	} {
		for where, record := range map[string]func(*slog.Logger){
			"attr":      func(l *slog.Logger) { l.Info("m", "v", v) },
			"group":     func(l *slog.Logger) { l.Warn("m", slog.Group("g", "v", v)) },
			"inline":    func(l *slog.Logger) { l.Error("m", slog.Group("", "v", v)) },
			"with":      func(l *slog.Logger) { l.With("v", v).Debug("m") },
			"withgroup": func(l *slog.Logger) { l.WithGroup("g").With("v", v).Info("m", "v", v) },
			"list":      func(l *slog.Logger) { l.Info("m", "v", []any{v, &v}) },
		} {
			out := logged(t, record)
			for _, s := range []string{jwtSig, jwtPayload, "hunter2", "471147114711"} {
				if strings.Contains(out, s) {
					t.Errorf("%s in %s: %s", name, where, out)
				}
			}
		}
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	request := httptest.NewRequest("GET", "/path?x=1", nil)
	for name, test := range map[string]struct {
		record func(*slog.Logger)
		want   string
	}{
		"message":   {func(l *slog.Logger) { l.Info("a\nb " + jwt) }, `"msg":"a\\nb [redacted]"`},
		"key":       {func(l *slog.Logger) { l.Info("m", "a\n", 1) }, `"a\\n":1`},
		"number":    {func(l *slog.Logger) { l.Info("m", "token", 5, "pin", 5, "session", time.Second) }, `"token":5,"pin":"[redacted]","session":1000000000`},
		"group":     {func(l *slog.Logger) { l.Info("m", slog.Group("auth", "a", "b")) }, `"auth":"[redacted]"`},
		"withgroup": {func(l *slog.Logger) { l.WithGroup("session").Info("m", "a", "b", "n", 1) }, `"session":{"a":"[redacted]","n":1}`},
		"own":       {func(l *slog.Logger) { l.Info("m", "ssn", 5, "user-ssn", 6, "text", "ssn=12345") }, `"ssn":"[redacted]","user-ssn":6,"text":"ssn=[redacted]"`},
		"struct":    {func(l *slog.Logger) { l.Info("m", "v", structure{User: "u"}) }, `"v":{"user":"u","code":"[redacted]","x-auth-token":"[redacted]","Deep":{},"Note":""}`},
		"marshaler": {func(l *slog.Logger) { l.Info("m", "v", marshaler("x")) }, `"v":{"n":1,"token":"[redacted]"}`},
		"request":   {func(l *slog.Logger) { l.Info("m", "v", request) }, `"v":{"method":"GET","path":"/path","remote_addr":"192.0.2.1:1234"}`},
		"header":    {func(l *slog.Logger) { l.Info("m", "v", http.Header{"A": {"b"}, "Cookie": {"c"}}) }, `"v":{"A":["b"],"Cookie":"[redacted]"}`},
		"trace": {func(l *slog.Logger) {
			l.Info("m", "trace_id", "4bf92f3577b34da6a3ce929d0e0e4736", "id", "4bf92f3577b34da6a3ce929d0e0e4736")
		}, `"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","id":"[redacted]"`},
		"panic":        {func(l *slog.Logger) { l.Info("m", "v", thrower("x")) }, `"v":"!PANIC: failed on x"`},
		"nil":          {func(l *slog.Logger) { l.Info("m", "v", (*textError)(nil), "w", nil) }, `"v":null,"w":null`},
		"plain":        {func(l *slog.Logger) { l.Info("m", "a", netip.MustParseAddr("::1"), "l", slog.LevelWarn) }, `"a":"::1","l":"WARN"`},
		"stack":        {func(l *slog.Logger) { l.Info("m", "stack", "a\n\tb\x1b") }, `"stack":"a\n\tb\\x1b"`},
		"stack bytes":  {func(l *slog.Logger) { l.Info("m", "stack", []byte("a\n\tb\x1b")) }, `"stack":"a\n\tb\\x1b"`},
		"client stack": {func(l *slog.Logger) { l.Info("m", "v", map[string]any{"stack": "a\nb"}) }, `"v":{"stack":"a\\nb"}`},
		"long message": {func(l *slog.Logger) { l.Info(strings.Repeat("x", 1<<20)) }, `xxx... (+1046528 bytes)"`},
		"long bytes":   {func(l *slog.Logger) { l.Info("m", "v", bytes.Repeat([]byte("x"), 1<<20)) }, `xxx... (+1046528 bytes)"`},
		"long key":     {func(l *slog.Logger) { l.Info("m", strings.Repeat("x", 1<<20), 1) }, `xxx... (+1048448 bytes)"`},
		"long stack":   {func(l *slog.Logger) { l.Info("m", "stack", strings.Repeat("x\n", 1<<19)) }, `x\n... (+1032192 bytes)"`},
		"many":         {func(l *slog.Logger) { l.Info("m", "v", make([]int, 100)) }, `0,"... (+36 more)"]`},
		"deep": {func(l *slog.Logger) {
			v := any(1)
			for range 100 {
				v = []any{v}
			}
			l.Info("m", "v", v)
		}, `"v":[[[[[[[["... (too deep)"]]]]]]]]`},
		"error": {func(l *slog.Logger) { l.Info("m", "v", fmt.Errorf("a: %w", errors.New("b\nc"))) }, `"v":"a: b\\nc"`},
	} {
		out := logged(t, test.record, "SSN")
		if !strings.Contains(out, test.want) {
			t.Errorf("%s: no %s in %.3000s", name, test.want, out)
		}
	}
}

// Wherever the cut is, no part of a token is left before it.
func TestCut(t *testing.T) {
	t.Parallel()
	for n := maxText - len(jwt) - 2; n < maxText+2; n++ {
		for _, fill := range []string{"x ", "x=", "é/", "/."} {
			s := strings.Repeat(fill, n)[:n] + " " + jwt + strings.Repeat(" y", 1<<10)
			if got := Names(nil).Text(s); strings.Contains(got, "eyJ") {
				t.Fatalf("%q", got[len(got)-100:])
			}
			if got := Names(nil).Text(s); Names(nil).Text(got) != got {
				t.Fatalf("cut twice: %q", Names(nil).Text(got)[2000:])
			}
		}
	}
	for _, s := range []string{jwtHead[:20] + strings.Repeat("a", 5000) + ".b.c", "://u:" + strings.Repeat("p", 5000) + "@h"} {
		s = strings.Repeat(" ", maxText-10) + s
		if got := Names(nil).Text(s); !strings.Contains(got, mark) {
			t.Errorf("%q", got[2000:])
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	huge := map[int]any{}
	for i := range 100_000 {
		huge[i] = strings.Repeat("x", 3000)
	}
	wide := any("x")
	for range 10 {
		list := make([]any, 100)
		for i := range list {
			list[i] = wide
		}
		wide = list
	}
	type pointer *pointer
	var p pointer
	p = &p
	var valuer loop
	for name, v := range map[string]any{"huge": huge, "wide": wide, "pointer": p, "valuer": valuer} {
		out := logged(t, func(l *slog.Logger) { l.Info("m", "v", v) })
		if len(out) > 2*(40<<10) {
			t.Errorf("%s: %d bytes", name, len(out))
		}
	}
}

type loop struct{}

func (loop) LogValue() slog.Value {
	return slog.GroupValue(slog.Any("a", loop{}), slog.Any("b", []any{loop{}}))
}

// Records that need no changes reach the handler unchanged.
func TestPassesOn(t *testing.T) { // counts allocations, not in parallel
	var got slog.Record
	h := New(New(&keep{&got}, "a"), "b")
	record := slog.NewRecord(time.Unix(1, 0), slog.LevelInfo, "m", 42)
	record.AddAttrs(slog.Int("n", 1), slog.String("s", "transport close"), slog.String("token", mark), slog.Group("g", "a_b", true))
	if n := testing.AllocsPerRun(100, func() { _ = h.Handle(context.Background(), record) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = h.Enabled(context.Background(), slog.LevelInfo) }); n != 0 {
		t.Errorf("Enabled: %v allocations", n)
	}
	record.AddAttrs(slog.Int("a", 1), slog.Int("b", 2), slog.Any("err", errors.New("x")))
	if err := h.Handle(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	if got.PC != 42 || !got.Time.Equal(record.Time) || got.NumAttrs() != record.NumAttrs() {
		t.Errorf("got %+v", got)
	}
	if len(h.Names()) != 2 {
		t.Errorf("names are lost: %v", h.Names())
	}
	if _, ok := h.Next().(*keep); !ok {
		t.Errorf("two handlers: %T", h.Next())
	}
}

type keep struct{ last *slog.Record }

func (h *keep) Enabled(context.Context, slog.Level) bool { return true }
func (h *keep) Handle(_ context.Context, r slog.Record) error {
	*h.last = r
	return nil
}
func (h *keep) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *keep) WithGroup(string) slog.Handler      { return h }
