package wire_test

import (
	"math"
	"strings"
	"testing"

	"github.com/sioware/sioware/internal/wire"
	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io-go-parser/v2/parser"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		kind        byte
		attachments uint64
		path, id    string
		payload     string
	}{
		`0`:                             {'0', 0, "/", "", ""},
		`2["a"]`:                        {'2', 0, "/", "", `["a"]`},
		`212["a"]`:                      {'2', 0, "/", "12", `["a"]`},
		`2/room,12["a"]`:                {'2', 0, "/room", "12", `["a"]`},
		`0/room?token=x,`:               {'0', 0, "/room?token=x", "", ""},
		`1/room`:                        {'1', 0, "/room", "", ""},
		`51-["a",{}]`:                   {'5', 1, "/", "", `["a",{}]`},
		`510-/a,3["a",{}]`:              {'5', 10, "/a", "3", `["a",{}]`},
		`599999999999999999999-["a"]`:   {'5', math.MaxUint64, "/", "", `["a"]`},
		`61-7[{}]`:                      {'6', 1, "/", "7", `[{}]`},
		`2/` + strings.Repeat("x", 1e6): {'2', 0, "/" + strings.Repeat("x", 1e6), "", ""},
	} {
		f, ok := wire.Parse([]byte(text))
		if !ok || byte(f.Type) != want.kind || f.Attachments != want.attachments || f.Path(4) != want.path ||
			string(f.ID) != want.id || string(f.Payload) != want.payload {
			t.Errorf("%.50s: %+.200v, %v", text, f, ok)
		}
	}
	for _, text := range []string{"", "7", "x", "/", "5", "5[]", "5x-[]", "5-1-", "6-"} {
		if f, ok := wire.Parse([]byte(text)); ok {
			t.Errorf("%s: %+v", text, f)
		}
	}
}

// Only with Engine.IO 3 does the host read the namespace as a URL.
func TestPath(t *testing.T) {
	t.Parallel()
	for nsp, want := range map[string]string{
		"/room": "/room", "/room?token=x": "/room", "/r%6fom#x": "/room", "/?x": "/", "//host/room": "/room", "/%zz": "",
	} {
		f, _ := wire.Parse([]byte("0" + nsp + ","))
		if got := f.Path(3); got != want {
			t.Errorf("%s: %q with Engine.IO 3, want %q", nsp, got, want)
		}
		if got := f.Path(4); got != nsp {
			t.Errorf("%s: %q with Engine.IO 4", nsp, got)
		}
	}
}

// FuzzParse: what the stock decoder accepts has the type, namespace and id that Parse
// finds.
func FuzzParse(f *testing.F) {
	for _, text := range []string{`2["a"]`, `2/room,12["a"]`, `0/r?t=x,{"a":1}`, `51-["a",{"_placeholder":true,"num":0}]`, `437[]`, `1/x`, `/,`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := wire.Parse([]byte(text))
		d := parser.NewDecoder()
		var p *parser.Packet
		_ = d.On("decoded", func(args ...any) { p, _ = args[0].(*parser.Packet) })
		func() {
			defer func() { _ = recover() }() // it does panic
			if d.Add(types.NewStringBufferString(text)) != nil {
				p = nil
			}
		}()
		if p == nil {
			return
		}
		if !ok || got.Type != p.Type || string(got.Namespace) != p.Nsp && (len(got.Namespace) > 0 || p.Nsp != "/") ||
			(p.Id != nil) != (len(got.ID) > 0) {
			t.Errorf("%q: %+v, %v; the decoder has %+v", text, got, ok, p)
		}
	})
}

func TestLast(t *testing.T) {
	t.Parallel()
	for want, values := range map[string][]string{"": nil, "a": {"a"}, "b": {"a", "b"}} {
		if got := wire.Last(values); got != want {
			t.Errorf("%q: %q, want %q", values, got, want)
		}
	}
	if got := wire.Last([]string{"a", ""}); got != "" {
		t.Errorf("an empty last value: %q", got)
	}
}
