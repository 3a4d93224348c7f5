package redact

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func FuzzHandler(f *testing.F) {
	for _, s := range []string{
		"", "a", "token=", `{"token":"`, "Bearer ", "\n", "\xff", "https://u:", "0123456789abcdef0123456789abcdef", "aaaa/bbbb+",
		"-----BEGIN PRIVATE KEY-----", strings.Repeat("x", 2040), "token='a'", "%2E", "eyJ.", "auth:[", "\u202e", `\u`, `token\u003d`, "%3D", "[redacted]", "auth[",
	} {
		f.Add("m"+s, "k"+s, s, s)
	}
	f.Add("m", "k", "auth[", ":[")
	f.Add("m", "k", "auTh.", ":FFFFFFFFFF")
	f.Fuzz(func(t *testing.T, msg, key, before, after string) {
		planted := before + jwt + after
		for _, text := range []bool{false, true} {
			var buf bytes.Buffer
			var h slog.Handler = slog.NewJSONHandler(&buf, nil)
			if text {
				h = slog.NewTextHandler(&buf, nil)
			}
			l := slog.New(New(h, "own"))
			l.With(key, planted).WithGroup(key+planted).Info(msg+planted, key, planted, planted, 1, slog.Group(key, key, []byte(planted)),
				"err", errors.New(planted), "map", map[string]any{planted: []any{planted}}, "stack", planted, "raw", json.RawMessage(planted),
				"list", []string{before, planted, after}, "bytes", [][]byte{[]byte(planted)}, slog.Group("g", before, []string{planted}))
			out := buf.String()
			if strings.Count(out, "\n") != 1 || !strings.HasSuffix(out, "\n") {
				t.Fatalf("not one line: %q", out)
			}
			if !text && !json.Valid(buf.Bytes()) {
				t.Fatalf("not JSON: %q", out)
			}
			if strings.Contains(out, jwtPayload) || strings.Contains(out, jwtSig) {
				t.Fatalf("leaked: %q", out)
			}
		}
		if len(planted) >= 300 || strings.Contains(planted, "[redacted]") || strings.Contains(planted, "-----BEGIN") {
			return
		}
		once := Names(nil).Text(planted)
		twice := Names(nil).Text(once)
		if strings.Contains(once, `\`) {
			return
		}
		// The brackets of a mark can turn the surrounding text into a name, as in
		// "auth[[redacted]:x" and "auth.[redacted]:x", whose value is then redacted too.
		// After that nothing changes.
		named := strings.ContainsAny(before+after, "[]") || strings.ContainsAny(after, ":=>%")
		if twice != once && !named || Names(nil).Text(twice) != twice {
			t.Fatalf("not idempotent: %q, %q, %q", once, twice, Names(nil).Text(twice))
		}
	})
}
