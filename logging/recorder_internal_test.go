package logging

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// nameOf returns the name that a recorder finds in a payload.
func nameOf(payload string) (name string, ok bool) {
	var r recorder
	r.add(1, []byte(payload), 0)
	if len(r.ring) == 0 {
		return "", false
	}
	return r.ring[0].name, true
}

func TestEventName(t *testing.T) {
	t.Parallel()
	const (
		jwtHead = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
		jwt     = jwtHead + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
	)
	long := strings.Repeat("é", 300)
	for payload, want := range map[string]string{
		`["message","x"]`:                                     "message",
		" [\t\"message\" ]":                                   "message",
		`[""]`:                                                "",
		`["a\"b\\"]`:                                          `a"b\`,
		`["\u00e9\ud83d\ude00\n"]`:                            "é😀\n",
		`["` + strings.Repeat("x", 64) + `"]`:                 strings.Repeat("x", 64),
		`["` + strings.Repeat("x", 65) + `"]`:                 strings.Repeat("x", 64),
		`["` + long + `"]`:                                    long[:64],
		`["` + strings.Repeat(`\u00e9`, 32) + `"]`:            long[:64],
		`["` + strings.Repeat(`\u00e9`, 300) + `"]`:           long[:64],
		`["` + strings.Repeat("x", 50) + " " + jwt + `"]`:     strings.Repeat("x", 50) + " [redacted]",
		`["` + jwtHead + strings.Repeat("a", 1000) + `.b.c"]`: "[redacted]",
		`["` + strings.Repeat("x", 396) + `\u00e9"]`:          strings.Repeat("x", 64), // an escape at the end of what is read
		`["` + strings.Repeat("y", 1<<20):                     strings.Repeat("y", 64),
	} {
		got, ok := nameOf(payload)
		if got, _, _ = strings.Cut(got, "..."); !ok || got != want {
			t.Errorf("%.80s: %q, %v, want %q", payload, got, ok, want)
		}
	}
	for _, payload := range []string{
		``, `[`, `["`, `["a`, `["a\`, `["a\"`, `["\x"]`, `["\u00"]`, `[1,"a"]`, `{"a":1}`, `"a"`, `[["a"]]`, "[\"a\nb\"]",
		`[` + strings.Repeat(" ", 1000) + `"a"]`,
	} {
		if got, ok := nameOf(payload); ok {
			t.Errorf("%.80s: %q", payload, got)
		}
	}
}

// TestRecorderShares: repeated names cost no memory, and none keeps more than 64 bytes,
// whatever it is cut from.
func TestRecorderShares(t *testing.T) { // counts allocations, not in parallel
	var r recorder
	payloads := make([][]byte, maxShared)
	for i := range payloads {
		payloads[i] = fmt.Appendf(nil, `["event %d","x"]`, i)
	}
	next := 0
	add := func() { r.add(32, payloads[next%maxShared], time.Duration(next)); next++ }
	for range 40 {
		add()
	}
	if n := testing.AllocsPerRun(100, add); n != 0 {
		t.Errorf("%v allocations", n)
	}
	told := r.told(time.Duration(next))
	if len(told) != 32 || told[31] != fmt.Sprintf("event %d -0s", (next-1)%maxShared) || told[0] != fmt.Sprintf("event %d -0s", (next-32)%maxShared) {
		t.Errorf("%d: %q", next, told)
	}
	huge := []byte(`["` + strings.Repeat("x", 1<<20) + `"]`)
	if n := testing.AllocsPerRun(100, func() { r.add(32, huge, 0) }); n > 10 {
		t.Errorf("%v allocations for a long name", n)
	}
	for _, e := range r.ring {
		if len(e.name) > maxName {
			t.Errorf("%d bytes", len(e.name))
		}
	}
}

// TestRecentIsWhole: no event is left out of a record, however many there are and however
// often it is redacted, and no secret remains in one.
func TestRecentIsWhole(t *testing.T) {
	t.Parallel()
	var r recorder
	for i := range maxRecorder + 10 {
		r.add(maxRecorder, fmt.Appendf(nil, `["%d token=hunter%d %s"]`, i, i, strings.Repeat("\u202e", 9)), 0)
	}
	told := r.told(0)
	var buf bytes.Buffer
	h := Redact(between{Redact(slog.NewJSONHandler(&buf, nil))})
	slog.New(h).Info("m", "last", told)
	var got struct{ Last []string }
	if err := json.Unmarshal(buf.Bytes(), &got); err != nil || len(got.Last) != maxRecorder || buf.Len() > 128<<10 {
		t.Fatalf("%d events, %d bytes, %v", len(got.Last), buf.Len(), err)
	}
	for i, event := range got.Last {
		if want := fmt.Sprintf("%d token=[redacted] ", i+10); !strings.HasPrefix(event, want) {
			t.Errorf("%q, want %q", event, want)
		}
	}
	if told[0] != fmt.Sprintf("10 token=hunter10 %s -0s", strings.Repeat("\u202e", 9)) {
		t.Errorf("the recorder's own has changed: %q", told[0])
	}
}

// between keeps two Redacts apart.
type between struct{ slog.Handler }

// FuzzEventName: the reported name is the one that JSON decoding yields.
func FuzzEventName(f *testing.F) {
	for _, s := range []string{`["a"]`, ` [ "a\u00e9" , 1]`, `["\ud800"]`, `["\"\\\/\b"]`, `[]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		got, ok := nameOf(payload)
		if len(got) > maxName {
			t.Errorf("%d bytes", len(got))
		}
		var want []any
		if len(payload) > maxRead || !utf8.ValidString(payload) || json.Unmarshal([]byte(payload), &want) != nil || len(want) == 0 {
			return
		}
		if name, isText := want[0].(string); isText != ok || isText && len(name) <= maxName && name != got {
			t.Errorf("%q: %q, %v, want %q", payload, got, ok, want[0])
		}
	})
}
